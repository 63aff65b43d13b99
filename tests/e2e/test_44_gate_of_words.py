"""The gate on search by words: who sees half the rows, one column masked and one not at all gets nothing more by searching.

The server is lakehouse-gated (tests/gated/policy.c): the key named "reader" opens for a second role."""

import json

import pytest

from support.client import ApiError
from support.rows import ids
from support.server import bin_dir, run

ROWS = [
    ("b1", "blue", "apples and pears", "note zebra one", "secret falcon", "fruit"),
    ("b2", "blue", "apples only", "note zebra two", "secret falcon", "fruit"),
    ("r1", "red", "apples and quinces", "note zebra three", "secret falcon", "hidden"),
    ("r2", "red", "quinces apples apples", "note otter", "secret heron", "hidden"),
]
TEXT = "id,team,text,note,secret,topic\n" + "".join(",".join(row) + "\n" for row in ROWS)
INVISIBLE = ("r1", "r2", "quinces", "zebra", "otter", "falcon", "heron", "hidden")


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A client of the owner and one of the reader, of a server with an index over all columns."""
    from support.server import Server, kill_rest

    folder = tmp_path_factory.mktemp("gated")
    (folder / "data").mkdir()
    keys = {}
    for name in ("owner", "reader"):
        done = run("key", "create", name, "--data", folder / "data", "--json")
        assert done.returncode == 0, done.stderr
        keys[name] = json.loads(done.stdout)["key"]
    server = Server(folder, programs=bin_dir() / "gated", env={"LAKEHOUSE_AUTH_ENABLED": "on"})
    owner, reader = (server.client(key=keys[name]) for name in ("owner", "reader"))
    owner.ingest(TEXT.encode(), "things")
    owner.post(
        "/text/index?wait_ms=60000",
        json_body={
            "dataset": "things",
            "id_column": "id",
            "text_columns": ["text", "note", "secret"],
            "facets": ["topic", "note", "secret"],
        },
    )
    yield owner, reader
    try:
        server.stop()
    finally:
        kill_rest(server)


def find(client, query, **more):
    body = {"index_name": "things_text", "query": query, "k": 100, "count": True, **more}
    return client.post("/search", json_body=body)


def refused(client, query, **more):
    with pytest.raises(ApiError) as caught:
        find(client, query, **more)
    assert not any(word in json.dumps(caught.value.error) for word in ("zebra", "falcon")), caught.value.error
    return caught.value.status


def test_the_owner_finds_everything(gated):
    owner, _ = gated
    assert sorted(ids(find(owner, "apples"))) == ["b1", "b2", "r1", "r2"]
    assert sorted(ids(find(owner, "zebra"))) == ["b1", "b2", "r1"]
    assert sorted(ids(find(owner, "falcon"))) == ["b1", "b2", "r1"]


def test_rows_are_found_and_counted_as_the_gate_shows_them(gated):
    _, reader = gated
    found = find(reader, "apples")
    assert sorted(ids(found)) == ["b1", "b2"] and found["total"] == 2 and found["total_is_exact"]
    assert found["plan"]["rows_allowed"] == 2
    for query in ("quinces", "zebra", "otter", "falcon", "heron", "zeb", "note", "secret"):
        for more in ({}, {"syntax": "query"}):
            nothing = find(reader, query, **more)
            assert nothing["hits"] == [] and nothing["total"] == 0, query
    for query in ("zeb*", "zebr~", '"note zebra"', "+apples +zebra", "fal*", "quin*"):
        assert find(reader, query, syntax="query")["total"] == 0, query
    assert find(reader, "apples -zebra", syntax="query")["total"] == 2, "a masked word took rows away"
    assert find(reader, "apples -falcon", syntax="query")["total"] == 2, "a hidden word took rows away"


def test_neither_marks_nor_columns_nor_reasons_say_more(gated):
    _, reader = gated
    more = {"highlight": {"fragments": 3}, "explain": True, "columns": ["id", "team", "note", "topic"], "facets": ["topic"]}
    found = find(reader, "apples zebra falcon quinces", **more)
    assert {hit["columns"]["note"] for hit in found["hits"]} == {"***"}
    assert {mark["column"] for hit in found["hits"] for mark in hit["highlights"]} == {"text"}
    (topics,) = found["facets"]
    assert topics["values"] == [{"value": "fruit", "count": 2}] and topics["missing"] == topics["others"] == 0
    said = json.dumps({**found, "query": None})
    assert not any(word in said for word in INVISIBLE if word not in ("zebra", "falcon", "quinces")), said
    for hit in found["hits"]:
        assert not any(word in hit["text"] for word in INVISIBLE)


@pytest.mark.parametrize(
    "more",
    [
        {"fields": ["note"]},
        {"fields": ["secret"]},
        {"facets": ["note"]},
        {"facets": ["secret"]},
        {"columns": ["secret"]},
        {"filter": "secret = 'falcon'"},
    ],
)
def test_what_is_masked_cannot_be_asked_for(gated, more):
    _, reader = gated
    assert refused(reader, "apples", **more) in (400, 403, 422)


def test_fields_of_the_language_are_gated(gated):
    _, reader = gated
    for query in ("note:zebra", "secret:falcon", "secret:fal*"):
        assert refused(reader, query, syntax="query") in (400, 403, 422)


def test_a_filter_sees_the_mask_and_not_the_value(gated):
    _, reader = gated
    assert find(reader, "apples", filter="note LIKE '%zebra%'")["total"] == 0
    assert find(reader, "apples", filter="note = '***'")["total"] == 2


def test_answers_of_one_are_not_kept_for_the_other(gated):
    owner, reader = gated
    for _ in range(2):
        assert find(owner, "apples", filter="id <> 'b1'")["total"] == 3
        assert find(reader, "apples", filter="id <> 'b1'")["total"] == 1


def test_order_and_hits_do_not_depend_on_rows_out_of_sight(gated):
    """Scores do, as documents are counted over all rows (docs/text-engine.md says how much that tells)."""
    owner, reader = gated
    seen = [one for one in ids(find(owner, "apples pears")) if one.startswith("b")]
    assert ids(find(reader, "apples pears")) == seen == ["b1", "b2"]
