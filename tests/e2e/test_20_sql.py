"""POST /query/sql: formats, parameters, paging, time travel, errors with their place, limits, what kills a query."""

import json
import os
import re
import signal
import time

import pyarrow
import pyarrow.ipc
import pytest

from support.client import ApiError, Reply
from support.server import children, in_background, wait_until

SERVER_ENV = {"LAKEHOUSE_QUERY_TIMEOUT": "20s"}
# Long enough to be caught in the act, and stopped by the deadline if nothing else does.
SLOW = "SELECT count(*) FROM range(4000000000) a, range(4000000000) b WHERE (a.range * b.range) % 7 = 3"
MEMORY = "SELECT count(DISTINCT md5(i::VARCHAR || j::VARCHAR)) FROM range(40000) a(i), range(40000) b(j)"

PEOPLE = (
    "id,name,city,born,score,seen,ok\n"
    "1,Ann,Berlin,1990-01-02,1.5,2024-05-06 07:08:09,true\n"
    '2,"Bob ""B"", Jr",Paris,1991-02-03,-2.25,2024-05-06 07:08:10.123456,false\n'
    "3,Zoë ☃,,,,,\n"
)


@pytest.fixture(scope="module")
def people(server):
    server.client().ingest(PEOPLE, "people")


@pytest.fixture
def sql(client, people):
    return client.sql


# ---- formats ----


def test_json_gives_rows_as_objects_with_their_types(sql):
    reply = sql("SELECT * FROM people ORDER BY id")
    assert [c["type"] for c in reply["columns"]] == [
        "BIGINT",
        "VARCHAR",
        "VARCHAR",
        "DATE",
        "DOUBLE",
        "TIMESTAMP",
        "BOOLEAN",
    ]
    assert reply["rows"][0] == {
        "id": 1,
        "name": "Ann",
        "city": "Berlin",
        "born": "1990-01-02",
        "score": 1.5,
        "seen": reply["rows"][0]["seen"],
        "ok": True,
    }
    assert reply["rows"][0]["seen"].replace("T", " ").startswith("2024-05-06 07:08:09")
    assert reply["rows"][2] == {
        "id": 3,
        "name": "Zoë ☃",
        "city": None,
        "born": None,
        "score": None,
        "seen": None,
        "ok": None,
    }
    assert reply["row_count"] == 3 and reply["truncated"] is False and reply["next_cursor"] is None
    assert reply["query_id"] and reply["took_ms"] >= 0 and reply["snapshots"] == {"people": 1}


def test_json_arrays_gives_rows_as_arrays(sql):
    reply = sql("SELECT id, name FROM people ORDER BY id", format="json_arrays")
    assert reply["rows"] == [[1, "Ann"], [2, 'Bob "B", Jr'], [3, "Zoë ☃"]]


def stream(client, sql, format, **more):
    reply = client.call("POST", "/query/sql", json_body={"sql": sql, "format": format, **more})
    if reply.status != 200:
        raise ApiError(reply, sql)
    return reply


def test_ndjson(client, people):
    reply = stream(client, "SELECT id, name FROM people ORDER BY id", "ndjson")
    assert reply.header("Content-Type") == "application/x-ndjson" and reply.header("X-Query-Id")
    assert [json.loads(line)["id"] for line in reply.text().splitlines()] == [1, 2, 3]


def test_csv(client, people):
    reply = stream(client, "SELECT id, name, city FROM people ORDER BY id", "csv")
    assert reply.header("Content-Type").startswith("text/csv")
    import csv
    import io

    assert list(csv.reader(io.StringIO(reply.text(), newline=""))) == [
        ["id", "name", "city"],
        ["1", "Ann", "Berlin"],
        ["2", 'Bob "B", Jr', "Paris"],
        ["3", "Zoë ☃", ""],
    ]


def test_arrow_is_what_pyarrow_reads(client, people):
    reply = stream(
        client,
        "SELECT *, [1, 2] AS l, {'a': id, 'b': name} AS s, 1.25::DECIMAL(9,2) AS d, "
        "'x'::BLOB AS bl, 17014118346046923173168730371588410572::HUGEINT AS h, "
        "uuid() AS u, INTERVAL 1 DAY AS i, TIME '01:02:03' AS t, MAP {'k': 1} AS m, "
        "TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz, 'a'::ENUM('a', 'b') AS e "
        "FROM people ORDER BY id",
        "arrow",
    )
    assert reply.header("Content-Type") == "application/vnd.apache.arrow.stream"
    found = pyarrow.ipc.open_stream(reply.body).read_all()
    found.validate(full=True)
    assert found.num_rows == 3 and found["id"].to_pylist() == [1, 2, 3]
    assert found["name"].to_pylist() == ["Ann", 'Bob "B", Jr', "Zoë ☃"]
    assert found["city"].null_count == 1 and found["ok"].to_pylist() == [True, False, None]
    assert found["l"].to_pylist()[0] == [1, 2] and found["s"].to_pylist()[1] == {"a": 2, "b": 'Bob "B", Jr'}
    assert str(found["d"].to_pylist()[0]) == "1.25" and found["born"].to_pylist()[0].isoformat() == "1990-01-02"


def test_empty_results_in_every_format(client, people):
    nothing = "SELECT id, name FROM people WHERE id > 99"
    assert client.sql(nothing)["rows"] == [] and client.sql(nothing, format="json_arrays")["rows"] == []
    assert stream(client, nothing, "ndjson").body == b""
    assert stream(client, nothing, "csv").text().strip() == "id,name"
    table = pyarrow.ipc.open_stream(stream(client, nothing, "arrow").body).read_all()
    assert table.num_rows == 0 and table.column_names == ["id", "name"]


@pytest.mark.parametrize(
    "accept,kind",
    [
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/csv;q=0.9, */*;q=0.1", "text/csv; charset=utf-8"),
        ("application/json;q=0.1, text/csv;q=0.9", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("image/png", "application/json"),
    ],
)
def test_accept_chooses_the_format(client, people, accept, kind):
    reply = client.call("POST", "/query/sql", json_body={"sql": "SELECT 1 AS a"}, headers={"Accept": accept})
    assert reply.status == 200 and reply.header("Content-Type") == kind


def test_the_field_wins_over_accept(client, people):
    reply = client.call(
        "POST", "/query/sql", json_body={"sql": "SELECT 1 AS a", "format": "json"}, headers={"Accept": "text/csv"}
    )
    assert reply.json()["rows"] == [{"a": 1}]


def test_integers_beyond_two_to_the_53(sql):
    text = "SELECT 9007199254740993 AS a, 12 AS b, 170141183460469231731687303715884105727::HUGEINT AS c"
    assert sql(text)["rows"][0]["a"] == 9007199254740993
    row = sql(text, big_ints="string")["rows"][0]
    assert (
        row["a"] == "9007199254740993"
        and row["b"] == 12
        and str(row["c"]) == "170141183460469231731687303715884105727"
    )


def test_values_json_cannot_say(sql):
    row = sql(
        "SELECT 'nan'::DOUBLE AS n, 'inf'::DOUBLE AS i, chr(0) AS z, 'a\"\\\n' AS q, '\\x41\\xff'::BLOB AS b, "
        "DATE '9999-12-31' AS d, 'infinity'::DATE AS e, NULL AS u"
    )["rows"][0]
    assert row["q"] == 'a"\\\n' and row["u"] is None and row["z"] == "\x00"


# ---- parameters ----


def test_parameters_by_question_mark_number_and_name(client, people):
    assert client.rows("SELECT name FROM people WHERE id = ?", params=[1]) == [["Ann"]]
    assert client.rows("SELECT name FROM people WHERE id = $2 AND city = $1", params=["Paris", 2]) == [
        ['Bob "B", Jr']
    ]
    assert client.rows("SELECT name FROM people WHERE city = $city", params={"city": "Berlin"}) == [["Ann"]]
    assert client.rows("SELECT ?, ?, ?, ?", params=[1.5, True, None, "x' OR 1=1 --"]) == [
        [1.5, True, None, "x' OR 1=1 --"]
    ]


@pytest.mark.parametrize(
    "text,params",
    [
        ("SELECT ?", []),
        ("SELECT ?", [1, 2]),
        ("SELECT $a", {}),
        ("SELECT $a", {"b": 1}),
        ("SELECT $a", {"a": 1, "b": 2}),
        ("SELECT ?", None),
        ("SELECT 1", [1]),
        ("SELECT ?", "x"),
        ("SELECT ?", 1),
    ],
)
def test_parameters_that_do_not_fit(client, people, text, params):
    error = client.sql_error(text, **({} if params is None else {"params": params}))
    assert error.status in (400, 422), error


# ---- limits and pages ----


def test_limit_says_when_there_is_more(client, people):
    reply = client.sql("SELECT i FROM range(10) t(i)", limit=3)
    assert len(reply["rows"]) == 3 and reply["truncated"] and reply["next_cursor"]
    reply = client.sql("SELECT i FROM range(3) t(i)", limit=3)
    assert len(reply["rows"]) == 3 and not reply["truncated"] and reply["next_cursor"] is None
    assert len(client.sql("SELECT i FROM range(20000) t(i)")["rows"]) == 10000
    assert len(client.sql("SELECT i FROM range(20000) t(i)", limit=0)["rows"]) == 20000


def pages(client, text, limit, between=lambda: None, **more):
    rows, cursor = [], None
    while True:
        reply = client.sql(text, limit=limit, **more, **({"cursor": cursor} if cursor else {}))
        rows += reply["rows"]
        cursor = reply["next_cursor"]
        if not cursor:
            return rows
        between()


def test_pages_see_one_snapshot_although_somebody_commits_between(client, name):
    client.ingest("n\n" + "".join(f"{i}\n" for i in range(10)), name)
    count = iter(range(1, 100))

    def commit():
        client.ingest(f"n\n{-next(count)}\n", name, mode="append")

    rows = pages(client, f"SELECT n FROM {name} WHERE n >= ? ORDER BY n", 3, commit, params=[-1000])
    assert [row["n"] for row in rows] == list(range(10))
    assert client.value(f"SELECT count(*) FROM {name}") == 13


def test_a_cursor_of_another_statement_or_damaged_is_refused(client, people):
    cursor = client.sql("SELECT i FROM range(9) t(i)", limit=2)["next_cursor"]
    for text, bad in [
        ("SELECT 2 * i FROM range(9) t(i)", cursor),
        ("SELECT i FROM range(9) t(i)", cursor[:-4]),
        ("SELECT i FROM range(9) t(i)", "zz"),
        ("SELECT i FROM range(9) t(i)", "00" * 40),
    ]:
        error = client.sql_error(text, limit=2, cursor=bad)
        assert error.status == 400 and error.error["field"] == "cursor"


# ---- time travel ----


def test_older_commits_by_number_and_by_time(client, name):
    client.ingest("n\n1\n", name)
    first_at = client.get(f"/catalog/datasets/by-name/{name}")["updated_at"]
    client.ingest("n\n2\n", name, mode="append")
    client.ingest("n\n9\n", name, mode="replace")
    count = f"SELECT sum(n) FROM {name}"
    assert client.value(count) == 9
    assert [client.value(count, snapshot={name: commit}) for commit in (1, 2, 3)] == [1, 3, 9]
    assert client.value(count, as_of=first_at) == 1
    assert client.sql(count, snapshot={name: 2})["snapshots"] == {name: 2}
    error = client.sql_error(count, snapshot={name: 77})
    assert error.status in (400, 404), error
    error = client.sql_error(count, as_of="2000-01-01T00:00:00Z")
    assert error.status in (400, 404), error


# ---- explain, errors ----


def test_explain_shows_a_plan_without_paths(client, people, server):
    text = json.dumps(client.sql("EXPLAIN SELECT city, count(*) FROM people GROUP BY city"))
    assert str(server.folder) not in text and len(text) > 50


@pytest.mark.parametrize(
    "text,code,line,column,hint",
    [
        ("SELEC 1", "sql_syntax", 1, 1, None),
        ("SELECT\n  1 +\nFROM people", "sql_syntax", 3, None, None),
        ("SELECT nam FROM people", "sql_invalid", 1, 8, "name"),
        ("SELECT id FROM people\nWHERE citty = 'x'", "sql_invalid", 2, 7, "city"),
        ("SELECT uppr(name) FROM people", "sql_denied", 1, 8, None),
        ("SELECT * FROM peple", "unknown_dataset", 1, 15, "people"),
        ("", "sql_syntax", None, None, None),
        ("   ", "sql_syntax", None, None, None),
        ("-- only a comment", "sql_syntax", None, None, None),
        ("SELECT 1; SELECT 2", None, None, None, None),
        ("SELECT 'a", "sql_syntax", 1, None, None),
        ("SELECT 1 + 'x'::INT", "sql_invalid", None, None, None),
        ("SELECT 1 AS a UNION SELECT 'x', 2", "sql_invalid", None, None, None),
    ],
)
def test_errors_have_code_place_and_hint(client, people, text, code, line, column, hint):
    error = client.sql_error(text)
    assert 400 <= error.status < 500, error
    if code:
        assert error.code == code, error.error
    if line:
        assert error.error.get("line") == line, error.error
    if column:
        assert error.error.get("column") == column, error.error
    if hint:
        assert hint in (error.error["hint"] or ""), error.error


def test_a_statement_that_is_too_long(client, people):
    error = client.sql_error("SELECT '" + "x" * (300 * 1024) + "'")
    assert error.status in (400, 413) and error.error["message"]


def test_failing_late_cuts_the_stream_so_that_a_client_can_tell(client, people):
    """The head is out when row 500,000 fails: the reply must not look complete."""
    connection, response = client.open(
        "POST",
        "/query/sql",
        json.dumps(
            {
                "sql": "SELECT CASE WHEN i = 500000 THEN error('late') ELSE i::VARCHAR END AS v "
                "FROM range(1000000) t(i)",
                "format": "ndjson",
            }
        ).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        if response.status != 200:
            return  # it noticed before the first byte, which is better still
        import http.client

        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            while response.read(65536):
                pass
    finally:
        connection.close()


# ---- running, cancelling ----


def running_with(client, mark):
    def look():
        found = [item for item in client.get("/query/running")["items"] if mark in item["sql"]]
        return found[0] if found else None

    return wait_until(look, 20, f"running query {mark}")


def test_cancel_by_id(client, people, name):
    thread, box = in_background(lambda: client.sql(f"{SLOW} -- {name}", timeout_ms=60000))
    query = running_with(client, name)
    assert query["state"] == "running" and query["principal"]
    assert client.ask("DELETE", f"/query/{query['query_id']}")["cancelled"]
    thread.join(20)
    assert not thread.is_alive() and box["error"].code == "cancelled"
    assert client.call("DELETE", f"/query/{query['query_id']}").status == 404
    recent = [item for item in client.get("/query/recent")["items"] if item["query_id"] == query["query_id"]]
    assert recent[0]["state"] == "failed" and recent[0]["error_code"] == "cancelled"


def test_a_client_that_leaves_cancels_its_query(client, people, name):
    connection = client.connect()
    connection.request(
        "POST",
        "/query/sql",
        json.dumps({"sql": f"{SLOW} -- {name}", "timeout_ms": 60000}),
        {"Content-Type": "application/json"},
    )
    query = running_with(client, name)
    connection.sock.close()
    connection.close()
    wait_until(
        lambda: all(item["query_id"] != query["query_id"] for item in client.get("/query/running")["items"]),
        15,
        "end of the query its client left",
    )


def test_recent_queries_show_their_cost(client, people, name):
    client.sql(f"SELECT count(*) FROM people -- {name}")
    recent = [item for item in client.get("/query/recent")["items"] if name in item["sql"]]
    assert recent[0]["state"] == "done" and recent[0]["rows"] == 1 and recent[0]["bytes"] > 0
    assert recent[0]["error_code"] is None and recent[0]["cpu_ms"] >= 0


# ---- what eats ----


def test_time_runs_out_within_the_deadline_plus_one_second(client, people):
    for text in (
        SLOW,
        "SELECT sum(length(repeat(i::VARCHAR, 100000))) FROM range(100000000) t(i)",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    ):
        began = time.monotonic()
        error = client.sql_error(text, timeout_ms=1000)
        took = time.monotonic() - began
        assert error.status in (504, 507), error
        assert took < 3.0, f"{took:.2f} s for {text}"
        assert client.value("SELECT count(*) FROM people") == 3


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server whose SQL workers may have little memory."""
    from support.server import Server

    with Server(
        tmp_path_factory.mktemp("small"), env={"LAKEHOUSE_QUERY_MEMORY": "512MiB", "LAKEHOUSE_QUERY_WORKERS": "2"}
    ) as made:
        made.client().ingest(PEOPLE, "people")
        yield made


@pytest.mark.parametrize(
    "text",
    [
        MEMORY,
        "SELECT repeat('x', 2000000000)",
        "SELECT list(i) FROM range(500000000) t(i)",
        "SELECT string_agg(repeat('x', 10000), '') FROM range(1000000)",
        "SELECT * FROM range(100000000) a(i) ORDER BY md5(i::VARCHAR)",
    ],
)
def test_a_statement_that_eats_memory_ends_alone(small, text):
    client = small.client()
    began = time.monotonic()
    reply = client.call("POST", "/query/sql", json_body={"sql": text, "timeout_ms": 8000, "limit": 10})
    took = time.monotonic() - began
    assert reply.status in (200, 403, 413, 422, 503, 504, 507, 500), reply.body[:300]
    if reply.status == 500:
        assert reply.json()["error"]["code"] == "worker_crashed"
    assert took < 10.5, f"{took:.1f} s"
    assert not re.search(r"SET |PRAGMA |solutions|setting", reply.text()), reply.body[:500]  # nobody can follow it
    assert client.value("SELECT count(*) FROM people") == 3
    assert small.rss() < 1 << 30


def workers(server):
    """The processes that are lent: children of the zygote."""
    found = []
    for zygote in children(server.pid):
        found += [child for child in children(zygote)]
    return sorted(set(found))


def test_a_worker_killed_in_the_middle_fails_one_request(make_server, name):
    server = make_server()
    client = server.client()
    client.ingest(PEOPLE, "people")
    for _ in range(3):
        thread, box = in_background(lambda: client.sql(f"{SLOW} -- {name}", timeout_ms=60000))
        running_with(client, name)
        # A query that still waits for its worker is given another one: then that one is killed.
        deadline = time.monotonic() + 20
        while thread.is_alive() and time.monotonic() < deadline:
            for pid in workers(server):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            thread.join(0.2)
        assert not thread.is_alive() and box["error"].status == 500 and box["error"].code == "worker_crashed"
        assert client.value("SELECT count(*) FROM people") == 3
    metrics = client.call("GET", "/metrics").text()
    assert 'lakehouse_workers_crashed_total{kind="sql"}' in metrics


def test_the_zygote_killed_is_made_anew(make_server):
    server = make_server()
    client = server.client()
    client.ingest(PEOPLE, "people")
    assert client.value("SELECT 1") == 1
    for _ in range(2):
        for pid in children(server.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

        def answers():
            reply = client.call("POST", "/query/sql", json_body={"sql": "SELECT count(*) FROM people"})
            assert reply.status in (200, 500, 503), reply.body
            return reply.status == 200

        wait_until(answers, 20, "an answer after all workers were killed")
    assert client.get("/ready")["workers"]


def test_a_full_pool_says_so_and_recovers(make_server, name):
    server = make_server(env={"LAKEHOUSE_QUERY_WORKERS": "1", "LAKEHOUSE_QUERY_QUEUE": "1"})
    client = server.client()
    first, _ = in_background(lambda: client.sql(f"{SLOW} -- {name}", timeout_ms=60000))
    query = running_with(client, name)
    second, box = in_background(lambda: client.sql("SELECT 1 AS waited", timeout_ms=60000))
    wait_until(
        lambda: any("waited" in item["sql"] for item in client.get("/query/running")["items"]), 10, "the second one"
    )
    refused = []

    def full():
        reply = client.call("POST", "/query/sql", json_body={"sql": "SELECT 2", "timeout_ms": 3000})
        refused.append(reply)
        return reply.status == 503

    wait_until(full, 20, "a refusal")
    assert refused[-1].json()["error"]["code"] == "pool_full" and int(refused[-1].header("Retry-After")) >= 1
    client.ask("DELETE", f"/query/{query['query_id']}")
    first.join(20)
    second.join(20)
    assert box["value"]["rows"] == [{"waited": 1}]


# ---- streams ----


def test_many_rows_stream_through_a_server_whose_memory_stays_flat(make_server):
    # what the address sanitizer keeps of freed memory would look like growth
    server = make_server(env={"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"})
    client = server.client()
    text = "SELECT i, md5(i::VARCHAR) AS hash, i * 1.5 AS x, 'row number ' || i AS t FROM range(300000) r(i)"
    before = None
    for format in ("ndjson", "json_arrays", "csv", "arrow"):
        connection, response = client.open(
            "POST",
            "/query/sql",
            json.dumps({"sql": text, "format": format, "limit": 0}).encode(),
            {"Content-Type": "application/json"},
        )
        bytes_read, highest = 0, 0
        while True:
            piece = response.read(1 << 16)
            if not piece:
                break
            bytes_read += len(piece)
            highest = max(highest, server.rss())
        connection.close()
        assert response.status == 200 and bytes_read > 10_000_000, format
        before = before or highest  # after the first stream everything is warm
        assert highest < before + (24 << 20), f"{format}: {highest >> 20} MiB, {before >> 20} MiB before"


def test_a_slow_reader_holds_the_worker_back_not_the_servers_memory(client, people, server):
    connection, response = client.open(
        "POST",
        "/query/sql",
        json.dumps({"sql": "SELECT repeat('x', 1000) AS x FROM range(60000)", "format": "ndjson"}).encode(),
        {"Content-Type": "application/json"},
    )
    response.read(1000)
    before = server.rss()
    for _ in range(20):  # others are served meanwhile
        assert client.value("SELECT count(*) FROM people") == 3
    assert server.rss() < before + (32 << 20)
    rest = Reply(response.status, response.headers, response.read())
    connection.close()
    assert len(rest.body) > 59_000_000


def test_many_queries_at_once(client, people):
    import concurrent.futures as futures

    with futures.ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda i: client.value("SELECT id + ? FROM people WHERE id = 2", params=[i]), range(200))
        )
    assert found == [2 + i for i in range(200)]
