"""Datasets over HTTP: made, listed, found, described, resynced with what their files say."""

import json

import pytest

from support.client import ApiError


def columns(**types):
    return [{"name": name, "type": kind} for name, kind in types.items()]


def create(client, name, **more):
    body = {"name": name, "columns": columns(id="BIGINT", email="VARCHAR", born="DATE"), **more}
    return client.call("POST", "/catalog/datasets", json_body=body)


def test_create_gives_an_empty_dataset(client, name):
    reply = create(client, name, description="people", owner="hr", tags=["a", "b"], sensitivity="internal")
    assert reply.status == 201, reply.body
    made = reply.json()
    assert made["name"] == name and made["commit"] == 1 and made["row_count"] == 0
    assert [c["type"] for c in made["columns"]] == ["BIGINT", "VARCHAR", "DATE"]
    assert [c["field_id"] for c in made["columns"]] == [1, 2, 3]
    assert made["columns"][1]["sensitive"] and made["columns"][1]["pii"] == ["email"]
    assert (made["description"], made["owner"], made["tags"]) == ("people", "hr", ["a", "b"])
    assert client.rows(f"SELECT count(*), count(email) FROM {name}") == [[0, 0]]
    assert client.get(f"/catalog/datasets/by-name/{name}") == made


def test_create_twice_is_a_conflict_that_changes_nothing(client, name):
    assert create(client, name).status == 201
    reply = create(client, name)
    assert reply.status == 409 and reply.json()["error"]["code"] == "already_exists"
    assert client.get(f"/catalog/datasets/by-name/{name}")["commit"] == 1


@pytest.mark.parametrize("kind", ["NOTATYPE", "INT); DROP TABLE x", "STRUCT(a INT", "VARCHAR; SELECT 1", " "])
def test_a_type_that_is_none_is_refused(client, name, kind):
    reply = client.call("POST", "/catalog/datasets", json_body={"name": name, "columns": columns(a=kind)})
    assert reply.status in (400, 422), reply.body
    assert client.call("GET", f"/catalog/datasets/by-name/{name}").status == 404


def test_two_columns_of_one_name_are_refused(client, name):
    body = {"name": name, "columns": columns(a="BIGINT") + columns(A="BIGINT")}
    reply = client.call("POST", "/catalog/datasets", json_body=body)
    assert reply.status in (400, 409, 422), reply.body


BAD_NAMES = [
    "",
    "a/b",
    "../etc",
    "..",
    ".",
    ".hidden",
    "_catalog",
    "a\x00b",
    "a\nb",
    " a",
    "a ",
    "a.",
    "a..b",
    "é",
    "a;b",
    "a'b",
    'a"b',
    "a\\b",
    "x" * 200,
    "💥",
]


@pytest.mark.parametrize("bad", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_play_tricks_are_refused_on_every_road(client, server, bad):
    before = server.listing()
    reply = create(client, bad)
    assert reply.status == 400 and reply.json()["error"]["code"] in ("bad_name", "bad_value", "bad_json"), reply.body
    if "\x00" not in bad:
        if bad:
            reply = client.call("POST", "/ingest/file", b"a\n1\n", query={"dataset": bad})
            assert reply.status == 400, reply.body
            reply = client.upload(b"a\n1\n", "x.csv", fields={"dataset": bad})
            assert reply.status == 400, reply.body
        assert client.sql_error(f'SELECT * FROM "{bad.replace(chr(34), chr(34) * 2)}"').status in (400, 403, 404)
    assert server.listing() == before


GOOD_NAMES = ["A", "with space", "with-dash", "a.b", "x" * 100, "SELECT", "order", "2020", "CON"]


@pytest.mark.parametrize("good", GOOD_NAMES, ids=range(len(GOOD_NAMES)))
def test_odd_but_harmless_names_work_in_sql(client, good, name):
    mine = (good + name)[-100:] if good.startswith("x" * 50) else good
    client.ingest("a\n1\n2\n", mine)
    assert client.value(f'SELECT sum(a) FROM "{mine}"') == 3
    assert client.get("/catalog/datasets/by-name/" + mine.replace(" ", "%20"))["row_count"] == 2
    preview = client.get("/catalog/datasets/by-name/" + mine.replace(" ", "%20") + "/preview?limit=1")
    assert preview["rows"] == [{"a": 1}] and preview["truncated"]


def test_file_names_become_dataset_names(client):
    for filename, want in [
        ("Über Straße 2.csv", None),
        ("../../etc/passwd.csv", "passwd"),
        ("C:\\x\\My File.CSV", "my_file"),
        ("report.final.csv.gz.csv", None),
        ("....csv", None),
    ]:
        reply = client.upload(b"a\n1\n" + filename.encode(), filename.replace('"', ""))
        assert reply.status == 200, (filename, reply.body)
        made = reply.json()["dataset"]
        assert made.replace("_", "").isalnum() and made.isascii(), made
        if want:
            assert made == want


def test_list_is_paged_in_order_of_name(client):
    mine = [f"page_{i:02d}" for i in range(7)]
    for one in reversed(mine):
        assert create(client, one).status == 201
    seen, cursor, pages = [], None, 0
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = client.get("/catalog/datasets", query=query)
        assert len(page["items"]) <= 3
        seen += [item["name"] for item in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if not cursor:
            break
    assert (
        seen == sorted(seen, key=str.lower) and set(mine) <= set(seen) and len(seen) == len(set(seen)) and pages > 2
    )
    for bad in ("0", "-1", "1001"):
        assert client.call("GET", f"/catalog/datasets?limit={bad}").status == 400


def test_an_unknown_dataset_names_those_nearby(client):
    client.ingest("a\n1\n", "candidates_near")
    error = ApiError(client.call("GET", "/catalog/datasets/by-name/candidates_naer"), "near").error
    assert error["code"] == "unknown_dataset" and "candidates_near" in error["hint"]
    error = client.sql_error("SELECT * FROM candidates_naer")
    assert (error.status, error.code) == (404, "unknown_dataset") and "candidates_near" in error.error["hint"]


def test_metadata_patch_sets_what_is_sent_and_keeps_the_rest(client, name):
    create(client, name, description="old", owner="me", tags=["t"])
    path = f"/catalog/datasets/by-name/{name}/metadata"
    patched = client.ask("PATCH", path, {"description": "new", "freshness": "daily"})
    assert (patched["description"], patched["owner"], patched["tags"], patched["freshness"]) == (
        "new",
        "me",
        ["t"],
        "daily",
    )
    assert patched["commit"] == 2 and patched["operation"] == "metadata"
    patched = client.ask("PATCH", path, {"tags": []})
    assert patched["tags"] == [] and patched["description"] == "new"
    assert client.call("PATCH", path, json_body={}).status == 400
    assert client.call("PATCH", path, json_body={"description": "x" * 70000}).status == 400
    assert client.call("PATCH", "/catalog/datasets/by-name/nope_x/metadata", json_body={"owner": "x"}).status == 404
    history = client.get(f"/journal/history/{name}")
    assert {"created", "metadata"} <= {event["action"] for event in history["items"]}


def test_resync_of_what_is_right_changes_nothing(client, name, server):
    client.ingest("a,b\n1,x\n2,y\n", name)
    before = server.listing()
    result = client.post(f"/catalog/datasets/{name}/resync")
    assert result["changed"] is False and result["row_count"] == result["row_count_before"] == 2
    assert server.listing() == before


def test_resync_finds_what_drifted(make_server, name):
    """A manifest of an old form (no version, no checksum) that says less rows than its files hold."""
    server = make_server()
    client = server.client()
    client.ingest("a,b\n1,x\n2,y\n3,z\n", name)
    client.ingest("a\n1\n", "intact")
    server.stop()
    manifest = max((server.data / "_catalog" / "datasets" / name).glob("*.json"))
    stored = json.loads(manifest.read_text())
    assert stored["row_count"] == 3
    stored["row_count"] = 1
    for file in stored["files"]:
        file["rows"] = 1
    del stored["checksum"], stored["format_version"]
    manifest.write_text(json.dumps(stored))
    server.start()
    client = server.client()
    drifted = client.post("/catalog/resync-missing")["items"]
    assert [one["dataset"] for one in drifted] == [name], drifted
    assert drifted[0]["changed"] and drifted[0]["row_count"] == 3
    assert client.get(f"/catalog/datasets/by-name/{name}")["row_count"] == 3
    assert client.post("/catalog/resync-missing")["items"] == []


def test_racing_writers_lose_nothing(client, name):
    """Eight appends at once: every one is in, in some order, each as a commit of its own."""
    import concurrent.futures as futures

    client.ingest("n\n0\n", name)
    with futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: client.ingest(f"n\n{i}\n", name, mode="append"), range(1, 9)))
    assert sorted(r["commit"] for r in results) == list(range(2, 10))
    assert client.rows(f"SELECT n FROM {name} ORDER BY n") == [[i] for i in range(9)]


def test_everything_is_there_after_a_restart(make_server):
    server = make_server()
    client = server.client()
    create(client, "empty_one", description="kept")
    client.ingest("a,b\n1,x\n2,\n", "full_one")
    client.ingest("a,b\n3,z\n", "full_one", mode="append")
    before = client.get("/catalog/datasets")
    rows = client.rows("SELECT * FROM full_one ORDER BY a")
    for hard in (False, True):
        server.restart(hard=hard)
        client = server.client()
        assert client.get("/catalog/datasets") == before
        assert client.rows("SELECT * FROM full_one ORDER BY a") == rows == [[1, "x"], [2, None], [3, "z"]]
    server.stop()
    code, summary, findings = server.fsck()
    assert code == 0 and summary["clean"] and summary["datasets"] == 2, findings
