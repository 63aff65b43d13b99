#!/usr/bin/env python3
"""From exec to ready with many datasets, and what the idle server and its whole process tree weigh.

Time is from the spawn to the ready file, which is written when requests are served. Weight of the server is its RSS;
weight of the tree is the sum of PSS, so that what the zygote and its workers share counts once (the sum of RSS is
printed beside it). No model is loaded. Prints JSON lines; the last one is the ratio to the limit that this bench
exists for.
usage: run.py [--rounds N] [--datasets N]   (LH_BIN_DIR says where the programs are)
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
os.environ.setdefault("LH_BIN_DIR", str(ROOT / "build" / "release" / "bin"))

from result import emit  # noqa: E402
from support.server import Server, kill_rest, lives, rss_bytes, wait_until  # noqa: E402

READY_MS_MAX, SERVER_BYTES_MAX, TREE_BYTES_MAX = 50, 12 << 20, 64 << 20


def pss_bytes(pid):
    try:
        found = re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def start_ms(server):
    server.ready_file.unlink(missing_ok=True)
    began = time.perf_counter()
    server.spawn()
    while not server.ready_file.exists():
        if server.process.poll() is not None:
            sys.exit("bench: the server does not start:\n" + server.stderr()[-2000:])
        time.sleep(0.0002)
    took = (time.perf_counter() - began) * 1e3
    wait_until(lambda: server.ready_file.read_text().endswith("\n"), 5, "the ready file")
    server.address = json.loads(server.ready_file.read_text())["http"]
    return took


def settle(server):
    """Until the zygote is warm and nobody grows any more."""
    client = server.client()
    wait_until(lambda: client.get("/ready")["workers"], 30, "a warm zygote")
    last = -1
    for _ in range(50):
        now = sum(map(rss_bytes, server.tree()))
        if now == last:
            return
        last = now
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--datasets", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, env={"LAKEHOUSE_LOG_LEVEL": "warn"}, inbox=True)
        try:
            client = server.client()
            for i in range(args.datasets):
                client.ingest(f"id,name,value\n{i},n{i},1.5\n", f"dataset_{i:03d}")
                client.ask("PATCH", f"/catalog/datasets/by-name/dataset_{i:03d}/metadata", {"owner": "bench"})
            server.stop()
            times = []
            for _ in range(args.rounds):
                times.append(start_ms(server))
                assert server.client().get("/ready")["datasets"] == args.datasets
                server.stop()
            start_ms(server)
            settle(server)
            tree = server.tree()
            tree_pss, tree_rss = sum(map(pss_bytes, tree)), sum(map(rss_bytes, tree))
            server_rss = server.rss()
            assert all(map(lives, tree))
            emit("start_server_rss_idle", server_rss, "bytes", 1, "limit", SERVER_BYTES_MAX, datasets=args.datasets)
            emit(
                "start_tree_pss_idle",
                tree_pss,
                "bytes",
                len(tree),
                "limit",
                TREE_BYTES_MAX,
                rss_sum=tree_rss,
                processes=len(tree),
            )
            emit(
                "start_ready_ms",
                statistics.median(times),
                "ms",
                args.rounds,
                "limit",
                READY_MS_MAX,
                datasets=args.datasets,
                best=round(min(times), 2),
                worst=round(max(times), 2),
            )
            server.stop()
        finally:
            kill_rest(server)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: {error}")
