"""Writes tables of base/code_table.h: a class for every code point, parts for those that become something else."""

CODE_POINTS = 0x110000
BLOCK = 128


def array(kind, name, values, width=100):
    """A constant C array, as many values a line as fit."""
    lines, line = [], "   "
    for value in values:
        if len(line) + len(value) + 2 > width:
            lines.append(line)
            line = "   "
        line += " " + value + ","
    return "%s %s = {\n%s\n};\n" % (kind, name, "\n".join(lines + [line]))


def class_enum(prefix, notes):
    """Members of the enum of classes; notes: {name: what it means}, in order."""
    last = list(notes)[-1]
    return "\n".join("    %s_%s%s /* %s */" % (prefix, name, "," if name != last else "", note)
                     for name, note in notes.items())


def code_table(name, classes, maps):
    """The C text of one table; classes: bytes by code point, maps: {code point: [code points]}."""
    blocks, block_of = {}, []
    for start in range(0, CODE_POINTS, BLOCK):
        block_of.append(blocks.setdefault(bytes(classes[start:start + BLOCK]), len(blocks)))
    entries, parts, known = [], [], {}
    for code, body in sorted(maps.items()):
        first = known.setdefault(tuple(body), len(parts))
        if first == len(parts):
            parts += body
        entries.append("{0x%X, %d, %d}" % (code, first, len(body)))
    assert len(blocks) < 65536 and len(parts) < 65536
    flat = [str(value) for block in blocks for value in block]
    print("%s: %d blocks, %d maps, %d parts" % (name, len(blocks), len(entries), len(parts)))
    return (array("static const uint16_t", "block_of[LH_CODE_BLOCKS]", map(str, block_of))
            + array("static const uint8_t", "classes[%d]" % len(flat), flat)
            + array("static const lh_code_map", "maps[%d]" % len(entries), entries)
            + array("static const uint32_t", "parts[%d]" % len(parts), ["0x%X" % part for part in parts])
            + "const lh_code_table %s = {block_of, classes, maps, %d, parts};\n" % (name, len(entries)))
