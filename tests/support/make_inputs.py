#!/usr/bin/env python3
"""Writes real-life input files for tests of ingest and says what must come of each.

usage: make_inputs.py FOLDER [--big-bytes N]; prints one JSON line per file: name, rows, columns (when they are few),
oddities. Also imported: inputs() yields (name, bytes, expected).
"""
import argparse
import gzip
import io
import json
import os
import sys


def _wide(columns, rows):
    out = [",".join("c%d" % i for i in range(columns))]
    out += [",".join(str(row * i) for i in range(columns)) for row in range(rows)]
    return ("\n".join(out) + "\n").encode()


def _parquet_of_arrow():
    import pyarrow
    import pyarrow.parquet
    table = pyarrow.table({
        "id": pyarrow.array([1, 2, None], pyarrow.uint32()),
        "items": pyarrow.array([[{"q": 1}], [], None]),
        "when": pyarrow.array([1, 2, 3], pyarrow.timestamp("us")),
        "word": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
    })
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def inputs():
    """(name, bytes, {"rows", "columns", "oddities"}) of each file."""
    people = "name;city\nJos\u00e9;K\u00f6ln\nAnne;Br\u00fcgge\n"
    text = ["VARCHAR", "VARCHAR"]
    yield "bom.csv", b"\xef\xbb\xbfid,name\r\n1,a\r\n2,b\r\n", {"rows": 2, "columns": {"id": "BIGINT", "name": "VARCHAR"}}
    yield "latin1.csv", people.encode("latin-1"), {"rows": 2, "columns": dict(zip(["name", "city"], text)),
                                                   "oddities": {"bad_utf8": 3}}
    yield "utf16.csv", people.encode("utf-16"), {"rows": 2, "columns": dict(zip(["name", "city"], text)), "oddities": {}}
    yield "utf16be.csv", people.encode("utf-16-be"), {"rows": 2, "columns": dict(zip(["name", "city"], text))}
    yield "breaks.csv", b'id,note\r\n1,"two\r\nlines"\r\n2,"a ""b"" c"\r\n', {"rows": 2}
    yield "ragged.csv", b"a,b,c\n1\n1,2,3,4,5\n\n4,5,6\n", {
        "rows": 3, "oddities": {"short_row": 1, "long_row": 1, "blank_line": 1},
        "columns": {"a": "BIGINT", "b": "BIGINT", "c": "BIGINT", "_extra": "VARCHAR"}}
    yield "names.csv", b"a,A,,a\n1,2,3,4\n", {"rows": 1, "columns": {"a": "BIGINT", "A_2": "BIGINT",
                                                                    "column_3": "BIGINT", "a_3": "BIGINT"}}
    yield "wide.csv", _wide(2000, 50), {"rows": 50}
    yield "nulls.csv", b"n,t\n1,NULL\nN/A,x\n", {"rows": 2, "columns": {"n": "BIGINT", "t": "VARCHAR"},
                                                "oddities": {"null_text": 1}}
    yield "excel.csv", b"sep=;\r\nid;amount\r\n1;2,5\r\n", {"rows": 1, "columns": {"id": "BIGINT", "amount": "VARCHAR"}}
    yield "ids.csv", b"zip,phone,card,price,day\n01234,+49301,4111111111111111,1.50,2024-02-29\n", {
        "rows": 1, "columns": {"zip": "VARCHAR", "phone": "VARCHAR", "card": "VARCHAR", "price": "DOUBLE", "day": "DATE"}}
    yield "stray.csv", b'id,x\n1,5" pipe\n2,"open\n3,"ok"\n', {"rows": 3, "oddities": {"stray_quote": 1}}
    yield "keys.ndjson", (b'{"a":1,"b":{"c":[1,{"d":2}]}}\n{"b":{"c":"x"},"e":9007199254740993}\n'
                          b'{"e":18446744073709551616,"s":"\\ud800"}\n'), {
        "rows": 3, "columns": {"a": "BIGINT", "b.c": "VARCHAR", "e": "VARCHAR", "s": "VARCHAR"},
        "oddities": {"lone_surrogate": 1}}
    yield "list.json", b'[{"a":1},{"a":2,"b":true}]', {"rows": 2, "columns": {"a": "BIGINT", "b": "BOOLEAN"}}
    yield "text.txt", "Gr\u00fc\u00dfe\n\naus K\u00f6ln".encode(), {"rows": 1}
    yield "latin1.txt", "Gr\u00fc\u00dfe".encode("latin-1"), {"rows": 1, "oddities": {"bad_utf8": 1}}
    yield "packed.csv.gz", gzip.compress(b"a,b\n1,2\n"), {"rows": 1, "columns": {"a": "BIGINT", "b": "BIGINT"}}
    try:
        yield "arrow.parquet", _parquet_of_arrow(), {
            "rows": 3, "columns": {"id": "BIGINT", "items": "STRUCT(q BIGINT)[]", "when": "TIMESTAMP", "word": "VARCHAR"}}
    except ImportError:
        pass


def bad_inputs():
    """(name, bytes, wire code of the error) of each file that must be refused."""
    yield "broken.json", b'[{"a":1},\n {"b":}\n]', "unprocessable"
    yield "open.json", b'[{"a":1}', "unprocessable"
    yield "cut.csv.gz", gzip.compress(b"a,b\n" + os.urandom(5000).hex().encode())[:-20], "unprocessable"
    yield "empty.csv", b"", "unprocessable"
    yield "lies.parquet", b"PAR1" + b"\0" * 64 + b"\xff\xff\xff\x7fPAR1", "unprocessable"
    yield "paper.csv", b"%PDF-1.7\n", "unsupported_media"


def write_big(path, bytes_wanted):
    """A CSV of that size with quoted line breaks; returns its rows."""
    rows = 0
    with open(path, "w", encoding="utf-8", newline="") as out:
        size = out.write("id,name,amount,day,note\n")
        while size < bytes_wanted:
            lines = ['%d,Person %d,%d.%02d,2024-%02d-%02d,"note of %d\nwith a second, longer line of text"\n' % (
                rows + i, i * 7, i, i % 100, 1 + i % 12, 1 + i % 28, i) for i in range(1000)]
            size += out.write("".join(lines))
            rows += 1000
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--big-bytes", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    for name, content, expected in inputs():
        with open(os.path.join(args.folder, name), "wb") as out:
            out.write(content)
        print(json.dumps({"name": name, **expected}))
    for name, content, code in bad_inputs():
        with open(os.path.join(args.folder, name), "wb") as out:
            out.write(content)
        print(json.dumps({"name": name, "error": code}))
    if args.big_bytes > 0:
        rows = write_big(os.path.join(args.folder, "big.csv"), args.big_bytes)
        print(json.dumps({"name": "big.csv", "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
