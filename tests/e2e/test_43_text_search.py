"""Search by words: text indexes built and refreshed as jobs, POST /search with filters, facets, highlights, pages."""

import json
import threading

import pytest

from support.client import ApiError
from support.rows import as_csv, ids
from support.server import wait_until

ANIMALS = [
    ("a1", "A cat sleeps on the warm sofa all day.", "home", 1),
    ("a2", "The dog barks at the mailman every morning.", "home", 2),
    ("a3", "Kittens play with a ball of wool near the cat.", "home", 3),
    ("a4", "Interest rates rose after the central bank met.", "money", 4),
    ("a5", "Shares fell as investors sold technology stocks.", "money", 5),
    ("a6", "A forklift driver moves pallets in the warehouse at night.", "work", 6),
    ("a7", "The nurse works the night shift at the hospital.", "work", 7),
    ("a8", "", "empty", 8),
    ("a9", "Order CAND-000123 was sent to Jörg Müller.", "work", 9),
]


def build(client, dataset, **more):
    body = {"dataset": dataset, "id_column": "id", "text_columns": ["text"], "facets": ["topic"], **more}
    return client.post("/text/index?wait_ms=60000", json_body=body)


def find(client, query, **more):
    body = {"query": query, **more}
    if "index_name" not in body and "dataset" not in body:
        body["index_name"] = "words_text"
    return client.post("/search", json_body=body)


@pytest.fixture(scope="module")
def indexed(server):
    client = server.client()
    client.ingest(as_csv(ANIMALS), "words")
    build(client, "words")
    return client


def test_a_build_is_a_job_whose_result_is_the_index(server, name):
    client = server.client()
    client.ingest(as_csv([(f"r{i}", f"Sentence number {i}.", "t", i) for i in range(300)]), name)
    started = build(client, name)
    assert started["index_name"] == f"{name}_text"
    job = client.get(f"/jobs/{started['job_id']}")
    assert job["state"] == "done" and job["kind"] == "text_index" and job["result"]["documents"] == 300
    shown = client.get(f"/text/indexes/{name}_text")
    assert shown["source"] == name and shown["rows"] == 300 and shown["segments"] == 1
    assert shown["text_columns"] == ["text"] and shown["source_commit"] == 1 and shown["bytes_mapped"] > 0
    assert [one["index_name"] for one in client.get(f"/text/indexes?source={name}")["items"]] == [f"{name}_text"]
    dataset = client.get(f"/catalog/datasets/by-name/{name}")
    assert dataset["last_embedded_at"] and dataset["embedding_stale_since"] is None


def test_words_find_rows_with_text_marks_and_columns(indexed):
    result = find(indexed, "cat", columns=["topic", "rank"])
    assert sorted(ids(result)) == ["a1", "a3"] and result["mode"] == "text"
    best = result["hits"][0]
    assert best["columns"]["topic"] == "home" and best["score"] > 0
    assert best["highlights"][0]["column"] == "text" and "<em>cat</em>" in best["highlights"][0]["fragments"][0]
    assert "cat" in best["text"] and "<em>" not in best["text"]
    assert result["index"]["name"] == "words_text" and result["index"]["commit"] == 1
    plain = find(indexed, "cat", dataset="words", highlight={"fragments": 0})
    assert ids(plain) == ids(result) and plain["hits"][0]["highlights"] == []
    other = find(indexed, "cat", highlight={"open": "[", "close": "]"})
    assert "[cat]" in other["hits"][0]["highlights"][0]["fragments"][0]


@pytest.mark.parametrize(
    "body,expected",
    [
        ({"query": "night shift", "match": "all"}, ["a7"]),
        ({"query": '"night shift"'}, ["a7"]),
        ({"query": "+night -hospital", "syntax": "query"}, ["a6"]),
        ({"query": "fork*", "syntax": "query"}, ["a6"]),
        ({"query": "warehuose~", "syntax": "query"}, ["a6"]),
        ({"query": "text:muller", "syntax": "query"}, ["a9"]),
        ({"query": "000123"}, ["a9"]),
        ({"query": "cand-000123"}, ["a9"]),
        ({"query": "zebra"}, []),
        ({"query": "-- ) \" ( *:"}, []),
    ],
)
def test_queries(indexed, body, expected):
    assert ids(find(indexed, **body)) == expected


def test_filters_count_before_the_search(indexed):
    every = find(indexed, "the a", match="any", k=20, count=True)
    assert every["total"] == len(every["hits"]) and every["total_is_exact"]
    some = find(indexed, "the a", k=20, filter="topic = 'home' AND rank < 3", count=True)
    assert set(ids(some)) == {"a1", "a2"} and some["plan"]["filter"] == "computed"
    assert some["plan"]["rows_allowed"] == 2 and some["total"] == 2
    again = find(indexed, "the", k=20, filter="topic = 'home' AND rank < 3")
    assert again["plan"]["filter"] == "cached"
    assert find(indexed, "cat", filter="false")["hits"] == []


def test_facets_count_all_matches_the_reader_asked_for(indexed):
    result = find(indexed, "the", k=0, facets=["topic"])
    assert result["hits"] == [] and result["total_is_exact"]
    facet = result["facets"][0]
    counts = {one["value"]: one["count"] for one in facet["values"]}
    assert facet["name"] == "topic" and sum(counts.values()) + facet["missing"] + facet["others"] == result["total"]
    home = find(indexed, "the", k=0, facets=["topic"], filter="topic = 'home'")
    assert [one["value"] for one in home["facets"][0]["values"]] == ["home"]


def test_why_a_hit_scores(indexed):
    hit = find(indexed, "night shift", explain=True)["hits"][0]
    assert hit["explanation"]["score"] == pytest.approx(hit["score"]) and hit["explanation"]["because"]
    assert "explanation" not in find(indexed, "night shift")["hits"][0]


def test_pages_make_the_whole(indexed):
    whole = ids(find(indexed, "the a at", k=20))
    pages = [hit for at in range(0, 20, 3) for hit in ids(find(indexed, "the a at", k=3, offset=at))]
    assert pages == whole and len(whole) > 4


@pytest.mark.parametrize(
    "body,status,field",
    [
        ({"query": "x", "mode": "vector"}, 422, "mode"),
        ({"query": "x", "mode": "hybrid"}, 422, "mode"),
        ({"query": ""}, 400, "query"),
        ({"query": "x", "k": 10001}, 400, "k"),
        ({"query": "x", "k": 5000, "offset": 6000}, 400, "offset"),
        ({"query": "x", "columns": ["topc"]}, 422, "columns[0]"),
        ({"query": "x", "facets": ["rank"]}, 422, "facets[0]"),
        ({"query": "x", "fields": ["topic"]}, 422, "fields[0]"),
        ({"query": "x", "filter": "topc = 'home'"}, 400, "filter"),
        ({"query": "x", "filter": "1=1) UNION SELECT 1 --"}, 400, "filter"),
        ({"query": "(x", "syntax": "query"}, 400, "query"),
        ({"query": "nofield:x", "syntax": "query"}, 400, "query"),
        ({"query": "x", "index_name": "nobody"}, 404, "index_name"),
        ({"query": "x", "index_name": "words_text", "dataset": "words"}, 400, "index_name"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(indexed, body, status, field):
    with pytest.raises(ApiError) as caught:
        find(indexed, **body)
    assert caught.value.status == status and caught.value.error["field"] == field
    assert caught.value.error["code"] and caught.value.error["message"]


@pytest.mark.parametrize(
    "body,status",
    [
        ({"text_columns": []}, 400),
        ({"text_columns": ["txet"]}, 422),
        ({"text_columns": ["text", "text"]}, 400),
        ({"facets": ["nothing"]}, 422),
        ({"language": "klingon"}, 400),
        ({"index_name": "meta"}, 400),
        ({"dataset": "nobody"}, 404),
    ],
)
def test_bad_builds_are_refused(indexed, body, status):
    with pytest.raises(ApiError) as caught:
        build(indexed, body.pop("dataset", "words"), **body)
    assert caught.value.status == status


def refresh(client, dataset, **body):
    return client.post(f"/text/refresh/{dataset}?wait_ms=60000", json_body=body)


def test_a_refresh_takes_what_changed_and_no_more(server, name):
    client = server.client()
    rows = [(f"r{i}", f"Sentence number {i} about apples.", "t", i) for i in range(200)]
    client.ingest(as_csv(rows), name)
    build(client, name)
    index = f"{name}_text"
    nothing = refresh(client, name)
    assert nothing["unchanged"] and nothing["job_id"] is None and nothing["kept"] == 200
    rows[7] = ("r7", "Now it is about pears.", "t", 7)
    rows = rows[:190] + [("new1", "Plums are new.", "fruit", 1)]
    client.ingest(as_csv(rows), name)
    stale = find(client, "apples", index_name=index, k=300)
    assert "r195" not in ids(stale), "a row that is gone was shown by an index that is behind"
    result = refresh(client, name)
    assert (result["added"], result["kept"], result["removed"]) == (2, 189, 11) and not result["rebuilt"]
    assert ids(find(client, "pears", index_name=index)) == ["r7"]
    assert ids(find(client, "plums", index_name=index)) == ["new1"]
    assert len(find(client, "apples", index_name=index, k=300)["hits"]) == 189
    shown = client.get(f"/text/indexes/{index}")
    assert shown["documents"] == 191 and shown["changes"] == 2
    fresh = client.get(f"/vectors/refresh/{name}")
    assert fresh["indexes"] == [
        {"index_name": index, "source_commit": fresh["indexes"][0]["source_commit"], "current": True, "mode": "text"}
    ]


def test_searches_go_on_while_indexes_are_refreshed(server, name):
    client = server.client()
    index = f"{name}_text"
    client.ingest(as_csv([(f"r{i}", f"apples {i}", "t", i) for i in range(100)]), name)
    build(client, name)
    stop, errors = threading.Event(), []

    def search():
        mine = server.client()
        while not stop.is_set():
            try:
                found = find(mine, "apples", index_name=index, k=300, count=True)
                assert 0 < len(found["hits"]) <= 140
            except Exception as error:  # noqa: BLE001, any failure is one
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(4):
        client.ingest(as_csv([(f"r{i}", f"apples {i} {round_ % 2}", "t", i) for i in range(100 + 10 * round_)]), name)
        refresh(client, name)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert len(find(client, "apples", index_name=index, k=300)["hits"]) == 130


@pytest.mark.parametrize("hard", [False, True])
def test_an_index_survives_a_restart(make_server, hard):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ANIMALS), "words")
    build(client, "words")
    client.ingest(as_csv(ANIMALS[:5] + [("b1", "A cat again.", "home", 1)]), "words")
    refresh(client, "words")
    before = find(client, "cat")
    assert sorted(ids(before)) == ["a1", "a3", "b1"]
    server.restart(hard=hard)
    after = find(server.client(), "cat")
    assert [(hit["id"], hit["score"]) for hit in after["hits"]] == [
        (hit["id"], hit["score"]) for hit in before["hits"]
    ]
    server.stop()
    code, summary, findings = server.fsck()
    assert code == 0 and summary["clean"], findings


@pytest.mark.parametrize("point", ["INDEX_BEFORE_META", "INDEX_AFTER_META"])
def test_a_refresh_that_is_killed_is_made_up_for(make_server, point):
    """kill -9 while it publishes: the change is in the set, the index says it is at the old or at the new version."""
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ANIMALS), "words")
    build(client, "words")
    server.restart(faults=f"{point}=delay:600000")
    client = server.client()
    client.ingest(as_csv(ANIMALS[1:5] + [("b1", "A cat again.", "home", 1)]), "words")
    started = client.call("POST", "/text/refresh/words", json_body={}, query={"wait_ms": 0}).json()
    wait_until(lambda: client.get(f"/jobs/{started['job_id']}")["phase"] == "publishing", 60, "the end of the refresh")
    server.kill()
    server.faults = None
    client = server.start().client()
    assert "a1" not in ids(find(client, "cat")), "a row that is gone was shown"
    assert "a3" in ids(find(client, "cat"))
    refresh(client, "words")
    found = find(client, "cat", count=True)
    assert sorted(ids(found)) == ["a3", "b1"] and found["total"] == 2
    assert {hit["id"]: hit["text"] for hit in found["hits"]} == {"a3": ANIMALS[2][1], "b1": "A cat again."}
    shown = client.get("/text/indexes/words_text")
    assert shown["documents"] == 5 and client.get("/vectors/stale")["items"] == []
    server.stop_clean()


def test_texts_of_hits_are_those_of_the_dataset(server, name):
    """Kept beside the index while it is current, read from the dataset when it is not: a reader cannot tell."""
    client = server.client()
    index = f"{name}_text"
    rows = [(f"r{i}", f"Apples of year {i}.", "t", i) for i in range(50)] + [("none", "", "apples", 1)]
    client.ingest(as_csv(rows), name)
    build(client, name)
    texts = {row[0]: row[1] for row in rows}
    found = find(client, "apples", index_name=index, k=60)
    assert len(found["hits"]) == 50 and all(hit["text"] == texts[hit["id"]] for hit in found["hits"])
    assert all(hit["columns"] == {} for hit in found["hits"])
    asked = find(client, "apples", index_name=index, k=60, columns=["id", "topic"])
    assert all(hit["columns"] == {"id": hit["id"], "topic": "t"} for hit in asked["hits"])
    rows[7] = ("r7", "Apples of another year.", "t", 7)
    client.ingest(as_csv(rows), name)
    behind = {hit["id"]: hit["text"] for hit in find(client, "apples", index_name=index, k=60)["hits"]}
    assert behind["r7"] == "Apples of another year." and behind["r8"] == texts["r8"]
    refresh(client, name)
    after = {hit["id"]: hit["text"] for hit in find(client, "apples", index_name=index, k=60)["hits"]}
    assert after == behind


def test_fsck_knows_the_objects_of_text_indexes(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv(ANIMALS), "words")
    build(client, "words")
    generation = client.get("/text/indexes/words_text")["generation"]
    server.stop()
    extra = server.data / "text/words_text/g-0/left.lht"
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"x")
    code, _, findings = server.fsck()
    assert [(one["finding"], one["key"]) for one in findings] == [("orphan", "text/words_text/g-0/left.lht")]
    server.start()
    wait_until(lambda: not extra.exists(), 30, "the clean-up")
    server.stop()
    rows = next((server.data / "text/words_text" / generation).glob("*.lht"))
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 1
    rows.write_bytes(bytes(content))
    code, _, findings = server.fsck()
    assert code == 1 and [one["finding"] for one in findings] == ["damaged"]


def test_a_deleted_index_is_gone_with_its_objects(server, name):
    client = server.client()
    client.ingest(as_csv(ANIMALS), name)
    build(client, name)
    gone = client.ask("DELETE", f"/text/indexes/{name}_text")
    assert gone["index_name"] == f"{name}_text" and gone["objects"] >= 3
    for call in (lambda: client.get(f"/text/indexes/{name}_text"), lambda: find(client, "cat", index_name=f"{name}_text")):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.status == 404
    build(client, name)
    assert len(find(client, "cat", index_name=f"{name}_text")["hits"]) == 2


def test_several_columns_are_fields(server, name):
    client = server.client()
    text = "id,title,text,topic\n1,Red door,The house is blue.,x\n2,Blue door,The house is red.,y\n"
    client.ingest(text.encode(), name)
    build(client, name, text_columns=["title", "text"], index_name=f"{name}_both")
    both = f"{name}_both"
    assert sorted(ids(find(client, "red", index_name=both))) == ["1", "2"]
    assert ids(find(client, "red", index_name=both, fields=["title"])) == ["1"]
    assert ids(find(client, "title:red", index_name=both, syntax="query")) == ["1"]
    with pytest.raises(ApiError) as caught:
        find(client, "text:red", index_name=both, syntax="query", fields=["title"])
    assert caught.value.status == 400
    marks = find(client, "red", index_name=both)["hits"][0]["highlights"]
    assert len(marks) == 1 and json.dumps(marks).count("<em>") == 1
