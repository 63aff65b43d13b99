#!/usr/bin/env python3
"""Runs the tests of the coverage preset and prints line coverage per module, from gcov's own JSON."""
import collections
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "coverage")


def module_of(path):
    parts = os.path.relpath(path, os.path.join(ROOT, "src")).split(os.sep)
    if parts[0] == "..":
        return None
    return "/".join(parts[:-1]) or "main"


def main():
    for stale in glob.glob(os.path.join(BUILD, "**", "*.gcda"), recursive=True):
        os.unlink(stale)
    runner = os.path.join(ROOT, "tools", "test_run.py")
    tests = subprocess.run([sys.executable, runner, "--preset", "coverage", *sys.argv[1:]])
    lines = collections.defaultdict(dict)
    with tempfile.TemporaryDirectory() as work:
        data = [path for folder in ("lh_*.dir", "lakehouse*.dir")  # .gcno: also what never ran
                for path in glob.glob(os.path.join(BUILD, "CMakeFiles", folder, "**", "*.gcno"), recursive=True)]
        for path in data:  # one by one: a file that a killed process left torn must not hide the others
            gcov = subprocess.run(["gcov", "--json-format", path], cwd=work, text=True, capture_output=True)
            if gcov.returncode != 0:
                print(f"coverage: {os.path.relpath(path, BUILD)}: {gcov.stderr.strip()[:200]}", file=sys.stderr)
        for report in glob.glob(os.path.join(work, "*.gcov.json.gz")):
            with gzip.open(report) as stream:
                for file in json.load(stream)["files"]:
                    path = os.path.normpath(os.path.join(ROOT, file["file"]))
                    for line in file["lines"]:
                        known = lines[path].get(line["line_number"], 0)
                        lines[path][line["line_number"]] = max(known, line["count"])
    modules = collections.defaultdict(lambda: [0, 0])
    for path, counts in lines.items():
        module = module_of(path)
        if module is not None:
            modules[module][0] += sum(1 for count in counts.values() if count)
            modules[module][1] += len(counts)
    print(f"{'module':<20} {'lines':>7} {'run':>7} {'share':>7}")
    for module, (run, total) in sorted(modules.items()):
        print(f"{module:<20} {total:>7} {run:>7} {100 * run / total:>6.1f}%")
    run, total = (sum(column) for column in zip(*modules.values())) if modules else (0, 0)
    if total:
        print(f"{'all':<20} {total:>7} {run:>7} {100 * run / total:>6.1f}%")
    sys.exit(tests.returncode)


if __name__ == "__main__":
    main()
