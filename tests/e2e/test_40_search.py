"""Search by meaning: indexes built as jobs, searched by words or vector, filtered before the search, swapped hot."""

import http.client
import json
import threading

import pytest

from support.client import ApiError
from support.rows import as_csv, ids
from support.server import wait_until

ANIMALS = [
    ("a1", "A cat sleeps on the warm sofa all day.", "home", 1),
    ("a2", "The dog barks at the mailman every morning.", "home", 2),
    ("a3", "Kittens play with a ball of wool.", "home", 3),
    ("a4", "Interest rates rose after the central bank met.", "money", 4),
    ("a5", "Shares fell as investors sold technology stocks.", "money", 5),
    ("a6", "A forklift driver moves pallets in the warehouse at night.", "work", 6),
    ("a7", "The nurse works the night shift at the hospital.", "work", 7),
    ("a8", "", "empty", 8),
    ("a9", "Bake the bread for forty minutes at two hundred degrees.", "food", 9),
    ("a10", "Simmer the tomato sauce with basil and garlic.", "food", 10),
]


@pytest.fixture(scope="module")
def indexed(server):
    client = server.client()
    client.ingest(as_csv(ANIMALS), "animals")
    client.index("animals", "id", "text", "animals_text")
    return client


def test_a_build_is_a_job_that_shows_its_progress(server, name):
    client = server.client()
    rows = [(f"r{i}", f"Sentence number {i} about topic {i % 7}.", "t", i) for i in range(120)]
    client.ingest(as_csv(rows), name)
    reply = client.call(
        "POST", "/vectors/index", json_body={"dataset": name, "id_column": "id", "text_column": "text"}
    )
    assert reply.status == 202 and set(reply.json()) == {"job_id", "index_name"}
    started = reply.json()
    assert started["index_name"] == f"{name}_text"
    seen = list(client.events(f"/jobs/{started['job_id']}/events"))
    assert seen[-1][0] == "end" and seen[-1][1]["state"] == "done" and len(seen) >= 2
    assert any(data["phase"] and data["state"] == "running" for _, data in seen)
    result = seen[-1][1]["result"]
    assert result["rows"] == 120 and result["chunks"] == 120 and result["dimensions"] == 384
    for path in (f"/vectors/jobs/{started['job_id']}", f"/jobs/{started['job_id']}"):
        assert client.get(path)["state"] == "done"
    assert started["job_id"] in [job["job_id"] for job in client.get("/vectors/jobs")["items"]]
    shown = client.get(f"/vectors/indexes/{name}_text")
    assert shown["source"] == name and shown["kind"] in ("exact", "flat") and shown["vector_backend"] == "parquet"
    assert shown["parts"] and shown["model_name"] and shown["source_commit"] == 1
    assert [one["index_name"] for one in client.get(f"/vectors/indexes?source={name}")["items"]] == [f"{name}_text"]
    assert client.get("/vectors/indexes?source=nobody")["items"] == []
    dataset = client.get(f"/catalog/datasets/by-name/{name}")
    assert dataset["last_embedded_at"] and dataset["embedding_stale_since"] is None


@pytest.mark.parametrize(
    "query,best",
    [
        ("pets resting at home", {"a1", "a3"}),
        ("stock market and banks", {"a4", "a5"}),
        ("night shift forklift driver", {"a6"}),
        ("recipe for cooking pasta", {"a10", "a9"}),
    ],
)
def test_words_find_their_meaning(indexed, query, best):
    result = indexed.search("animals_text", query, k=3)
    assert ids(result)[0] in best, result
    scores = [hit["score"] for hit in result["hits"]]
    assert scores == sorted(scores, reverse=True) and all(-1.001 <= s <= 1.001 for s in scores)
    assert all(hit["text"] and hit["chunk_no"] == 0 and hit["columns"] == {} for hit in result["hits"])
    assert (
        result["index"]["name"] == "animals_text" and result["index"]["dimensions"] == 384 and result["took_ms"] >= 0
    )


def test_the_same_text_is_its_own_nearest_with_score_one(indexed):
    for row in ANIMALS[:3]:
        hit = indexed.search("animals_text", row[1], k=1)["hits"][0]
        assert hit["id"] == row[0] and hit["score"] == pytest.approx(1, abs=1e-4)


def test_search_by_vector(indexed):
    vector = [0.0] * 384
    vector[0] = 1.0
    result = indexed.search("animals_text", vector=vector, k=5)
    assert len(result["hits"]) == 5
    doubled = indexed.search("animals_text", vector=[2 * v for v in vector], k=5)
    assert ids(doubled) == ids(result)
    assert doubled["hits"][0]["score"] == pytest.approx(result["hits"][0]["score"], abs=1e-5)


@pytest.mark.parametrize(
    "body,status,field",
    [
        ({}, 400, "query"),
        ({"query": "x", "vector": [1.0] * 384}, 400, "query"),
        ({"vector": [1.0, 2.0]}, 400, "vector"),
        ({"query": "x", "k": 0}, 400, "k"),
        ({"query": "x", "k": 10**6}, 400, "k"),
        ({"query": ""}, 400, "query"),
        ({"query": "x", "columns": ["topc"]}, 422, "columns[0]"),
        ({"query": "x", "filter": "topc = 'home'"}, 400, "filter"),
        ({"query": "x", "filter": "1=1) UNION SELECT 1 --"}, 400, "filter"),
        ({"query": "x", "filter": ""}, None, None),
        ({"query": "x", "filter": "topic = 'home"}, 400, "filter"),
        ({"query": "x", "filter": "id IN (SELECT * FROM read_text('/etc/passwd'))"}, 403, "filter"),
        ({"query": "x", "filter": "  "}, 400, "filter"),
    ],
)
def test_requests_that_cannot_be_answered(indexed, body, status, field):
    if status is None:
        assert indexed.search("animals_text", **body)["hits"]
        return
    error = indexed.search_error("animals_text", **body)
    assert error.status == status, error
    assert (error.error["field"] or "").startswith(field), error.error


def test_a_column_that_does_not_exist_names_its_neighbour(indexed):
    error = indexed.search_error("animals_text", query="x", columns=["topc"])
    assert "topic" in error.error["hint"]
    error = indexed.search_error("animals_text", query="x", filter="topc = 'home'")
    assert "topic" in (error.error["hint"] or "")


def test_an_index_that_does_not_exist(indexed):
    assert indexed.search_error("nope", query="x").status == 404
    assert indexed.call("GET", "/vectors/indexes/nope").status == 404


@pytest.mark.parametrize(
    "body,status",
    [
        ({"dataset": "nope", "id_column": "id", "text_column": "text"}, 404),
        ({"dataset": "animals", "id_column": "nope", "text_column": "text"}, 422),
        ({"dataset": "animals", "id_column": "id", "text_column": "nope"}, 422),
        ({"dataset": "animals", "id_column": "id", "text_column": "text", "model": "other-model"}, 422),
        ({"dataset": "animals", "id_column": "id", "text_column": "text", "chunk_size": 1}, 400),
        ({"dataset": "animals", "id_column": "id", "text_column": "text", "chunk_size": 200, "overlap": 190}, 400),
        ({"dataset": "animals", "id_column": "id", "text_column": "text", "index_name": "../x"}, 400),
        ({"dataset": "animals", "id_column": "id", "text_column": "text", "index_name": "building"}, 400),
    ],
)
def test_builds_that_cannot_be(indexed, server, body, status):
    reply = indexed.call("POST", "/vectors/index", json_body=body)
    if reply.status == 202:  # said by the job when it needs the data for it
        job = indexed.job(reply.json()["job_id"])
        assert job["state"] == "failed", job
    else:
        assert reply.status in (status, 400, 422), reply.body
        assert reply.json()["error"]["message"]


def test_the_filter_comes_before_the_search(indexed):
    """The nearest of all are not in the filter: a filter after the search would give fewer than k."""
    result = indexed.search("animals_text", "a sleeping cat", k=2, filter="topic = 'money'")
    assert sorted(ids(result)) == ["a4", "a5"]
    result = indexed.search("animals_text", "a sleeping cat", k=3, filter="rank BETWEEN 6 AND 7 OR topic IN ('food')"
    )
    assert len(result["hits"]) == 3 and set(ids(result)) <= {"a6", "a7", "a9", "a10"}
    assert indexed.search("animals_text", "cat", filter="rank > 1000")["hits"] == []
    assert result["evaluations"] <= 4


def test_asked_columns_come_with_the_hits(indexed):
    result = indexed.search("animals_text", "bread", k=2, columns=["topic", "rank", "TEXT"])
    first = result["hits"][0]
    assert first["columns"]["topic"] == "food" and first["columns"]["rank"] in (9, 10) and len(first["columns"]) == 3


def test_long_texts_are_chunked_and_the_right_chunk_is_found(server, name):
    client = server.client()
    filler = "The weather report for the coast is mild and cloudy with some wind. " * 25
    text = filler + "A submarine was discovered under the old lighthouse. " + filler
    client.ingest(json.dumps([{"k": 7, "body": text}, {"k": 8, "body": filler}]), name, filename="x.json")
    meta = client.index(name, "k", "body", name, chunk_size=300, overlap=50)
    assert meta["chunks"] > 8 and meta["rows"] == 2
    hit = client.search(name, "submarine found beneath a lighthouse", k=1)["hits"][0]
    assert hit["id"] == "7" and "submarine" in hit["text"] and hit["chunk_no"] > 0 and len(hit["text"]) <= 300


def test_searching_goes_on_while_the_index_is_swapped(server, name):
    client = server.client()
    client.ingest(as_csv(ANIMALS), name)
    client.index(name, "id", "text", name)
    stop, failures, generations, answered = threading.Event(), [], set(), [0]

    def ask():
        mine = server.client()
        while not stop.is_set():
            try:
                result = mine.search(name, "a sleeping cat", k=3)
                generations.add(result["index"]["generation"])
                if ids(result)[0] not in ("a1", "a3"):
                    failures.append(result)
                answered[0] += 1
            except (ApiError, OSError, http.client.HTTPException) as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            before = answered[0]
            client.index(name, "id", "text", name)
            wait_until(lambda: answered[0] > before + 3, 30, "answers of the new generation")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[:2]
    assert len(generations) >= 2


def test_rows_that_are_gone_are_not_shown_by_an_old_index(server, name):
    client = server.client()
    client.ingest(as_csv(ANIMALS), name)
    client.index(name, "id", "text", name)
    client.ingest(as_csv([row for row in ANIMALS if row[0] not in ("a1", "a3")]), name)
    found = ids(client.search(name, "a sleeping cat", k=10))
    assert not {"a1", "a3"} & set(found) and found
    assert client.get(f"/catalog/datasets/by-name/{name}")["embedding_stale_since"]
    client.index(name, "id", "text", name)
    shown = client.get(f"/catalog/datasets/by-name/{name}")
    assert shown["embedding_stale_since"] is None
    assert client.get(f"/vectors/indexes/{name}")["source_commit"] >= 2


def test_two_builds_of_one_index_at_once_are_a_conflict_or_a_queue(server, name):
    client = server.client()
    client.ingest(as_csv([(f"r{i}", f"Sentence number {i}.", "t", i) for i in range(100)]), name)
    body = {"dataset": name, "id_column": "id", "text_column": "text", "index_name": name}
    replies = [client.call("POST", "/vectors/index", json_body=body) for _ in range(3)]
    assert replies[0].status == 202 and {r.status for r in replies} <= {202, 409}
    for reply in replies:
        if reply.status == 202:
            assert client.job(reply.json()["job_id"])["state"] == "done"
    assert client.search(name, "sentence", k=1)["hits"]


def test_cancelling_a_build_leaves_the_old_index(server, name):
    client = server.client()
    client.ingest(
        as_csv([(f"r{i}", f"Sentence number {i} which is a bit longer than needed.", "t", i) for i in range(300)]),
        name,
    )
    started = client.post(
        "/vectors/index", {"dataset": name, "id_column": "id", "text_column": "text", "index_name": name}
    )
    job = client.ask("DELETE", f"/jobs/{started['job_id']}")
    assert client.job(started["job_id"])["state"] in ("cancelled", "done"), job
    assert client.call("GET", f"/vectors/indexes/{name}").status in (404, 200)


def test_a_restart_keeps_indexes_and_answers(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ANIMALS), "animals")
    client.index("animals", "id", "text", "idx")
    before = client.search("idx", "night work", k=5)
    for hard in (False, True):
        server.restart(hard=hard)
        client = server.client()
        after = client.search("idx", "night work", k=5)
        assert ids(after) == ids(before) and after["index"] == before["index"]
        assert [h["score"] for h in after["hits"]] == pytest.approx([h["score"] for h in before["hits"]])
    server.stop()
    assert server.assert_clean() == []


def test_a_build_goes_on_after_a_crash(make_server):
    """Killed in the middle of a build: the next start finishes it from its checkpoints, without being asked."""
    server = make_server()
    client = server.client()
    client.ingest(
        as_csv([(f"r{i}", f"Sentence number {i} of a longer table about things.", "t", i) for i in range(600)]),
        "long",
    )
    started = client.post(
        "/vectors/index", {"dataset": "long", "id_column": "id", "text_column": "text", "index_name": "long"}
    )
    for _, data in client.events(f"/jobs/{started['job_id']}/events"):
        if data["state"] == "done" or (data["phase"] == "embedding" and data["done"] > 0):
            break
    server.restart(hard=True)
    client = server.client()
    wait_until(lambda: client.call("GET", "/vectors/indexes/long").status == 200, 120, "the index after the crash")
    assert client.get("/vectors/indexes/long")["chunks"] == 600
    hits = client.search("long", "Sentence number 17 of a longer table about things.", k=1)["hits"]
    assert hits[0]["id"] == "r17"
    server.stop_clean()


def test_a_bent_bit_in_an_index_is_found(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ANIMALS), "animals")
    meta = client.index("animals", "id", "text", "idx")
    server.stop()
    segment = next((server.data / meta["set_prefix"]).glob("segment-*.lhv"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(bytes(content))
    code, _, findings = server.fsck()
    assert code == 1 and any(
        one["finding"] == "damaged" and one["key"].endswith(segment.name) for one in findings
    ), findings
    server.start()
    client = server.client()
    reply = client.call("POST", "/vectors/search", json_body={"index_name": "idx", "query": "cat"})
    assert reply.status == 200 or reply.json()["error"]["code"] == "corrupt"  # vectors are not summed at every start
    assert client.value("SELECT count(*) FROM animals") == 10
    server.stop()
    segment.write_bytes(bytes(content[: len(content) // 2]))  # cut in half: seen at once, and the rest still starts
    server.start()
    client = server.client()
    assert (
        client.search_error("idx", query="cat").code == "corrupt"
        and client.get("/vectors/indexes/idx")["damage"]
    )
    client.index("animals", "id", "text", "idx")
    assert client.search("idx", "cat")["hits"]
