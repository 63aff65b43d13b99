"""The vector engine behind /vectors/search: what an index says of itself, knobs, plans, filters kept for the next search."""

import random

import pytest

from support.rows import as_csv, ids

TOPICS = ["cats", "money", "ships", "bread", "stars"]
ROWS = [(f"r{i}", f"Sentence {i} about {TOPICS[i % 5]} and {TOPICS[i * 7 % 5]}.", TOPICS[i % 5], i) for i in range(400)]


@pytest.fixture(scope="module")
def indexed(server):
    client = server.client()
    client.ingest(as_csv(ROWS), "engine_rows")
    client.index("engine_rows", "id", "text", "engine_idx")
    return client


def test_an_index_says_what_it_is(indexed):
    shown = indexed.get("/vectors/indexes/engine_idx")
    engine = shown["engine"]
    assert shown["kind"] in ("flat", "graph", "exact") and shown["generation"].startswith("g-")
    assert engine["metric"] == "cosine" and engine["tiers"].endswith("f32") and engine["kind_asked"] == "auto"
    assert engine["bytes_mapped"] == 400 * 384 * 4
    assert engine["bytes_file"] >= engine["bytes_mapped"] and engine["bytes_resident"] > 0
    for points in ("graph_points", "flat_points"):
        for point in engine[points]:
            assert 0 <= point["recall"] <= 1 and point["setting"] > 0
    listed = [one for one in indexed.get("/vectors/indexes")["items"] if one["index_name"] == "engine_idx"]
    assert listed[0]["engine"] == engine


def test_a_search_says_how_it_was_done(indexed):
    result = indexed.search("engine_idx", "a cat", k=5)
    plan = result["plan"]
    assert plan["plan"] in ("exact", "scan", "flat", "graph", "ivf") and plan["filter"] == "none"
    assert plan["rows_allowed"] == 400 and result["evaluations"] > 0


@pytest.mark.parametrize("body,status", [({"ef_search": 50}, 200), ({"recall": 0.999}, 200), ({"ef_search": 401}, 400),
                                         ({"recall": 1.5}, 400), ({"recall": -1}, 400), ({"ef_search": 5}, 400)])
def test_effort_has_bounds(indexed, body, status):
    reply = indexed.call("POST", "/vectors/search", json_body={"index_name": "engine_idx", "query": "cat", **body})
    assert reply.status == status, reply.body


@pytest.mark.parametrize("body,status", [({"ef_construction": 9}, 400), ({"ef_construction": 401}, 400),
                                         ({"kind": "best"}, 400), ({"seed": -5}, 400)])
def test_knobs_of_a_build_have_bounds(indexed, body, status):
    request = {"dataset": "engine_rows", "id_column": "id", "text_column": "text", "index_name": "knobs", **body}
    assert indexed.call("POST", "/vectors/index", json_body=request).status == status


def test_a_filter_is_asked_of_sql_once(server, name):
    client = server.client()
    client.ingest(as_csv(ROWS), name)
    client.index(name, "id", "text", name)
    condition = "topic = 'ships' AND rank < 300"
    first = client.search(name, "a cat", k=7, filter=condition)
    assert first["plan"]["filter"] == "computed" and first["plan"]["rows_allowed"] == 60
    second = client.search(name, "stars", k=7, filter=condition)
    assert second["plan"]["filter"] == "cached" and second["plan"]["rows_allowed"] == 60
    again = client.search(name, "a cat", k=7, filter=condition)
    assert ids(again) == ids(first)
    # other data: other rows
    client.ingest(as_csv([("x1", "One more about ships.", "ships", 1)]), name, mode="append")
    later = client.search(name, "a cat", k=7, filter=condition)
    assert later["plan"]["filter"] == "computed"
    client.index(name, "id", "text", name)
    rebuilt = client.search(name, "one more about ships", k=1, filter=condition)
    assert rebuilt["plan"]["filter"] == "computed" and rebuilt["plan"]["rows_allowed"] == 61
    assert ids(rebuilt) == ["x1"]


@pytest.mark.parametrize("condition", ["rank < 1000 * random()", "rank < 10 OR now() IS NULL",
                                       "id IN (SELECT id FROM engine_rows WHERE rank < 9)"])
def test_a_filter_that_depends_on_more_than_its_rows_is_asked_every_time(indexed, condition):
    for _ in range(2):
        reply = indexed.call("POST", "/vectors/search",
                             json_body={"index_name": "engine_idx", "query": "cat", "filter": condition})
        assert reply.status == 200 or reply.status in (400, 403), reply.body
        if reply.status == 200:
            assert reply.json()["plan"]["filter"] == "computed"


def test_a_wrong_filter_is_not_remembered(indexed):
    for _ in range(2):
        reply = indexed.call("POST", "/vectors/search",
                             json_body={"index_name": "engine_idx", "query": "cat", "filter": "topc = 'x'"})
        assert reply.status == 400 and reply.json()["error"]["field"] == "filter"


@pytest.mark.parametrize("kind", ["exact", "flat", "graph"])
def test_every_kind_finds_the_same(indexed, kind):
    """Answers of the exact kind are the truth; the others must find nearly all of it, filtered or not."""
    client = indexed  # texts that are embedded already: only segments are built
    if client.call("GET", "/vectors/indexes/kind_truth").status == 404:
        client.index("engine_rows", "id", "text", "kind_truth", kind="exact")
    meta = client.index("engine_rows", "id", "text", f"kind_{kind}", kind=kind, seed=7)
    assert meta["kind"] == kind and meta["engine"]["kind_asked"] == kind
    found = wanted = 0
    chance = random.Random(5)
    for n in range(20):
        query = f"{chance.choice(TOPICS)} and {chance.choice(TOPICS)} {n}"
        more = {"filter": f"rank % {2 + n % 3} = 0"} if n % 2 else {}
        truth = client.search("kind_truth", query, k=10, recall=1, **more)
        result = client.search(f"kind_{kind}", query, k=10, recall=0.99, **more)
        assert len(result["hits"]) == 10
        found += len(set(ids(result)) & set(ids(truth)))
        wanted += 10
    assert found / wanted >= 0.95, (kind, found, wanted)


def test_equal_vectors_and_seed_give_equal_bytes(server, name):
    client = server.client()
    client.ingest(as_csv(ROWS), name)
    sums = {client.index(name, "id", "text", f"{name}_{n}", seed=11)["segment_sha256"] for n in range(2)}
    assert len(sums) == 1


def test_many_hits_can_be_asked_for(indexed):
    result = indexed.search("engine_idx", "a cat", k=10000)
    assert len(result["hits"]) == 400 and len(set(ids(result))) == 400
    scores = [hit["score"] for hit in result["hits"]]
    assert scores == sorted(scores, reverse=True)
