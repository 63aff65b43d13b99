#!/usr/bin/env python3
"""CSV to Parquet against DuckDB's own COPY of the same file in the same run, same engine version, same threads.

Two figures: `ingest_csv_worker` is the ingest program alone (typed, split into parts, synced, checked, statistics
taken); `ingest_csv_server` is POST /ingest/file to the answer of the first query on the new table, when the server is
built. Rounds are interleaved, medians are printed. usage: run.py [--rows N] [--rounds N] [--threads N] [--file F]
"""
import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

from result import BENCH_DIR, BIN_DIR, emit  # noqa: E402

DRIVER = os.path.join(BENCH_DIR, "_ingest_driver")
SERVER = os.path.join(BIN_DIR, "lakehouse")
CITIES = ["Berlin", "Chicago", "New York", "San Francisco", "M\u00fcnchen", "Lagos", "S\u00e3o Paulo", "Osaka",
          "Leeds", "Austin"]
WORDS = "night shift forklift driver warehouse picker packer inventory lead loader clerk welder nurse coder".split()


def write_csv(path, rows):
    """Ten columns, about 130 bytes a row, the same for the same number of rows."""
    pick = random.Random(7)
    with open(path, "w", encoding="utf-8") as out:
        out.write("id,name,email,phone,city,status,hours,rate,started_on,note\n")
        for i in range(rows):
            out.write('%d,Person %06d,user%d@example.com,555-%03d-%04d,%s,%s,%d,%d.%02d,20%02d-%02d-%02d,"%s"\n' % (
                i, i * 7919 % 1000003, i, i % 1000, i % 10000, CITIES[i * i % 10],
                ("active", "paused", "blocked")[i % 3], i % 60, 15 + i % 40, i % 100, 10 + i % 15, 1 + i % 12,
                1 + i % 28, " ".join(pick.choices(WORDS, k=5))))


def ours(source, folder, threads):
    begin = time.perf_counter()
    out = subprocess.run([DRIVER, source, os.path.join(folder, "ours"), folder, str(threads)], check=True,
                         capture_output=True, text=True)
    wall = time.perf_counter() - begin
    done = json.loads(out.stdout)
    return done["seconds"], wall, done["done"]


def theirs(source, folder, threads):
    target = os.path.join(folder, "theirs.parquet")
    connection = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    connection.execute("COPY (SELECT * FROM read_csv('%s')) TO '%s' (FORMAT parquet, COMPRESSION zstd, "
                       "COMPRESSION_LEVEL 1)" % (source, target))
    seconds = time.perf_counter() - begin
    connection.close()
    return seconds


class Served:
    """lakehouse serve on a folder of its own."""

    def __init__(self, folder):
        ready = os.path.join(folder, "ready.json")
        self.log = open(os.path.join(folder, "server.log"), "wb")
        self.process = subprocess.Popen(
            [SERVER, "serve", "--data", os.path.join(folder, "data"), "--listen", "127.0.0.1:0", "--grpc",
             "127.0.0.1:0", "--ready-file", ready], cwd=folder, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while not os.path.exists(ready):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the server does not start")
            time.sleep(0.01)
        with open(ready, encoding="utf-8") as text:
            self.address = json.load(text)["http"]

    def call(self, path, body, headers):
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError("%s: %d %s" % (path, reply.status, text[:300]))
        return json.loads(text)

    def ingest_and_query(self, source, name, rows):
        begin = time.perf_counter()
        with open(source, "rb") as body:
            self.call("/ingest/file?dataset=%s&mode=replace&wait_ms=600000" % name, body,
                      {"X-Filename": name + ".csv", "Content-Length": str(os.path.getsize(source))})
        reply = self.call("/query/sql", json.dumps({"sql": "SELECT count(*) AS n FROM %s" % name}),
                          {"Content-Type": "application/json"})
        seconds = time.perf_counter() - begin
        if reply["rows"][0]["n"] != rows:
            raise RuntimeError("rows: %r" % (reply["rows"],))
        return seconds

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(os.cpu_count(), 4))
    parser.add_argument("--file", default=None, help="ingest this file instead of the generated one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = args.file or os.path.join(folder, "source.csv")
        if args.file is None:
            write_csv(source, args.rows)
        server = Served(folder) if os.path.exists(SERVER) else None
        peers, workers, walls, served = [], [], [], []
        done = None
        for number in range(args.rounds):
            seconds, wall, done = ours(source, folder, args.threads)
            workers.append(seconds)
            walls.append(wall)
            peers.append(theirs(source, folder, args.threads))
            if server is not None:
                served.append(server.ingest_and_query(source, "bench_%d" % number, done["rows"]))
        if server is not None:
            server.stop()
        more = {"bytes": os.path.getsize(source), "rows": done["rows"], "threads": args.threads,
                "peer_version": duckdb.__version__, "spread": [round(min(workers), 3), round(max(workers), 3)],
                "peer_spread": [round(min(peers), 3), round(max(peers), 3)]}
        peer = statistics.median(peers)
        emit("ingest_csv_worker_process", statistics.median(walls), "s", args.rounds, "duckdb COPY", peer, **more)
        emit("ingest_csv_worker", statistics.median(workers), "s", args.rounds, "duckdb COPY", peer, **more)
        if served:
            emit("ingest_csv_server", statistics.median(served), "s", args.rounds, "duckdb COPY", peer, **more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
