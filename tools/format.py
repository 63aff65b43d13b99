#!/usr/bin/env python3
"""Lays out C files: wraps comments at 100 columns without merging their lines, then runs clang-format.

usage: format.py [FILE...]     (without files: every C file of src, tests and bench)

clang-format's own comment wrapping would pull "Threads:" into the tail of "Owns: ...", so it is off and this does it:
an overlong line of a comment block continues on a new line under its text; an overlong trailing comment moves above
its line.
"""
import os
import re
import subprocess
import sys
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 100
WORDS = re.compile(r"(?:Owns|Threads|Limits|Formats|Why|Floor):\s*")


def wrap(prefix, hanging, text, tail=""):
    """Lines of `prefix + text`, continued under `hanging`; tail (" */") stays on the last line."""
    rows = textwrap.wrap(text + tail.replace(" ", "\0"), LIMIT, initial_indent=prefix, subsequent_indent=hanging,
                         break_long_words=False, break_on_hyphens=False)
    return [row.replace("\0", " ") for row in rows]


def wrap_block_line(line, opens):
    """One line inside /* ... */; opens = it holds the /*."""
    match = re.match(r"^(\s*/\*+ )(.*?)( ?\*/)?$" if opens else r"^(\s*\* ?)(.*?)( ?\*/)?$", line)
    if not match:
        return [line]
    prefix, text, tail = match.group(1), match.group(2), match.group(3) or ""
    star = prefix if not opens else re.sub(r"/\*+ $", " * ", prefix)
    inner = re.match(r"(\s*(?:[-*] |\d+\. )?)(?:" + WORDS.pattern + ")?", text).group(0)
    return wrap(prefix + inner, star + " " * len(inner), text[len(inner):], tail and " */")


def text_column(line):
    """Where the words of a block line start: after the star, a bullet, and one of the five words."""
    match = re.match(r"\s*(?:/\*+|\*)? *(?:[-*] |\d+\. )?(?:" + WORDS.pattern + ")?", line)
    return match.end()


def join_paragraph(lines, index):
    """The overlong block line at index together with the lines that go on from it; returns (line, lines taken)."""
    joined, taken = lines[index], 1
    while len(lines[index + taken - 1]) > 80 and index + taken < len(lines) and "*/" not in lines[index + taken - 1]:
        following = lines[index + taken]
        match = re.match(r"\s*\* +(?=[\w(`\"'<=+/*])", following)
        if not match or WORDS.match(following[match.end():]) or match.end() != text_column(lines[index]):
            break
        joined += " " + following[match.end():]
        taken += 1
    return joined, taken


def wrap_comments(text):
    lines, out, index, inside, off = text.split("\n"), [], 0, False, False
    while index < len(lines):
        line, taken = lines[index], 1
        off = (off or "clang-format off" in line) and "clang-format on" not in line
        opens = line.rfind("/*")
        starts_block = not inside and opens >= 0 and line.find("*/", opens) < 0
        if len(line) <= LIMIT or off or (not inside and opens < 0) or line.endswith("\\"):
            out.append(line)
        elif inside or line[:opens].strip() == "":
            if inside or starts_block:
                line, taken = join_paragraph(lines, index)
            out += wrap_block_line(line, not inside)
        elif line.endswith("*/") and line[:opens].rstrip()[-1] in ";,{":
            indent = re.match(r"\s*", line).group(0)
            above = f"{indent}{line[opens:]}"
            out += wrap_block_line(above, True) if len(above) > LIMIT else [above]
            out.append(line[:opens].rstrip())
        else:
            out.append(line)
        if starts_block or inside:
            inside = "*/" not in lines[index + taken - 1][opens + 2 if starts_block and taken == 1 else 0:]
        index += taken
    return "\n".join(out)


def main():
    files = sys.argv[1:] or subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "src", "tests", "bench"], cwd=ROOT, text=True,
        capture_output=True, check=True).stdout.split()
    files = [os.path.join(ROOT, path) if not sys.argv[1:] else path for path in files
             if path.endswith((".c", ".h", ".cc"))]
    for path in files:
        with open(path, encoding="utf-8") as stream:
            before = stream.read()
        after = wrap_comments(before)
        if after != before:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(after)
    if files:
        subprocess.run(["clang-format", "-i", *files], check=True)


if __name__ == "__main__":
    main()
