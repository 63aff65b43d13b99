"""What indexes leave behind: objects of replaced, abandoned and deleted generations go, those that are read stay."""

import threading

from support.rows import as_csv
from support.server import wait_until

ROWS = [(f"r{i}", f"Sentence number {i} about topic {i % 7}.") for i in range(40)]


def objects(server, index, meta=None):
    """Objects of the index; what lies below the prefix of its set counts as that prefix."""
    prefix = meta["set_prefix"] if meta else None
    return sorted({prefix if prefix and key.startswith(prefix) else key for key in server.files(f"vectors/{index}")})


def named(meta):
    keys = [part["key"] for part in meta["parts"]] + [meta["set_prefix"]]
    return sorted(keys + ([meta["dead_key"]] if meta.get("dead_key") else []))


def test_objects_of_a_replaced_generation_go(server, name):
    client = server.client()
    client.ingest(as_csv(ROWS), name)
    first = client.index(name, "id", "text", name)
    assert objects(server, name, first) == named(first)
    second = client.index(name, "id", "text", name)
    assert second["generation"] != first["generation"]
    assert objects(server, name, second) == named(second)
    assert client.search(name, "sentence", k=3)["index"]["generation"] == second["generation"]


def test_searches_go_on_while_generations_come_and_go(server, name):
    client = server.client()
    client.ingest(as_csv(ROWS), name)
    client.index(name, "id", "text", name)
    stop, failures, answered = threading.Event(), [], [0]

    def ask():
        mine = server.client()
        while not stop.is_set():
            try:
                if len(mine.search(name, "Sentence number 3", k=5)["hits"]) != 5:
                    failures.append("fewer hits")
                answered[0] += 1
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = answered[0]
            meta = client.index(name, "id", "text", name)
            wait_until(lambda: answered[0] > before + 2, 30, "answers of the new generation")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[:2]
    assert objects(server, name, meta) == named(meta)


def test_a_cancelled_build_leaves_nothing(server, name):
    client = server.client()
    client.ingest(as_csv([(f"r{i}", f"Words of {name} and {i}.") for i in range(3000)]), name)
    started = client.post("/vectors/index", {"dataset": name, "id_column": "id", "text_column": "text", "index_name": name})
    client.ask("DELETE", f"/jobs/{started['job_id']}")
    state = client.job(started["job_id"])["state"]
    assert state in ("cancelled", "done")
    if state == "cancelled":
        assert objects(server, name) == []


def test_an_index_is_deleted_with_its_objects(server, name):
    client = server.client()
    client.ingest(as_csv(ROWS), name)
    meta = client.index(name, "id", "text", name)
    count = len(objects(server, name))
    reply = client.ask("DELETE", f"/vectors/indexes/{name}")
    assert reply["index_name"] == name and reply["generation"] == meta["generation"]
    assert reply["objects"] == count and reply["bytes"] > 0
    assert objects(server, name) == [] and not (server.data / "vectors/meta" / f"{name}.json").exists()
    assert client.call("GET", f"/vectors/indexes/{name}").status == 404
    assert client.call("DELETE", f"/vectors/indexes/{name}").status == 404
    assert client.call("POST", "/vectors/search", json_body={"index_name": name, "query": "x"}).status == 404
    assert name not in [one["index_name"] for one in client.get("/vectors/indexes")["items"]]
    assert client.get(f"/catalog/datasets/by-name/{name}")["row_count"] == len(ROWS)
    client.index(name, "id", "text", name)  # and may come again
    assert client.search(name, "sentence", k=1)["hits"]


def test_what_a_crash_left_goes_at_the_next_start(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ROWS), "rows")
    meta = client.index("rows", "id", "text", "idx")
    client.index("rows", "id", "text", "other")
    server.stop()
    for key in ("idx/g-old/part-000000-1.parquet", "idx/g-old/1-segment.lhv", "gone/g-1/1-chunks.lhc"):
        path = server.data / "vectors" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left over")
    code, _, findings = server.fsck()
    assert sorted(one["key"] for one in findings if one["finding"] == "orphan") == [
        "vectors/gone/g-1/1-chunks.lhc",
        "vectors/idx/g-old/1-segment.lhv",
        "vectors/idx/g-old/part-000000-1.parquet",
    ]
    server.start()
    client = server.client()
    wait_until(lambda: objects(server, "idx", meta) == named(meta) and objects(server, "gone") == [], 30, "the clean-up")
    assert client.search("idx", "sentence", k=1)["hits"] and client.search("other", "sentence", k=1)["hits"]
    server.stop_clean()


def test_fsck_finds_and_removes_what_no_index_names(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ROWS), "rows")
    meta = client.index("rows", "id", "text", "idx")
    server.stop()
    extra = server.data / "vectors/idx/g-0/left.parquet"
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"x")
    code, summary, findings = server.fsck("--repair")
    assert not extra.exists() and [one["key"] for one in findings] == ["vectors/idx/g-0/left.parquet"]
    assert objects(server, "idx", meta) == named(meta)
    part = server.data / meta["parts"][0]["key"]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(bytes(content))
    code, _, findings = server.fsck("--repair")
    assert code == 1 and [one["finding"] for one in findings] == ["damaged"]
    assert part.exists()


def test_a_build_cut_off_before_it_was_published_goes_on_behind_its_phases(make_server):
    server = make_server(env={"LAKEHOUSE_VECTOR_KEEP_FROM": "1"})
    client = server.client()
    client.ingest(as_csv(ROWS), "d")
    whole = client.index("d", "id", "text", "whole", kind="graph", seed=5)
    assert server.files(".lakehouse/index-builds") == []
    server.restart(env={"LAKEHOUSE_VECTOR_KEEP_FROM": "1", "LAKEHOUSE_FAULTS": "INDEX_BEFORE_META=crash@1"})
    try:
        server.client().index("d", "id", "text", "cut", kind="graph", seed=5)
    except Exception:  # pylint: disable=broad-except
        pass
    wait_until(lambda: not server.running(), 60, "the crash")
    assert len(server.files(".lakehouse/index-builds")) == 1
    server.env = {"LAKEHOUSE_VECTOR_KEEP_FROM": "1"}
    server.start()
    client = server.client()
    wait_until(lambda: client.call("GET", "/vectors/indexes/cut").status == 200, 60, "the rest of the build")
    assert client.get("/vectors/indexes/cut")["segment_sha256"] == whole["segment_sha256"]
    wait_until(lambda: server.files(".lakehouse/index-builds") == [], 60, "what was kept to go")
    assert server.log("index.resumed")
