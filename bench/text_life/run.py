#!/usr/bin/env python3
"""What searches by words feel of changes, merges and swaps.

Searches on one thread (any of 2 to 8 words, the ten best) in windows by turns quiet and beside a thread that upserts and
deletes without end, merges of low priority, and full merges and swaps. The figure is the 99.9th percentile of the busy
windows by that of the quiet ones; it must not be above 2. "all" are all searches, "own" those the kernel did not put
aside for another process or thread. A search that slept waited for a lock or the disk.

usage: run.py [--corpus short|long|many] [--lines FILE] [--windows N] [--window-ms MS]
"""
import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "vector")]

from result import BENCH_DIR, emit  # noqa: E402

SPEC = importlib.util.spec_from_file_location("text_run", os.path.join(os.path.dirname(HERE), "text", "run.py"))
text = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(text)
LIFE = os.path.join(BENCH_DIR, "_text_life")
MUST_AT_MOST = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", default="long", choices=sorted(text.SEEDS))
    parser.add_argument("--lines", default=os.environ.get("LH_BENCH_TEXT_LINES"), help="texts of the corpus many")
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--window-ms", type=int, default=2000)
    args = parser.parse_args()
    lines = text.lines_of(args.corpus, args.lines)
    folder = tempfile.mkdtemp(prefix="lh-bench-life-", dir=os.environ.get("TMPDIR"))
    try:
        paths = [os.path.join(folder, name) for name in ("set", "docs", "queries")]
        for path, texts in zip(paths[1:], (lines, text.draw(lines, text.SEEDS[args.corpus], 1000)["any"])):
            with open(path, "w", encoding="utf-8") as out:
                out.write("".join(line + "\n" for line in texts))
        done = subprocess.run([LIFE, *paths, str(args.windows), str(args.window_ms)], check=True, capture_output=True,
                              text=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = json.loads(done.stdout)
    ratios = {}
    for which in ("all", "own"):
        quiet, busy = found["quiet"][which], found["busy"][which]
        for share in ("p50_us", "p99_us", "p99.9_us", "p100_us"):
            ratio = emit("text_life_%s_%s" % (share.replace("_us", ""), which), busy[share], "us", busy["n"],
                         peer="the same, quiet", peer_value=quiet[share], ratio=busy[share] / quiet[share],
                         documents=found["documents"], changes=found["changes"], merges=found["merges"])
            ratios[which, share] = ratio
    emit("text_life_slept", found["busy"]["waited"], "searches", found["busy"]["all"]["n"], peer="the same, quiet",
         peer_value=found["quiet"]["waited"])
    for which in ("all", "own"):
        ratio = ratios[which, "p99.9_us"]
        emit("text_life_ratio_%s" % which, ratio, "x the 99.9th percentile, quiet", found["busy"][which]["n"],
             must_at_most=MUST_AT_MOST, holds=ratio <= MUST_AT_MOST)


if __name__ == "__main__":
    main()
