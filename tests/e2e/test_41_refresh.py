"""Indexes kept up to date: only what is new or changed is embedded, by hand, after commits, or by a schedule."""

import json
import re
import threading

import pytest

from support.client import ApiError
from support.rows import as_csv
from support.server import wait_until


LONG = 1300  # rows of a job that is cut off: several batches
SAVED_OFTEN = {"env": {"LAKEHOUSE_EMBED_CHECKPOINT": "10ms"}}  # after every batch


def text_of(i, version=0):
    return f"Sentence number {i} about subject {i * 7 % 13}, edition {version}."


def refresh(client, dataset, **body):
    """Until its end, which may come after the reply."""
    result = client.post(f"/vectors/refresh/{dataset}", body, query={"wait_ms": 50000})
    return result if result["done"] else client.job(result["job_id"])["result"]


def metric(client, name):
    text = client.call("GET", "/metrics").text()
    return int(float(re.search(rf"^{name} (\S+)$", text, re.M).group(1)))


def embedded(client):
    return metric(client, "lakehouse_embed_texts_total")


def ids_of(client, index, k=1000):
    hits = client.search(index, "sentence", k=k)["hits"]
    return sorted(hit["id"] for hit in hits)


def first(client, index, query):
    return client.search(index, query, k=1)["hits"][0]


def test_a_refresh_builds_what_is_not_there_and_repeats_for_nothing(client, name):
    client.ingest(as_csv([(i, text_of(i)) for i in range(40)]), name)
    reply = client.call("POST", f"/vectors/refresh/{name}", json_body={})
    assert reply.status == 404 and "id_column" in reply.json()["error"]["hint"]
    made = refresh(client, name, id_column="id", text_column="text")
    assert made["index_name"] == f"{name}_text" and made["done"] and not made["unchanged"], made
    assert (made["rows"], made["added"], made["kept"], made["removed"]) == (40, 40, 0, 0)
    before = embedded(client)
    again = refresh(client, name)
    assert again["unchanged"] and again["done"] and again["job_id"] is None, again
    assert (again["rows"], again["chunks"], again["kept"], again["embedded"]) == (40, 40, 40, 0)
    assert embedded(client) == before
    assert client.get("/vectors/indexes/" + made["index_name"])["source_commit"] == 1


def test_only_new_and_changed_rows_are_embedded_and_gone_ones_leave(client, name):
    rows = {i: text_of(i) for i in range(300)}
    client.ingest(as_csv(rows.items()), name)
    built = client.index(name, "id", "text", name)
    rows.update({i: text_of(i) for i in range(300, 350)})
    rows.update({i: text_of(i, "second") for i in range(0, 20)})
    for gone in range(20, 30):
        del rows[gone]
    client.ingest(as_csv(rows.items()), name)
    assert client.get(f"/catalog/datasets/by-name/{name}")["embedding_stale_since"]
    before = embedded(client)
    done = refresh(client, name)
    assert (done["added"], done["removed"], done["kept"]) == (70, 30, 270), done
    assert done["embedded"] == 70 == embedded(client) - before
    assert done["rows"] == done["chunks"] == 340 and not done["unchanged"]
    assert ids_of(client, name) == sorted(map(str, rows))
    assert first(client, name, text_of(5, "second"))["id"] == "5"
    assert first(client, name, text_of(5, "second"))["text"] == text_of(5, "second")
    assert client.get(f"/catalog/datasets/by-name/{name}")["embedding_stale_since"] is None
    shown = client.get(f"/vectors/indexes/{name}")  # one change of the set there is, not a new one
    assert shown["set_prefix"] == built["set_prefix"] and shown["generation"] != built["generation"]
    # and once more over the parts that are there now: dead rows stay dead
    rows[1000] = "A submarine under the lighthouse."
    del rows[0]
    client.ingest(as_csv(rows.items()), name)
    done = refresh(client, name)
    assert (done["added"], done["removed"], done["kept"], done["embedded"]) == (1, 1, 339, 1), done
    assert ids_of(client, name) == sorted(map(str, rows))
    assert first(client, name, "submarine")["id"] == "1000"


def test_the_same_rows_in_new_files_embed_nothing(client, name):
    rows = [(i, text_of(i)) for i in range(60)]
    client.ingest(as_csv(rows), name)
    client.index(name, "id", "text", name)
    generation = client.get(f"/vectors/indexes/{name}")["generation"]
    client.ingest(as_csv(reversed(rows)), name)
    before = embedded(client)
    done = refresh(client, name)
    assert done["unchanged"] and done["embedded"] == 0 and done["kept"] == 60 and embedded(client) == before
    shown = client.get(f"/vectors/indexes/{name}")
    assert shown["generation"] == generation and shown["source_commit"] > 1
    assert client.get(f"/catalog/datasets/by-name/{name}")["embedding_stale_since"] is None


def test_ids_that_come_twice_stay_two(client, name):
    client.ingest(as_csv([("a", "The cat sleeps."), ("a", "The dog barks."), ("b", "The cat sleeps.")]), name)
    client.index(name, "id", "text", name)
    client.ingest(as_csv([("a", "The dog barks."), ("b", "The cat sleeps."), ("b", "The cat sleeps.")]), name)
    done = refresh(client, name)
    assert (done["added"], done["removed"], done["kept"], done["embedded"]) == (1, 1, 2, 0), done
    assert ids_of(client, name) == ["a", "b", "b"]


def test_long_texts_change_chunk_by_chunk(client, name):
    filler = [f"Paragraph {i} tells of the coast, the wind and the mild weather there. " * 3 for i in range(30)]
    client.ingest(json.dumps([{"k": 1, "body": "".join(filler)}]), name, filename="x.json")
    meta = client.index(name, "k", "body", name, chunk_size=200, overlap=0)
    filler[-1] = "At the end a submarine was found. " * 4
    client.ingest(json.dumps([{"k": 1, "body": "".join(filler)}]), name, filename="x.json")
    done = refresh(client, name)
    assert 0 < done["added"] < 6 and done["kept"] > meta["chunks"] - 6, done
    assert "submarine" in first(client, name, "submarine found")["text"]


@pytest.mark.parametrize(
    "body,status,field",
    [
        ({"id_column": "text"}, 409, "id_column"),
        ({"text_column": "id"}, 409, "text_column"),
        ({"chunk_size": 77}, 409, "chunk_size"),
        ({"overlap": 7}, 409, "overlap"),
        ({"precision": "f64"}, 409, "precision"),
        ({"chunk_size": 10**6}, 400, "chunk_size"),
        ({"what": 1}, 400, "what"),
        ({"index_name": "nobody"}, 404, "index_name"),
        ({"index_name": "../x", "id_column": "id", "text_column": "text"}, 400, "index_name"),
    ],
)
def test_a_refresh_that_does_not_fit_the_index(client, server, body, status, field):
    if client.call("GET", "/catalog/datasets/by-name/fits").status == 404:
        client.ingest(as_csv([(1, "The cat sleeps.")]), "fits")
        client.index("fits", "id", "text", "fits")
    reply = client.call("POST", "/vectors/refresh/fits", json_body=body)
    assert reply.status == status, reply.body
    assert reply.json()["error"]["field"] == field, reply.body


def test_two_indexes_are_asked_for_by_name(client, name):
    client.ingest(as_csv([(1, "The cat sleeps.")]), name)
    client.index(name, "id", "text", name + "_a")
    client.index(name, "id", "text", name + "_b", chunk_size=100, overlap=0)
    reply = client.call("POST", f"/vectors/refresh/{name}", json_body={})
    assert reply.status == 400 and reply.json()["error"]["field"] == "index_name"
    client.ingest(as_csv([(1, "The cat sleeps."), (2, "The dog barks.")]), name)
    assert refresh(client, name, index_name=name + "_a")["added"] == 1
    state = client.get(f"/vectors/refresh/{name}")
    assert state["embedding_stale_since"], "the other one still misses a row"
    assert {one["index_name"]: one["current"] for one in state["indexes"]} == {name + "_a": True, name + "_b": False}
    done = refresh(client, name, index_name=name + "_b")
    assert done["added"] == 1 and done["embedded"] == 0, "the text is in the cache"
    assert client.get(f"/vectors/refresh/{name}")["embedding_stale_since"] is None


def test_an_index_of_each_kind_may_have_one_name(client, name):
    """Vectors and words with the same name are two: the dataset is stale while one of them is."""
    client.ingest(as_csv([(1, "The cat sleeps.")]), name)
    client.index(name, "id", "text", name)
    words = {"dataset": name, "id_column": "id", "text_columns": ["text"], "index_name": name}
    client.post("/text/index?wait_ms=60000", json_body=words)
    client.ingest(as_csv([(1, "The cat sleeps."), (2, "The dog barks.")]), name)
    client.post(f"/text/refresh/{name}?wait_ms=60000", json_body={"index_name": name})
    state = client.get(f"/vectors/refresh/{name}")
    assert {one["mode"]: one["current"] for one in state["indexes"]} == {"vector": False, "text": True}
    assert state["embedding_stale_since"], "the vectors still miss a row"
    assert refresh(client, name, index_name=name)["added"] == 1
    assert client.get(f"/vectors/refresh/{name}")["embedding_stale_since"] is None
    client.call("DELETE", f"/vectors/indexes/{name}")
    assert client.get(f"/text/indexes/{name}")["documents"] == 2


def test_stale_lists_what_misses_changes_and_nothing_that_was_never_embedded(client, name):
    def stale():
        return {item["dataset"]: item for item in client.get("/vectors/stale")["items"]}

    client.ingest(as_csv([(1, "The cat sleeps.")]), name)
    client.ingest(as_csv([(1, "The cat sleeps."), (2, "The dog barks.")]), name)
    assert name not in stale()
    client.index(name, "id", "text", name)
    assert name not in stale()
    client.ingest(as_csv([(3, "The bird sings.")]), name, mode="append")
    item = stale()[name]
    assert item["embedding_refresh_policy"] == "manual" and item["next_refresh_at"] is None
    assert item["last_embedded_at"] and item["embedding_stale_since"] > item["last_embedded_at"]
    assert [one["current"] for one in item["indexes"]] == [False]
    refresh(client, name)
    assert name not in stale()


@pytest.mark.parametrize(
    "body,field",
    [
        ({"policy": "scheduled"}, "schedule"),
        ({"policy": "scheduled", "schedule": "61 * * * *"}, "schedule"),
        ({"policy": "scheduled", "schedule": "0 0 30 2 *"}, "schedule"),
        ({"policy": "manual", "schedule": "* * * * *"}, "schedule"),
        ({"policy": "sometimes"}, "policy"),
        ({}, "policy"),
    ],
)
def test_policies_that_are_none(client, server, body, field):
    if client.call("GET", "/catalog/datasets/by-name/policies").status == 404:
        client.ingest(as_csv([(1, "The cat sleeps.")]), "policies")
    reply = client.call("PATCH", "/vectors/refresh/policies", json_body=body)
    assert reply.status == 400 and reply.json()["error"]["field"] == field, reply.body
    assert client.get("/vectors/refresh/policies")["embedding_refresh_policy"] == "manual"


def test_after_every_commit(make_server):
    """on_append: nobody asks, and the rows are found; also those of commits that came while a refresh ran."""
    server = make_server()
    client = server.client()
    client.ingest(as_csv([(i, text_of(i)) for i in range(20)]), "d")
    set_to = client.ask("PATCH", "/vectors/refresh/d", {"policy": "on_append"})
    assert set_to["embedding_refresh_policy"] == "on_append"
    assert client.get("/vectors/jobs")["items"] == [], "never embedded: nothing to refresh"
    client.index("d", "id", "text", "d")
    for step in range(3):
        client.ingest(as_csv([(100 + step, f"Step {step} of the stairs.")]), "d", mode="append")
    wait_until(lambda: client.get("/vectors/indexes/d")["chunks"] == 23, 60, "rows of the commits")
    wait_until(lambda: client.get("/vectors/stale")["items"] == [], 60, "nothing stale")
    assert first(client, "d", "Step 2 of the stairs.")["id"] == "102"
    server.restart()  # the policy is the dataset's, and what was missed while nobody looked is made up for
    client = server.client()
    assert client.get("/vectors/refresh/d")["embedding_refresh_policy"] == "on_append"
    client.ingest(as_csv([(200, "A lighthouse at the coast.")]), "d", mode="append")
    wait_until(lambda: client.get("/vectors/indexes/d")["chunks"] == 24, 60, "the row after the restart")


def test_by_a_schedule(make_server):
    server = make_server()
    client = server.client()
    client.ingest(as_csv([(1, "The cat sleeps.")]), "d")
    client.index("d", "id", "text", "d")
    client.ask("PATCH", "/vectors/refresh/d", {"policy": "scheduled", "schedule": "0 3 * * *"})
    client.ingest(as_csv([(2, "The dog barks.")]), "d", mode="append")
    item = client.get("/vectors/stale")["items"][0]
    assert item["schedule"] == "0 3 * * *" and item["next_refresh_at"].endswith("T03:00:00.000000Z")
    assert item["next_refresh_at"] > item["embedding_stale_since"]
    server.restart()
    client = server.client()
    assert client.get("/vectors/stale")["items"] == [item]
    assert client.get("/vectors/indexes/d")["chunks"] == 1


def test_a_job_that_is_killed_embeds_no_checkpointed_chunk_again(make_server):
    """kill -9 while a long build runs: what was in a part stays, and no text is embedded twice."""
    server = make_server(**SAVED_OFTEN)
    client = server.client()
    count = LONG
    client.ingest(as_csv([(i, f"Row {i}.") for i in range(count)]), "d")
    started = client.post(
        "/vectors/index", {"dataset": "d", "id_column": "id", "text_column": "text", "index_name": "d"}
    )
    plan_file = server.data / "vectors" / "building" / "d.json"

    def checkpoint():
        try:
            plan = json.loads(plan_file.read_text())
        except (OSError, ValueError):
            return None
        return plan if plan["chunks_done"] else None

    plan = wait_until(checkpoint, 100, "a part")
    server.kill()
    plan = checkpoint()
    assert plan and 0 < plan["chunks_done"] < count, plan
    server.start()
    client = server.client()
    wait_until(lambda: client.call("GET", "/vectors/indexes/d").status == 200, 120, "the index after the kill")
    meta = client.get("/vectors/indexes/d")
    assert meta["chunks"] == count and meta["parts"][: len(plan["parts"])] == plan["parts"]
    assert embedded(client) <= count - plan["chunks_done"], started
    assert first(client, "d", "Row 1213.")["id"] == "1213"


def test_a_refresh_that_is_killed_goes_on(make_server):
    server = make_server(**SAVED_OFTEN)
    client = server.client()
    client.ingest(as_csv([(i, f"Row {i}.") for i in range(200)]), "d")
    client.index("d", "id", "text", "d")
    client.ingest(as_csv([(i, f"Row {i}.") for i in range(150, LONG)]), "d")
    client.call("POST", "/vectors/refresh/d", json_body={}, query={"wait_ms": 0})
    plan_file = server.data / "vectors" / "building" / "d.json"
    wait_until(lambda: plan_file.exists() and json.loads(plan_file.read_text())["chunks_done"], 100, "a part")
    server.restart(hard=True)
    client = server.client()
    wait_until(lambda: client.get("/vectors/indexes/d")["chunks"] == LONG - 150, 120, "the refresh after the kill")
    wait_until(lambda: client.get("/vectors/stale")["items"] == [], 60, "nothing stale")
    assert first(client, "d", "Row 300.")["id"] == "300" and first(client, "d", "Row 1299.")["id"] == "1299"
    assert embedded(client) < LONG - 200
    server.stop_clean()


def test_questions_are_answered_while_a_job_embeds(make_server):
    """A question has a queue and a worker of its own: it never waits for the job's batch."""
    server = make_server()
    client = server.client()
    client.ingest(as_csv([(1, "The cat sleeps.")]), "small")
    client.index("small", "id", "text", "small")
    client.ingest(as_csv([(i, text_of(i) * 6) for i in range(6000)]), "big")
    started = client.post("/vectors/index", {"dataset": "big", "id_column": "id", "text_column": "text"})
    wait_until(lambda: client.get(f"/jobs/{started['job_id']}")["phase"] == "embedding", 60, "the job at work")
    for i in range(10):
        hits = client.search("small", f"a question {i}", k=1)["hits"]
        assert hits[0]["id"] == "1"
    assert client.get(f"/jobs/{started['job_id']}")["state"] == "running"
    cancelled = client.ask("DELETE", f"/jobs/{started['job_id']}")
    assert cancelled["state"] in ("cancelled", "running")
    assert client.job(started["job_id"])["state"] == "cancelled"
    reply = client.call("GET", "/vectors/indexes/big_text")
    assert reply.status == 404, reply.body


def test_a_precision_that_is_none_is_refused(client, name):
    client.ingest(as_csv([(1, "The cat sleeps.")]), name)
    body = {"dataset": name, "id_column": "id", "text_column": "text", "precision": "f64"}
    for _ in range(7):  # however often it is asked for, others are not kept waiting
        reply = client.call("POST", "/vectors/index", json_body=body)
        assert reply.status == 422 and reply.json()["error"]["field"] == "precision", reply.body
    assert client.index(name, "id", "text", name)["precision"] in ("f32", "bf16")


def test_an_index_keeps_its_precision(client, name):
    """Questions and refreshes are embedded as the index was; vectors of two precisions never meet."""
    rows = [(i, text_of(i, name)) for i in range(30)]
    client.ingest(as_csv(rows), name)
    body = {"dataset": name, "id_column": "id", "text_column": "text", "index_name": name + "_8", "precision": "int8"}
    reply = client.call("POST", "/vectors/index", json_body=body)
    if reply.status == 422:
        pytest.skip("the installed model was packed without int8 weights")
    assert client.job(reply.json()["job_id"])["state"] == "done"
    before = embedded(client)
    other = client.index(name, "id", "text", name)
    assert embedded(client) - before == 30, "nothing of the other precision was used"
    small = client.get(f"/vectors/indexes/{name}_8")
    assert small["precision"] == "int8" and small["model_version"].startswith("int8 ")
    assert other["precision"] != "int8" and first(client, name + "_8", text_of(7, name))["id"] == "7"
    client.ingest(as_csv(rows + [(99, "A lighthouse at the coast.")]), name)
    before = embedded(client)
    assert refresh(client, name, index_name=name + "_8")["added"] == 1
    assert refresh(client, name, index_name=name)["added"] == 1
    assert embedded(client) - before == 2
    assert client.get(f"/vectors/indexes/{name}_8")["precision"] == "int8"


def test_refreshes_at_the_same_time_are_one(client, name):
    client.ingest(as_csv([(i, text_of(i, name)) for i in range(100)]), name)
    results = []

    def ask():
        try:
            results.append(refresh(client, name, id_column="id", text_column="text"))
        except ApiError as error:
            results.append(error.status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [one for one in results if isinstance(one, dict)]
    assert done and all(one == 409 for one in results if not isinstance(one, dict)), results
    assert sum(one["embedded"] for one in done) == 100, results


@pytest.mark.parametrize(
    "point", ["SEGSET_BEFORE_BATCH", "SEGSET_AFTER_BATCH", "INDEX_BEFORE_META", "INDEX_AFTER_META", "INDEX_AFTER_PART"]
)
def test_a_refresh_that_is_cut_off_at_its_change_is_finished(make_server, point):
    server = make_server()
    client = server.client()
    rows = {i: text_of(i) for i in range(60)}
    client.ingest(as_csv(rows.items()), "d")
    client.index("d", "id", "text", "d")
    rows.update({i: text_of(i, "second") for i in range(5)})
    del rows[9]
    rows[100] = "A submarine under the lighthouse."
    client.ingest(as_csv(rows.items()), "d")
    server.restart(env={"LAKEHOUSE_FAULTS": f"{point}=crash@1"})
    try:
        server.client().post("/vectors/refresh/d", {}, query={"wait_ms": 50000})
    except Exception:  # pylint: disable=broad-except
        pass
    wait_until(lambda: not server.running(), 60, "the crash")
    server.env = {}
    server.start()
    client = server.client()
    wait_until(lambda: not client.get("/vectors/refresh/d")["embedding_stale_since"], 60, "the rest of the refresh")
    assert ids_of(client, "d") == sorted(map(str, rows))
    assert first(client, "d", "submarine")["id"] == "100"
    done = refresh(client, "d")
    assert done["unchanged"] and done["kept"] == len(rows), done
    rows[101] = "A balloon over the sea."
    client.ingest(as_csv(rows.items()), "d")
    done = refresh(client, "d")
    assert (done["added"], done["removed"]) == (1, 0), done
    assert ids_of(client, "d") == sorted(map(str, rows))
    server.stop()
    code, summary, findings = server.fsck()
    assert code == 0 and summary["clean"], findings
