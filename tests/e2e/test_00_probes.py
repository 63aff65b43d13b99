"""Every row of the route table with bad input. The rows come from the program (`lakehouse tables routes`), so a route
that is added is probed at once. Each refusal has the one error shape and a code its row declares, and nothing on disk
changes.

A combination that cannot be probed is left out by a row of EXCLUDED, with the reason.
"""

import functools
import json
import re
import subprocess
import uuid

import pytest

from support.client import ApiError, Reply
from support.server import program

KEY = "probe-" + uuid.UUID(int=7).hex
SERVER_ENV = {"LAKEHOUSE_AUTH_ENABLED": "on", "LAKEHOUSE_AUTH_KEY": KEY}
DATASET = "probed"
# by probe: (method, path) -> why not
EXCLUDED = {
    "oversize": {
        ("POST", "/ingest/file"): "its row allows a terabyte; the configured limit is tested in test_30_ingest.py"
    }
}


@functools.cache
def table(name):
    done = subprocess.run(
        [program(), "tables", name, "--json"], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def rows(wanted=lambda row: True, probe=None):
    try:
        routes = table("routes")
    except (OSError, subprocess.CalledProcessError) as error:
        return [pytest.param(None, id=f"no-program-{type(error).__name__}")]
    left_out = EXCLUDED.get(probe, {})
    return [
        pytest.param(row, id=f"{row['method']} {row['path']}")
        for row in routes
        if wanted(row) and (row["method"], row["path"]) not in left_out
    ]


def with_body(row):
    return "body" in row


def path_of(row):
    return (
        row["path"]
        .replace("{name}", DATASET)
        .replace("{query_id}", "q-0")
        .replace("{id}", "j-0")
        .replace("{entity_id}", "e-0")
        .replace("{key*}", "a/b")
    )


@pytest.fixture(scope="module")
def prepared(server):
    client = server.client(key=KEY)
    client.ingest("id,word\n1,one\n2,two\n", DATASET)
    before = server.listing()
    yield client
    assert server.listing() == before, "a refused request changed the data folder"


@pytest.fixture
def call(prepared):
    return prepared.call


def check_error(reply, row, status, codes=None):
    """The one shape (contract A3), a code of the table with its status, and one the row declares."""
    assert reply.status == status, reply.body[:500]
    assert reply.header("Content-Type").startswith("application/json")
    error = reply.json()["error"]
    assert {"code", "message", "hint", "field", "request_id"} <= set(error)
    assert set(error) <= {"code", "message", "hint", "field", "request_id", "line", "column"}
    assert error["message"] and error["request_id"]
    known = {one["code"]: one["status"] for one in table("errors")}
    assert known[error["code"]] == status
    if row is not None:
        assert error["code"] in row["errors"], f"{error['code']} is not declared by the row"
    if codes:
        assert error["code"] in codes, error
    return error


def head_only(client, method, path, headers):
    """A request whose head is all there is: what the server says before it wants the body."""
    connection = client.connect(timeout=20)
    try:
        connection.putrequest(method, path)
        for name, value in client.headers(headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def test_there_are_routes():
    assert len(table("routes")) > 20
    paths = {(row["method"], row["path"]) for row in table("routes")}
    for probe, left_out in EXCLUDED.items():
        assert set(left_out) <= paths, probe


@pytest.mark.parametrize("row", rows(lambda row: row["access"] != "public"))
@pytest.mark.parametrize("key", [None, "wrong", ""])
def test_without_a_good_key_it_is_refused(server, prepared, row, key):
    client = server.client()
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["X-API-Key"] = key
    body = b"{}" if row["body_max_bytes"] else None
    reply = client.call(row["method"], path_of(row), body, headers=headers)
    check_error(reply, row, 401, {"unauthorized"})
    assert reply.header("WWW-Authenticate")


@pytest.mark.parametrize("row", rows(lambda row: row["access"] == "public"))
def test_public_routes_need_no_key(server, prepared, row):
    assert server.client().call(row["method"], path_of(row)).status == 200


BROKEN = [
    b"",
    b"{",
    b'{"a":',
    b'{"a":1,}',
    b"nope",
    b"[1,2",
    b'{"a":"\x01"}',
    b"\xff\xfe",
    b'{"a":"\\ud800"}',
    b"{" + b'"a":{' * 300,
]


@pytest.mark.parametrize("row", rows(with_body))
@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_broken_json_is_placed(call, row, body):
    reply = call(row["method"], path_of(row), body, headers={"Content-Type": "application/json"})
    error = check_error(reply, row, 400, {"bad_json", "unknown_field", "bad_value"})
    assert error["line"] >= 1 and error["column"] >= 1


@pytest.mark.parametrize("row", rows(with_body))
def test_the_place_is_right(call, row):
    reply = call(row["method"], path_of(row), b'{\n  "x\n', headers={"Content-Type": "application/json"})
    error = check_error(reply, row, 400, {"bad_json"})
    assert error["line"] == 2


@pytest.mark.parametrize("row", rows(with_body))
@pytest.mark.parametrize("body", [[], 1, "text", None, True])
def test_json_that_is_no_object(call, row, body):
    reply = call(row["method"], path_of(row), json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    check_error(reply, row, 400, {"bad_value", "bad_json"})


@pytest.mark.parametrize("row", rows(with_body))
def test_unknown_field_is_named(call, row):
    reply = call(row["method"], path_of(row), json_body={"no_such_field": 1})
    error = check_error(reply, row, 400, {"unknown_field"})
    assert error["field"] == "no_such_field"


def schema(row):
    return table("openapi")["components"]["schemas"][row["body"]]


WRONG = {"string": 7, "integer": "seven", "number": "seven", "boolean": "yes", "array": {"a": 1}, "object": "text"}


def fields():
    for param in rows(with_body):
        if param.values[0] is None:
            continue
        row = param.values[0]
        for field, facts in schema(row)["properties"].items():
            kind = facts.get("type")
            kind = [one for one in kind if one != "null"][0] if isinstance(kind, list) else kind
            if kind in WRONG:
                yield pytest.param(row, field, WRONG[kind], id=f"{row['method']} {row['path']} {field}")


@pytest.mark.parametrize("row,field,value", list(fields()))
def test_wrong_type_is_named(call, row, field, value):
    reply = call(row["method"], path_of(row), json_body={field: value})
    error = check_error(reply, row, 400, {"bad_value"})
    assert error["field"] and error["field"].startswith(field)


@pytest.mark.parametrize("row", rows(with_body))
def test_required_fields_are_asked_for(call, row):
    needed = schema(row).get("required", [])
    if not needed:
        pytest.skip("the record has no required field")
    reply = call(row["method"], path_of(row), json_body={})
    error = check_error(reply, row, 400, {"missing_field"})
    assert error["field"] in needed


@pytest.mark.parametrize("row", rows(lambda row: row["body_max_bytes"] > 0, "oversize"))
def test_a_body_that_is_announced_too_large(prepared, row):
    reply = head_only(
        prepared,
        row["method"],
        path_of(row),
        {"Content-Length": str(row["body_max_bytes"] + 1), "Content-Type": "application/json"},
    )
    check_error(reply, row, 413, {"too_large"})


@pytest.mark.parametrize("row", rows(lambda row: 0 < row["body_max_bytes"] <= 8 << 20))
def test_a_body_that_grows_too_large(prepared, row):
    piece = b" " * 65536

    def pieces():
        for _ in range(row["body_max_bytes"] // len(piece) + 2):
            yield piece

    connection = prepared.connect(timeout=60)
    try:
        connection.request(
            row["method"],
            path_of(row),
            body=pieces(),
            encode_chunked=True,
            headers=prepared.headers({"Content-Type": "application/json", "Transfer-Encoding": "chunked"}),
        )
        response = connection.getresponse()
        reply = Reply(response.status, response.headers, response.read())
    except (BrokenPipeError, ConnectionResetError):  # refused while we were still sending
        response = connection.response_class(connection.sock, method=row["method"])
        response.begin()
        reply = Reply(response.status, response.headers, response.read())
    finally:
        connection.close()
    check_error(reply, row, 413, {"too_large"})


@pytest.mark.parametrize("row", rows(lambda row: row["body_max_bytes"] == 0))
def test_a_body_where_none_is_taken(call, row):
    check_error(call(row["method"], path_of(row), b"x"), row, 413, {"too_large"})


@pytest.mark.parametrize("row", rows(with_body))
def test_no_body_at_all(prepared, row):
    reply = head_only(prepared, row["method"], path_of(row), {"Content-Type": "application/json"})
    check_error(reply, row, 411, {"length_required"})


@pytest.mark.parametrize("row", rows(with_body))
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
)
def test_another_content_type(call, row, kind):
    error = check_error(call(row["method"], path_of(row), b"{}", headers={"Content-Type": kind}), row, 415)
    assert error["field"] == "Content-Type"


@pytest.mark.parametrize("row", rows(with_body))
def test_an_encoded_body(call, row):
    reply = call(
        row["method"],
        path_of(row),
        b"\x1f\x8b",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    check_error(reply, row, 415, {"unsupported_media"})


def pattern(path):
    return re.compile(re.sub(r"\{[^}]*\*\}", ".+", re.sub(r"\{\w+\}", "[^/]+", path)) + "$")


def methods_of(path):
    """Methods of the path, and of other patterns that hold it: DELETE /query/{query_id} is one of /query/sql."""
    found = {row["method"] for row in table("routes") if row["path"] == path}
    others = {row["method"] for row in table("routes") if row["path"] != path and pattern(row["path"]).match(path)}
    return found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()), others


@pytest.mark.parametrize("row", rows())
def test_the_wrong_method_says_which_are_right(call, row):
    right, others = methods_of(row["path"])
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - right - others:
        reply = call(method, path_of(row))
        check_error(reply, None, 405, {"method_not_allowed"})
        assert set(reply.header("Allow").split(", ")) == right


@pytest.mark.parametrize("row", rows())
def test_an_unknown_query_parameter_is_named(call, row):
    body = b"{}" if row["body_max_bytes"] else None
    reply = call(row["method"], path_of(row) + "?no_such=1", body, headers={"Content-Type": "application/json"})
    error = check_error(reply, row, 400, {"unknown_field"})
    assert error["field"] == "no_such"


def parameters():
    for param in rows(lambda row: row["query"]):
        if param.values[0] is None:
            continue
        for one in param.values[0]["query"]:
            yield pytest.param(param.values[0], one, id=f"{param.id} {one['name']}")


@pytest.mark.parametrize("row,parameter", list(parameters()))
def test_a_query_parameter_of_the_wrong_type_or_twice(call, row, parameter):
    body = b"{}" if row["body_max_bytes"] else None
    named = parameter["name"]
    queries = [f"{named}=1&{named}=1", f"{named}=%zz", f"{named}=%00", f"{named}=%ff"]
    if parameter["type"] in ("integer", "boolean"):
        queries += [f"{named}=seven", f"{named}=", f"{named}=99999999999999999999"]
    for query in queries:
        reply = call(row["method"], f"{path_of(row)}?{query}", body, headers={"Content-Type": "application/json"})
        check_error(reply, row, 400)


TRICKS = [
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a%00b",
    "%0d%0aX-Injected:%201",
    "\\..\\x",
    "%5c",
    "%ff",
    "_catalog",
    ".lakehouse",
    "a" * 3000,
    "%",
    "con%20",
    "' OR 1=1 --",
    "%F0%9F%98%80",
]


@pytest.mark.parametrize("row", rows(lambda row: "{" in row["path"]))
@pytest.mark.parametrize("trick", TRICKS, ids=range(len(TRICKS)))
def test_tricks_in_the_path(call, row, trick):
    head, brace, tail = row["path"].partition("{")
    path = head + trick.replace(" ", "%20") + tail.partition("}")[2]
    body = json.dumps({"description": "x"}).encode() if "body" in row else b"" if row["body_max_bytes"] else None
    reply = call(row["method"], path, body, headers={"Content-Type": "application/json"})
    assert reply.status in (200, 400, 404, 405, 414), reply.body[:500]
    assert reply.header("X-Injected") is None
    if reply.status != 200:  # a list that has nothing of that name is no error
        check_error(reply, None, reply.status)
    else:
        assert not reply.json().get("items")


def test_a_page_of_another_origin_may_not_change_anything(prepared, server):
    for row in table("routes"):
        if row["method"] in ("POST", "PATCH", "PUT", "DELETE"):
            body = b"{}" if row["body_max_bytes"] else None
            reply = prepared.call(
                row["method"],
                path_of(row),
                body,
                headers={"Origin": "https://evil.example", "Content-Type": "application/json"},
            )
            check_error(reply, row, 403, {"forbidden"})


MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /query/sql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /query/sql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /query/sql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"NOPE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    b"GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_http_is_refused(prepared, request_bytes):
    said = prepared.raw(request_bytes)
    assert said.split(b"\r\n")[0].split(b" ")[1] in (b"400", b"411", b"413", b"415", b"431", b"505"), said[:300]
    assert b'{"error":{"code":' in said


def test_heads_and_targets_too_long(prepared):
    long_head = b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n"
    assert prepared.raw(long_head).startswith(b"HTTP/1.1 431")
    many = b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: 1\r\n" % i for i in range(300)) + b"\r\n"
    assert prepared.raw(many).startswith(b"HTTP/1.1 431")
    assert prepared.call("GET", "/health?" + "a" * 9000).status == 414


def test_the_error_of_a_call_names_its_request(call):
    reply = call("GET", "/nope", headers={"X-Request-Id": "my-id-1"})
    error = ApiError(reply, "nope").error
    assert error["request_id"] == "my-id-1" == reply.header("X-Request-Id")
    assert error["code"] == "not_found" and error["hint"]
    assert "/health" in call("GET", "/helth").json()["error"]["hint"]
