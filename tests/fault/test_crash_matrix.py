"""The server is killed at every fault point, and at random moments under load; then it starts again and must still know
everything it had acknowledged, exactly once, and nothing half.

Every write is entered in a ledger before it is sent and ticked when its reply arrived. After the crash the rows of each
dataset must be what the ticked writes made, or that plus the one write that was under way.

`make test` runs each point once and 10 random kills. LH_CRASH_FULL=1: each point at five of its hits;
LH_KILLS=200: so many kills.
"""

import http.client
import json
import os
import random
import threading
import time
import zlib

import pytest

from support.server import Server, children, kill_rest, run, wait_until

FULL = bool(os.environ.get("LH_CRASH_FULL"))
KILLS = int(os.environ.get("LH_KILLS", "10"))
SCENARIO_S = 60
# Points that live in a worker: one request fails, the server goes on.
OF_WORKERS = {"INGEST_PART_BEFORE_SYNC"}
# Points that no server passes: the libraries' own tests have them (vector_set.crash, vector_keep_test.c).
OF_LIBRARIES = ("SEGSET_", "VECTOR_")
# Points that are passed at every step are hit early and late.
HITS_OF_FILES = (2, 9, 23, 41, 67)
HITS = (1, 2, 3, 4, 6)


def points():
    done = run("tables", "faults", "--json")
    rows = json.loads(done.stdout)
    rows = rows if isinstance(rows, list) else rows["items"]
    return [row["name"] for row in rows if not row["name"].startswith(OF_LIBRARIES)]


def cases():
    try:
        names = points()
    except (OSError, ValueError):
        return []
    found = []
    for name in names:
        hits = HITS_OF_FILES if name.startswith("FILE_") else (1,) if name in OF_WORKERS else HITS
        found += [(name, hit) for hit in (hits if FULL else [hits[zlib.crc32(name.encode()) % min(3, len(hits))]])]
    return found


class Gone(Exception):
    """The server is not there any more."""


class Ledger:
    """What was asked and what was promised, by dataset."""

    def __init__(self):
        self.lock = threading.Lock()
        self.made = {}  # dataset -> rows as {key: value} after every acknowledged write; None: not created
        self.under_way = {}  # dataset -> rows after the write that has no answer yet
        self.events = {}  # journal entity -> [acknowledged, asked]
        self.owner = {}  # dataset -> [acknowledged, asked]
        self.indexes = {}  # index -> acknowledged
        self.acknowledged = 0
        self.rows_acknowledged = 0

    def begin(self, dataset, rows):
        with self.lock:
            self.under_way[dataset] = rows

    def done(self, dataset, rows_sent):
        with self.lock:
            self.made[dataset] = self.under_way.pop(dataset)
            self.acknowledged += 1
            self.rows_acknowledged += rows_sent


class Writer:
    """Writes to the server; every method returns when the answer is there, or raises Gone."""

    def __init__(self, server, ledger):
        self.client = server.client(timeout=60)
        self.ledger = ledger
        self.failures = []

    def call(self, *args, **more):
        try:
            reply = self.client.call(*args, **more)
        except (OSError, http.client.HTTPException) as error:
            raise Gone from error
        if reply.status >= 500:  # a worker's crash, or the server as it goes down: not acknowledged
            self.failures.append((args[:2], reply.status, reply.body[:300]))
        return reply

    def ingest(self, dataset, rows, mode):
        before = self.ledger.made.get(dataset) or {}
        after = dict(rows) if mode == "replace" else {**before, **rows}
        self.ledger.begin(dataset, after)
        body = "k,v\n" + "".join(f"{k},{v}\n" for k, v in rows.items())
        query = {"dataset": dataset, "mode": mode, "wait_ms": 60000, **({"key": "k"} if mode == "upsert" else {})}
        reply = self.call("POST", "/ingest/file", body.encode(), query=query, headers={"X-Filename": "x.csv"})
        if reply.status == 200:
            self.ledger.done(dataset, len(rows))
        elif reply.status < 500:
            raise AssertionError(f"{dataset} {mode}: {reply.status} {reply.body}")
        else:
            self.settle(dataset)
        return reply.status == 200

    def settle(self, dataset):
        """A write that failed may be whole or absent; which of both it is, stays."""
        try:
            check_rows(self.client, self.ledger, dataset)
        except (OSError, http.client.HTTPException) as error:
            raise Gone from error

    def owner(self, dataset, value):
        self.ledger.owner.setdefault(dataset, ["", ""])[1] = value
        if (
            self.call("PATCH", f"/catalog/datasets/by-name/{dataset}/metadata", json_body={"owner": value}).status
            == 200
        ):
            self.ledger.owner[dataset][0] = value
            self.ledger.acknowledged += 1

    def event(self, entity):
        counts = self.ledger.events.setdefault(entity, [0, 0])
        counts[1] += 1
        body = {"entity_type": "test", "entity_id": entity, "action": "noted", "new_value": counts[1]}
        if self.call("POST", "/journal/event", json_body=body).status < 300:
            counts[0] += 1
            self.ledger.acknowledged += 1

    def index(self, dataset, name):
        self.ledger.indexes.setdefault(name, False)
        reply = self.call(
            "POST",
            "/vectors/index",
            json_body={"dataset": dataset, "id_column": "k", "text_column": "v", "index_name": name},
        )
        if reply.status != 202:
            return
        job_id = reply.json()["job_id"]

        def ended():
            job = self.call("GET", f"/jobs/{job_id}").json()
            return job if job["state"] not in ("queued", "running") else None

        if wait_until(ended, 120, "the index")["state"] == "done":
            self.ledger.indexes[name] = True
            self.ledger.acknowledged += 1


def scenario(writer, point, round_number):
    """One of everything that writes."""
    base = round_number * 100
    writer.ingest("first", {base + i: f"text {base + i}" for i in range(3)}, "append")
    writer.ingest("first", {base + 10 + i: f"text {base + 10 + i}" for i in range(3)}, "append")
    writer.ingest("keyed", {base + i: "old" for i in range(4)}, "upsert")
    writer.ingest("keyed", {base + 2 + i: "new" for i in range(4)}, "upsert")
    writer.ingest(f"new{round_number}", {base: "n"}, "append")
    writer.ingest("whole", {base + i: "w" for i in range(2)}, "replace")
    if writer.ledger.made.get("first"):
        writer.owner("first", f"owner {round_number}")
    writer.event(f"entity {round_number}")
    if "COMPACT" in point or "REMOVE" in point:  # only merges of the journal remove files
        for i in range(80):
            writer.event(f"many {round_number}")
    if point.startswith(("INDEX_", "EMBED_")) or point in ("FILE_BEFORE_RENAME", "STAGED_BEFORE_SYNC"):
        writer.index("first", "of_first")


def check_rows(client, ledger, dataset):
    reply = client.call(
        "POST", "/query/sql", json_body={"sql": f"SELECT k, v FROM {dataset}", "format": "json_arrays", "limit": 0}
    )
    made, going = ledger.made.get(dataset), ledger.under_way.get(dataset)
    if reply.status == 404:
        assert made is None, f"{dataset} is lost: {len(made)} rows"
        ledger.under_way.pop(dataset, None)
        return
    assert reply.status == 200, reply.body
    rows = reply.json()["rows"]
    found = dict(map(tuple, rows))
    assert len(found) == len(rows), f"{dataset}: rows twice"
    assert found in [
        state for state in (made, going) if state is not None
    ], f"{dataset}: {found} is neither {made} nor {going}"
    shown = client.get(f"/catalog/datasets/by-name/{dataset}")
    assert shown["row_count"] == len(rows)
    ledger.made[dataset] = found
    ledger.under_way.pop(dataset, None)


def check_all(server, ledger):
    client = server.client()
    for dataset in set(ledger.made) | set(ledger.under_way):
        check_rows(client, ledger, dataset)
    for dataset, (promised, asked) in ledger.owner.items():
        assert client.get(f"/catalog/datasets/by-name/{dataset}")["owner"] in (promised, asked)
    for entity, counts in ledger.events.items():
        found = []
        cursor = None
        while True:
            page = client.get(
                "/journal/history/" + entity.replace(" ", "%20"),
                query={"limit": 1000, **({"cursor": cursor} if cursor else {})},
            )
            found += [event["new_value"] for event in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
        assert len(found) == len(set(map(str, found))), f"{entity}: events twice"
        assert counts[0] <= len(found) <= counts[1], f"{entity}: {len(found)} events, {counts[0]} acknowledged"
        ledger.events[entity][0] = len(found)
    for name, promised in ledger.indexes.items():
        check_index(client, name, promised)


def check_index(client, name, promised):
    def settled():
        return all(job["state"] not in ("queued", "running") for job in client.get("/vectors/jobs")["items"])

    wait_until(settled, 120, "resumed builds")
    reply = client.call("POST", "/vectors/search", json_body={"index_name": name, "query": "text 1", "k": 100})
    assert reply.status == 200 or (reply.status == 404 and not promised), reply.body
    if reply.status == 200:
        hits = [hit["id"] for hit in reply.json()["hits"]]
        assert hits and len(hits) == len(set(hits))


def ended(server):
    try:
        server.process.wait(0.5)
        return True
    except Exception:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("point,hit", cases(), ids=lambda value: str(value))
def test_a_crash_at_a_fault_point(tmp_path, point, hit, record_property):
    ledger = Ledger()
    variable = "LAKEHOUSE_FAULTS_OF_WORKERS" if point in OF_WORKERS else "LAKEHOUSE_FAULTS"
    server = Server(tmp_path / "s", env={variable: f"{point}=crash@{hit}"}, auto_start=False)
    crashed, failures = False, []
    try:
        try:
            server.start()
            writer = Writer(server, ledger)
            failures = writer.failures
            end = time.monotonic() + SCENARIO_S
            for round_number in range(12):
                scenario(writer, point, round_number)
                if time.monotonic() > end or (failures and point in OF_WORKERS):
                    break
        except Gone:
            pass
        except RuntimeError:  # it went down while it started
            pass
        crashed = not server.running() or ended(server)
        if point in OF_WORKERS:
            assert not crashed and failures, "a worker's crash takes no server with it, and is noticed"
        else:
            assert crashed, f"{point} was not passed {hit} times"
            assert not failures or crashed
        if server.running():
            server.stop()
        server.check()
        server.env = {}
        server.start()  # the crash is over
        check_all(server, ledger)
        after = Writer(server, ledger)
        assert after.ingest("first", {-1: "after"}, "append") and after.ingest(
            "keyed", {-1: "after"}, "upsert"
        ), after.failures
        after.event("after")
        check_all(server, ledger)
        server.stop()
        server.assert_clean()
        server.start()
        check_all(server, ledger)
        server.stop()
    finally:
        kill_rest(server)
    record_property("crashes", 1)
    record_property("acknowledged_rows", ledger.rows_acknowledged)


def load(writer, number, round_number, stop):
    """One writer until the server is gone: three datasets of its own in every round."""
    try:
        step = 0
        while not stop.is_set():
            step += 1
            base = step * 10
            writer.ingest(f"a{round_number}_{number}", {base + i: f"t{step}" for i in range(5)}, "append")
            writer.ingest(
                f"u{round_number}_{number}", {i: f"t{step}" for i in range(step % 3, step % 3 + 4)}, "upsert"
            )
            if number == 0:
                writer.ingest("shared_whole", {i: f"r{round_number}s{step}" for i in range(3)}, "replace")
                writer.owner(f"a{round_number}_{number}", f"o{step}")
            writer.event(f"e{round_number}_{number}")
    except Gone:
        pass


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_random_moments_under_load(tmp_path, record_property):
    seed = int(os.environ.get("LH_SEED", random.SystemRandom().randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"seed {seed}")
    server = Server(tmp_path / "s", auto_start=False)
    ledgers = []
    totals = {"acknowledged": 0, "rows": 0, "fsck": 0}
    whole = {"made": None, "going": None}
    try:
        server.start()
        for round_number in range(KILLS):
            ledger, stop = Ledger(), threading.Event()
            if whole["made"] is not None:
                ledger.made["shared_whole"] = whole["made"]
            writers = [Writer(server, ledger) for _ in range(3)]
            threads = [
                threading.Thread(target=load, args=(writer, i, round_number, stop))
                for i, writer in enumerate(writers)
            ]
            for thread in threads:
                thread.start()
            if chance.random() < 0.8:  # from a moment when there is something to lose
                wait_until(lambda: ledger.acknowledged > 0, 60, "a first answer")
            stop.wait(chance.uniform(0.01, 0.8))
            if chance.random() < 0.15:  # sometimes a worker goes first
                for zygote in children(server.pid)[:1]:
                    for child in children(zygote)[:1]:
                        try:
                            os.kill(child, 9)
                        except ProcessLookupError:
                            pass
            server.kill()
            stop.set()
            for thread in threads:
                thread.join(60)
            server.start()
            check_all(server, ledger)
            whole["made"] = ledger.made.get("shared_whole")
            ledgers.append(ledger)
            totals["acknowledged"] += ledger.acknowledged
            totals["rows"] += ledger.rows_acknowledged
            if round_number % 20 == 19 or round_number == KILLS - 1:
                server.stop()
                server.assert_clean()
                totals["fsck"] += 1
                server.start()
        for ledger in ledgers:  # what was checked once is still there at the end
            ledger.made.pop("shared_whole", None)  # later rounds wrote it too
            check_all(server, ledger)
        server.stop()
    finally:
        kill_rest(server)
    record_property("kills", KILLS)
    record_property("acknowledged_rows", totals["rows"])
    assert totals["acknowledged"] > 0


def test_a_failing_write_is_an_error_and_nothing_else(tmp_path):
    """Not a crash but a failure at each point, once: that request says so, the next one works."""
    server = Server(
        tmp_path / "s",
        env={
            "LAKEHOUSE_FAULTS": ",".join(
                f"{name}=fail@{12 if name.startswith(('FILE_', 'DIR_')) else 2}"
                for name in points()
                if name not in OF_WORKERS
            )
        },
        auto_start=False,
    )
    ledger = Ledger()
    try:
        server.start()
        writer = Writer(server, ledger)
        for round_number in range(4):
            scenario(writer, "FILE_BEFORE_RENAME", round_number)
        check_all(server, ledger)
        server.env = {}
        server.restart()
        check_all(server, ledger)
        server.stop()
        server.assert_clean()
    finally:
        kill_rest(server)
    assert ledger.acknowledged > 8
