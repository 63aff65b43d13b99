#!/usr/bin/env python3
"""Embedding inside the server: from rows to searchable, refreshing what changed, and what it costs others.

The peer of the build is our own embedder without a server (`lakehouse embed`, all processors): what the server adds is
the difference. Point queries and questions are asked in turns, quiet and while a job embeds. Rounds are interleaved,
medians are printed. LH_BENCH_PACKED names another packed model.
usage: run.py [--rows N] [--rounds N] [--points N] [--precision P]
"""
import argparse
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
BIN = pathlib.Path(os.environ.get("LH_BENCH_DIR", ROOT / "build" / "release" / "bench")).parent / "bin"
PACKED = os.environ.get("LH_BENCH_PACKED")
os.environ["LH_BIN_DIR"] = str(BIN)

from result import emit  # noqa: E402
from support.rows import as_csv  # noqa: E402
from support.server import Server, wait_until  # noqa: E402

WORDS = (
    "warehouse forklift driver night shift nurse hospital ward pallet inventory clerk payroll invoice client manager "
    "retail store cashier spring autumn engine brake repair license bilingual customer call center schedule overtime "
    "safety training certificate welding steel carpenter roof concrete kitchen chef baker hotel desk reservation "
    "travel agent insurance claim adjuster contract lawyer school teacher science laboratory sample garden harvest"
).split()


def texts(count, seed):
    """Distinct texts of some sixteen tokens."""
    chance = random.Random(seed)
    return ["%s %d" % (" ".join(chance.choices(WORDS, k=chance.randint(8, 15))), i) for i in range(count)]


def alone(lines, precision):
    """Seconds of the embedder without a server, its start taken off."""
    command = [BIN / "lakehouse", "embed", *(["--model", PACKED] if PACKED else [])]
    command += ["--precision", precision] if precision else []

    def seconds(of):
        begin = time.perf_counter()
        subprocess.run(command, input="".join(t + "\n" for t in of).encode(), check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin

    return seconds(lines) - seconds(lines[:1])


def build(client, dataset, name, precision):
    begin = time.perf_counter()
    meta = client.index(dataset, "id", "text", name, seconds=3600, **({"precision": precision} if precision else {}))
    return time.perf_counter() - begin, meta


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def time_calls(count, call):
    took = []
    for i in range(count):
        begin = time.perf_counter()
        call(i)
        took.append((time.perf_counter() - begin) * 1e3)
    return took


class Load:
    """A build over texts nobody has embedded yet, as long as it is needed."""

    def __init__(self, client, number):
        self.client, self.name = client, f"load{number}"
        client.ingest(as_csv(enumerate(texts(50000, 1000 + number))), self.name)
        body = {"dataset": self.name, "id_column": "id", "text_column": "text"}
        self.job = client.post("/vectors/index", body)["job_id"]
        wait_until(lambda: client.get(f"/jobs/{self.job}")["done"] > 0, 60, "the job at work")

    def stop(self):
        state = self.client.get(f"/jobs/{self.job}")
        assert state["state"] == "running", "the load ended before the figures were taken"
        self.client.ask("DELETE", f"/jobs/{self.job}")
        self.client.job(self.job)


def disturbance(client, rows, rounds, points):
    """Point queries and questions, quiet and beside a job."""
    chance = random.Random(3)
    sql = {"quiet": [], "bulk": []}
    ask = {"quiet": [], "bulk": []}

    def point(_):
        client.sql(f"SELECT text FROM rows WHERE id = {chance.randrange(rows)}")

    def question(_):
        text = "a question about %s %d" % (chance.choice(WORDS), chance.randrange(1 << 30))
        client.search("rows", text, k=3)

    time_calls(50, point)
    time_calls(5, question)
    p99 = {"quiet": [], "bulk": []}
    for number in range(rounds):
        for kind in ("quiet", "bulk"):
            load = Load(client, number) if kind == "bulk" else None
            took = time_calls(points, point)
            sql[kind] += took
            p99[kind].append(quantile(took, 0.99))
            ask[kind] += time_calls(points // 20, question)
            if load:
                load.stop()
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        emit(f"question_{name}_while_a_job_embeds", quantile(ask["bulk"], share), "ms", len(ask["bulk"]),
             peer="quiet", peer_value=quantile(ask["quiet"], share))
    emit("point_sql_p50_while_a_job_embeds", quantile(sql["bulk"], 0.5), "ms", len(sql["bulk"]), peer="quiet",
         peer_value=quantile(sql["quiet"], 0.5))
    emit("point_sql_p99_while_a_job_embeds", statistics.median(p99["bulk"]), "ms", len(sql["bulk"]), peer="quiet",
         peer_value=statistics.median(p99["quiet"]))


def refreshes(client, rows, lines):
    noop = time_calls(20, lambda _: client.post("/vectors/refresh/rows", {}))
    emit("refresh_of_nothing", statistics.median(noop), "ms", rows, worst=max(noop))
    changed = list(lines)
    for i in range(100):
        changed[i * 7] = f"changed {changed[i * 7]}"
    changed += [f"new {t}" for t in texts(1000, 99)]
    client.ingest(as_csv(enumerate(changed)), "rows")
    begin = time.perf_counter()
    done = client.post("/vectors/refresh/rows", {}, query={"wait_ms": 50000})
    if not done["done"]:
        done = client.job(done["job_id"])["result"]
    emit("refresh_of_1000_new_and_100_changed", time.perf_counter() - begin, "s", rows, embedded=done["embedded"],
         added=done["added"], kept=done["kept"], removed=done["removed"])
    return done["embedded"] == 1100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=600)
    parser.add_argument("--precision", default="")
    args = parser.parse_args()
    lines = texts(args.rows, 1)
    # Throughput in the foreground: other programs of the machine would take their part of a background job. What a job
    # costs others is measured in the background, as the server has it by default.
    env = {"LAKEHOUSE_EMBED_MODEL": PACKED} if PACKED else {}
    foreground = {name: "false" for name in ("LAKEHOUSE_EMBED_BACKGROUND", "LAKEHOUSE_VECTOR_BACKGROUND")}
    background = {name: "true" for name in foreground}
    with tempfile.TemporaryDirectory() as folder, Server(folder, programs=BIN, env={**env, **foreground}) as server:
        client = server.client()
        own, peer = [], []
        for number in range(args.rounds if args.rows <= 20000 else 1):
            # after the first time the texts are others of the same lengths: nothing is in the cache
            now = [f"{t} {number}" for t in lines] if number else lines
            name = f"rows{number or ''}"
            client.ingest(as_csv(enumerate(now)), name)
            seconds, meta = build(client, name, name, args.precision)
            own.append(args.rows / seconds)
            peer.append(args.rows / alone(now, args.precision))
        good = refreshes(client, args.rows, lines)
        server.restart(env={**env, **background})
        client = server.client()
        disturbance(client, args.rows, args.rounds, args.points)
        emit("text_to_searchable", statistics.median(own), "rows/s", args.rows, peer="lakehouse embed",
             peer_value=statistics.median(peer), model=meta["model_version"], kind=meta["kind"])
        assert good, "a refresh embedded something else than what changed"


if __name__ == "__main__":
    main()
