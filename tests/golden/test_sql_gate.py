"""Every case of sql_gate/ through a whole server, over HTTP with real datasets; the unit test asks a worker a sample.

Format of a case: `[why] expected`, then the statement up to the next empty line; @@N{text} repeats text N times.
Expected is the error's code, `ok`, or `contained`: refused or ended by some limit, and the next statement works.
"""
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parent / "sql_gate"
SERVER_ENV = {"LAKEHOUSE_QUERY_MEMORY": "700MiB", "LAKEHOUSE_QUERY_WORKERS": "2"}
CASE_MS, CONTAINED_MS = 20000, 400
REFUSED = {"sql_denied", "sql_syntax", "sql_invalid", "too_large"}
CONTAINED = REFUSED | {"memory_limit", "deadline", "worker_crashed", "no_space"}
# The request's record has its own, smaller limit, and speaks first.
SAME = {"too_large": {"too_large", "bad_value"}}


def cases():
    for path in sorted(FOLDER.glob("*.case")):
        head, lines = None, []
        for number, line in enumerate([*path.read_text(encoding="utf-8").split("\n"), ""], 1):
            if not line:
                if head:
                    statement = re.sub(r"@@(\d+)\{([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), "\n".join(lines))
                    yield pytest.param(head[1], statement, id=f"{path.stem}-{head[0]}")
                head, lines = None, []
            elif head:
                lines.append(line)
            elif line[0] != "#":
                head = (number, line.rpartition("]")[2].strip())


@pytest.fixture(scope="module")
def datasets(server):
    client = server.client()
    rows = "".join(f"{i},n{i},{i * 10},{('Berlin', 'Paris')[i % 2]},2024-01-{i + 1:02d}\n" for i in range(20))
    client.ingest("id,nm,sal,city,day\n" + rows, "candidates")
    client.ingest("id,title\n" + "".join(f"{i},t{i}\n" for i in range(5)), "jobs")
    return client


@pytest.mark.parametrize("expected,statement", list(cases()))
def test_case(datasets, server, expected, statement):
    timeout_ms = CONTAINED_MS if expected == "contained" else CASE_MS
    body = {"sql": statement, "limit": 1000, "timeout_ms": timeout_ms}
    reply = datasets.call("POST", "/query/sql", json_body=body)
    found = "ok" if reply.status == 200 else reply.json()["error"]["code"]
    if expected == "contained":
        assert found in CONTAINED, reply.body[:500]
        assert datasets.value("SELECT count(*) FROM candidates") == 20
    else:
        assert found in SAME.get(expected, {expected}), reply.body[:500]
    if found != "ok":
        assert str(server.folder) not in reply.text()
