#!/usr/bin/env python3
"""Finds code that stands in two places under src/: the same window of 12 or more lines.

usage: duplicates.py [--lines 12]

Lines are compared without comments, white space and what is alone on a line as punctuation. Tables of rows (X-macros,
initialisers) and #include lines do not count: there, repetition is the point. A pair that must stay is listed in
tools/duplicates_allowed.txt as "path path  # why".
"""
import argparse
import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALLOWED = os.path.join(ROOT, "tools", "duplicates_allowed.txt")
TOKEN = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
TRIVIAL = re.compile(r"[{}();,\\]*|else|break;|default:|return LH_OK;|#include.*|#(endif|else|if|ifndef|define).*|"
                     r"X\(.*|\{.*\},?|\..*,")


def code_lines(path):
    """(line number, normalised text) of every line that counts."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        text = stream.read()
    text = TOKEN.sub(lambda match: match.group(0) if match.group(0)[0] in "\"'" else "\n" * match.group(0).count("\n"),
                     text)
    for number, line in enumerate(text.split("\n"), 1):
        bare = re.sub(r"\s+", "", line)
        if not TRIVIAL.fullmatch(bare):
            yield number, bare


def find(files, size):
    """Maximal equal runs of at least `size` counted lines: (path, first, last, path, first, last, lines)."""
    lines = {path: list(code_lines(path)) for path in files}
    windows = collections.defaultdict(list)
    for path, rows in lines.items():
        for at in range(len(rows) - size + 1):
            windows[tuple(text for _, text in rows[at:at + size])].append((path, at))
    seen = set()
    for places in windows.values():
        for left in range(len(places)):
            for right in range(left + 1, len(places)):
                (one, at), (two, to) = places[left], places[right]
                if (one, at - 1, two, to - 1) in seen or (one == two and to - at < size):
                    seen.add((one, at, two, to))
                    continue
                seen.add((one, at, two, to))
                length = size
                while (at + length < len(lines[one]) and to + length < len(lines[two])
                       and lines[one][at + length][1] == lines[two][to + length][1]):
                    length += 1
                yield (one, lines[one][at][0], lines[one][at + length - 1][0],
                       two, lines[two][to][0], lines[two][to + length - 1][0], length)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=12)
    args = parser.parse_args()
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src"], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout
    files = [path for path in out.split() if path.endswith((".c", ".h", ".cc")) and
             os.path.exists(os.path.join(ROOT, path))]
    allowed = set()
    if os.path.exists(ALLOWED):
        with open(ALLOWED, encoding="utf-8") as rows:
            allowed = {tuple(row.split("#")[0].split()) for row in rows if row.split("#")[0].strip()}
    count = 0
    for one, first, last, two, start, end, length in find(files, args.lines):
        if (one, two) in allowed or (two, one) in allowed:
            continue
        count += 1
        print(f"{one}:{first}: {length} lines to {last} stand again in {two}:{start}-{end}")
    print(f"duplicates: {len(files)} files, {count} findings")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
