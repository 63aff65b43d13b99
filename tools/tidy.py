#!/usr/bin/env python3
"""clang-tidy over src/, remembering what was clean.

usage: tidy.py [--jobs N] [FILE...]

A file is looked at again only when it, a header of ours it includes, .clang-tidy or the tool changed; clean results
are kept under $LH_DEPS_CACHE (~/.cache/lakehouse), so a second clone is quick as well. Findings that were judged and
are wrong are rows of tools/tidy_known.txt: path, check, and after the # why the analyzer errs.
"""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "tidy")
CACHE = os.path.join(os.environ.get("LH_DEPS_CACHE") or
                     os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lakehouse"),
                     "tidy")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def closure(path, known):
    """The file and every header of ours it reaches."""
    if path in known or not os.path.isfile(path):
        return
    known.add(path)
    for name in INCLUDE.findall(read(path)):
        closure(os.path.join(ROOT, "src", name), known)


def key_of(path, salt):
    files = set()
    closure(path, files)
    digest = hashlib.sha256(salt.encode())
    for name in sorted(files):
        digest.update(os.path.relpath(name, ROOT).encode() + b"\0" + read(name).encode() + b"\0")
    return digest.hexdigest()


FINDING = re.compile(r"^(\S+?):\d+:\d+: (?:error|warning): .*\[([\w.-]+)")


def judged():
    """(path, check) of every finding that is known to be wrong."""
    with open(os.path.join(ROOT, "tools", "tidy_known.txt"), encoding="utf-8") as rows:
        return {tuple(row.split("#")[0].split()) for row in rows if row.split("#")[0].strip()}


def look(path, key, known):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", BUILD, path], text=True, capture_output=True)
    output = "\n".join(line for line in done.stdout.splitlines()
                       if not line.startswith("[") and "warnings generated" not in line)
    findings = [match.groups() for match in map(FINDING.match, output.splitlines()) if match]
    new = [finding for finding in findings if (os.path.relpath(finding[0], ROOT), finding[1]) not in known]
    clean = not new and (done.returncode == 0 or bool(findings))
    if clean:
        with open(os.path.join(CACHE, key), "w", encoding="utf-8") as stamp:
            stamp.write(os.path.relpath(path, ROOT))
    return path, clean, (output + "\n" + (done.stderr if done.returncode else "")).strip()


def forget_old(days=30):
    limit = time.time() - days * 86400
    for entry in os.scandir(CACHE):
        if entry.stat().st_mtime < limit:
            os.unlink(entry.path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    os.makedirs(CACHE, exist_ok=True)
    forget_old()
    configured = subprocess.run(["cmake", "--preset", "tidy"], cwd=ROOT, text=True, capture_output=True)
    if configured.returncode != 0:
        sys.exit(configured.stderr)
    version = subprocess.run(["clang-tidy", "--version"], text=True, capture_output=True).stdout
    salt = version + read(os.path.join(ROOT, ".clang-tidy"))
    commands = json.loads(read(os.path.join(BUILD, "compile_commands.json")))
    wanted = {os.path.abspath(path) for path in args.files}
    files = sorted({entry["file"] for entry in commands if entry["file"].startswith(os.path.join(ROOT, "src") + "/")
                    and entry["file"].endswith(".c")} & (wanted or {entry["file"] for entry in commands}))
    work = [(path, key) for path in files for key in [key_of(path, salt)]
            if not os.path.exists(os.path.join(CACHE, key))]
    bad, known = 0, judged()
    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        for path, clean, output in pool.map(lambda item: look(*item, known), work):
            if not clean:
                bad += 1
                print(output)
    print(f"tidy: {len(files)} files, {len(work)} looked at, {bad} with findings")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
