#!/usr/bin/env python3
"""SQL over committed Parquet, end to end through HTTP, against the same engine version in process on the same files.

Queries: a join, a filter, a point look-up, an aggregate; both sides parse their result into Python values. Streams: a
million rows as NDJSON and as Arrow, with the highest RSS of the server while they run. First byte: of a streamed reply,
against the engine's first chunk. Rounds are interleaved, medians are printed; the last line is the worst ratio to what
is promised: 1.1 x + 1 ms, for a first byte + 2 ms.
usage: run.py [--rows N] [--rounds N] [--threads N]   (LH_BIN_DIR says where the programs are)
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
os.environ.setdefault("LH_BIN_DIR", str(ROOT / "build" / "release" / "bin"))

from result import emit  # noqa: E402
from support.server import Server, kill_rest  # noqa: E402

QUERIES = {
    "join": "SELECT u.city, count(*) AS n, sum(e.amount) AS total FROM events e JOIN users u ON e.user_id = u.id "
    "WHERE e.kind = 'buy' GROUP BY u.city ORDER BY n DESC",
    "filter": "SELECT id, amount, note FROM events WHERE amount > 998.5 AND kind <> 'view' ORDER BY id LIMIT 100",
    "point": "SELECT * FROM events WHERE id = 54321",
    "aggregate": "SELECT kind, date_trunc('month', seen) AS month, count(*) AS n, avg(amount) AS mean, "
    "max(note) AS last FROM events "
    "GROUP BY ALL ORDER BY ALL",
}
STREAM = "SELECT id, user_id, kind, amount, seen, note FROM events"


PEER = f"duckdb {duckdb.__version__} in process"


def say(name, value, unit, n, peer_value, **more):
    emit(name, value, unit, n, PEER, peer_value, **more)


def make_files(folder, rows):
    made = duckdb.connect()
    made.execute("SELECT setseed(0.5)")
    made.execute(
        f"""COPY (SELECT i AS id, (hash(i) % 100000)::BIGINT AS user_id,
        ['view','view','view','cart','buy'][1 + (hash(i * 3) % 5)::INT] AS kind,
        round((hash(i * 7) % 100000) / 100.0, 2) AS amount,
        TIMESTAMP '2024-01-01' + INTERVAL (i % 31536000) SECOND AS seen,
        'note ' || md5(i::VARCHAR) AS note FROM range({rows}) t(i)) TO '{folder}/events.parquet' (FORMAT parquet)"""
    )
    made.execute(
        f"""COPY (SELECT i AS id, 'user ' || i AS name,
        ['Berlin','Paris','Chicago','Lagos','Osaka'][1 + (hash(i) % 5)::INT] AS city
        FROM range(100000) t(i)) TO '{folder}/users.parquet' (FORMAT parquet)"""
    )


class Ours:
    def __init__(self, client):
        self.connection = client.connect()
        self.connection.connect()

    def send(self, sql, format):
        body = json.dumps({"sql": sql, "format": format, "limit": 0, "timeout_ms": 300000}).encode()
        self.connection.request("POST", "/query/sql", body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        if response.status != 200:
            sys.exit(f"bench: {response.status} {response.read()[:500]!r}")
        return response

    def rows(self, sql):
        return json.loads(self.send(sql, "json_arrays").read())["rows"]

    def first_byte_s(self, sql, format):
        began = time.perf_counter()
        response = self.send(sql, format)
        response.read(1)
        took = time.perf_counter() - began
        while response.read(1 << 20):
            pass
        return took

    def stream(self, sql, format, server):
        began, total, highest = time.perf_counter(), 0, 0
        response = self.send(sql, format)
        while True:
            piece = response.read(1 << 20)
            if not piece:
                return time.perf_counter() - began, total, highest
            total += len(piece)
            highest = max(highest, server.rss())


def theirs(server, client, threads):
    connection = duckdb.connect(config={"threads": threads})
    for name in ("events", "users"):
        files = [str(server.data / one["key"]) for one in client.get(f"/catalog/datasets/by-name/{name}")["objects"]]
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files})")
    return connection


def seconds(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def first_chunk_s(peer, sql):
    began = time.perf_counter()
    reader = peer.execute(sql).to_arrow_reader(2048)
    reader.read_next_batch()
    took = time.perf_counter() - began
    for _ in reader:
        pass
    return took


def drain(peer, sql):
    for _ in peer.execute(sql).to_arrow_reader(100000):
        pass


def compare_queries(ours, peer, rounds):
    worst = 0
    for name, sql in QUERIES.items():
        assert len(ours.rows(sql)) == len(peer.execute(sql).fetchall()) > 0, name
        pairs = [
            (seconds(lambda: ours.rows(sql)) * 1e3, seconds(lambda: peer.execute(sql).fetchall()) * 1e3)
            for _ in range(rounds)
        ]
        mine, peers = (statistics.median(side) for side in zip(*pairs))
        promised = 1.1 * peers + 1
        worst = max(worst, mine / promised)
        say(f"sql_{name}", mine, "ms", rounds, peers, promised_ms=round(promised, 3), kept=mine <= promised)
    return worst


def compare_streams(ours, peer, server, rows, rounds):
    idle = server.rss()
    for format, peer_call in (
        ("ndjson", lambda: peer.execute(f"COPY ({STREAM}) TO '/dev/null' (FORMAT json)")),
        ("arrow", lambda: drain(peer, STREAM)),
    ):
        ours.stream(STREAM, format, server)
        runs = [(*ours.stream(STREAM, format, server), seconds(peer_call)) for _ in range(rounds)]
        took, size, highest, peers = (statistics.median(side) for side in zip(*runs))
        say(
            f"sql_stream_{format}",
            took * 1e3,
            "ms",
            rounds,
            peers * 1e3,
            rows=rows,
            bytes=int(size),
            mb_per_s=round(size / took / 1e6, 1),
            server_rss_idle=idle,
            server_rss_highest=int(max(run[2] for run in runs)),
        )


def compare_first_bytes(ours, peer, rounds):
    worst = 0
    for format in ("ndjson", "arrow"):
        pairs = [(ours.first_byte_s(STREAM, format) * 1e3, first_chunk_s(peer, STREAM) * 1e3) for _ in range(rounds)]
        mine, peers = (statistics.median(side) for side in zip(*pairs))
        worst = max(worst, mine / (peers + 2))
        say(
            f"sql_first_byte_{format}",
            mine,
            "ms",
            rounds,
            peers,
            promised_ms=round(peers + 2, 3),
            kept=mine <= peers + 2,
        )
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder, args.rows)
        server = Server(pathlib.Path(folder) / "server", env={"LAKEHOUSE_LOG_LEVEL": "warn"})
        try:
            client = server.client(timeout=600)
            for name in ("events", "users"):
                with open(f"{folder}/{name}.parquet", "rb") as file:
                    client.ingest(file.read(), name, filename=f"{name}.parquet", wait_ms=600000)
            ours, peer = Ours(client), theirs(server, client, args.threads)
            worst = compare_queries(ours, peer, args.rounds)
            compare_streams(ours, peer, server, args.rows, max(5, args.rounds // 3))
            worst = max(worst, compare_first_bytes(ours, peer, max(5, args.rounds // 3)))
            say("sql_worst_of_promised", worst, "ratio", args.rounds, 1.0)
            server.stop()
        finally:
            kill_rest(server)


if __name__ == "__main__":
    main()
