#!/usr/bin/env python3
"""Vector sets that live: what an append costs beside hnswlib's insertion, and what searches feel of changes and merges.

append  10,000 rows into a set of 90,000, until the call returned: then they are durable (synced) and searchable, and a
        sample of them is looked for. hnswlib (M 16, efConstruction 200, all cores) inserts as many into its graph of the
        same 90,000, in memory only. Five rounds by turns; hnswlib's rounds are 2,000 rows each, added up.
pause   searches on one thread in windows by turns quiet and beside a thread that upserts and deletes without end, merges
        of low priority, and full merges and swaps. The figure is by how much the 99.9th percentile of the busy
        windows lies above that of the quiet ones; it must not be more than 5 ms. "all" are all searches, "own" those
        the kernel did not put aside for another process: on a machine that does other work as well "all" are that
        work's waits. A search that slept waited for a lock or the disk.

The set is real384 of bench/vector (prepare.py makes it).

usage: run.py [--rounds N] [--windows N] [--window-ms MS]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vector"))

import prepare  # noqa: E402
import run as vector  # noqa: E402

LIFE = os.path.join(os.path.dirname(prepare.BIN_DIR), "bench", "_vector_life")
DIM, BASE, MORE, ROUNDS_MAX = 384, 90_000, 10_000, 5


def cut(source, path, first, rows):
    with open(source, "rb") as whole, open(path, "wb") as out:
        whole.seek(first * DIM * 4)
        shutil.copyfileobj(whole, out) if rows is None else out.write(whole.read(rows * DIM * 4))


class Life:
    """Our side of the appends."""

    def __init__(self, folder, base, more):
        self.process = subprocess.Popen([LIFE, "append", folder, base, more, str(DIM)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.reply()

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench/vector_life: _vector_life has ended")
        return json.loads(line)

    def append(self):
        self.process.stdin.write("append\n")
        self.process.stdin.flush()
        return self.reply()["append_s"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def appends(folder, base, more, rounds):
    pieces = []
    for i in range(ROUNDS_MAX):
        pieces.append(os.path.join(folder, "piece%d.f32" % i))
        cut(more, pieces[-1], i * MORE // ROUNDS_MAX, MORE // ROUNDS_MAX)
    ours = Life(os.path.join(folder, "set"), base, more)
    peer = vector.Peer("hnswlib", base, DIM, 200)
    took, theirs = [], []
    ours.append()
    for i in range(max(rounds, ROUNDS_MAX)):
        took.append(ours.append())
        if i < ROUNDS_MAX:
            theirs.append(peer.ask("add", pieces[i])["add_s"])
    ours.close()
    peer.close()
    value, peer_value = statistics.median(took), sum(theirs)
    vector.emit("append", value, "s", MORE, peer.name + ", in memory only", peer_value, rounds=len(took),
                worst=max(took))


def pauses(folder, base, queries, windows, window_ms):
    done = subprocess.run([LIFE, "pause", os.path.join(folder, "set2"), base, queries, str(DIM), str(windows), str(window_ms)],
                          check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    over_ms = {}
    for which in ("all", "own"):
        quiet, busy = found["quiet"][which], found["busy"][which]
        for share in ("p50_us", "p99_us", "p99.9_us", "p100_us"):
            vector.emit("search_beside_changes_%s/%s" % (share.replace("_us", ""), which), busy[share], "us", busy["n"],
                        "the same, quiet", quiet[share], changes=found["changes"], merges=found["merges"])
        over_ms[which] = (busy["p99.9_us"] - quiet["p99.9_us"]) / 1000
    vector.emit("searches_that_slept", found["busy"]["waited"], "searches", found["busy"]["all"]["n"], "the same, quiet",
                found["quiet"]["waited"])
    for which in ("all", "own"):
        vector.emit("pause_ms/" + which, over_ms[which], "ms", found["busy"][which]["n"], must_at_most=5,
                    holds=over_ms[which] <= 5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MAX)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--window-ms", type=int, default=2000)
    args = parser.parse_args()
    source = prepare.ensure("real384")
    vector.WORK = tempfile.mkdtemp(prefix="lh-bench-life-", dir=os.environ.get("TMPDIR"))
    try:
        base, more = os.path.join(vector.WORK, "base.f32"), os.path.join(vector.WORK, "more.f32")
        cut(os.path.join(source, "base.f32"), base, 0, BASE)
        cut(os.path.join(source, "base.f32"), more, BASE, None)
        pauses(vector.WORK, base, os.path.join(source, "q_in.f32"), args.windows, args.window_ms)
        appends(vector.WORK, base, more, args.rounds)
    finally:
        shutil.rmtree(vector.WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
