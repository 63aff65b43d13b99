"""A handful of hostile statements through the whole road (tests/golden/sql_gate has hundreds, against the worker)."""

import pytest

DENIED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('/proc/self/environ')",
    "COPY (SELECT 1) TO '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit='1TB'",
    "PRAGMA database_list",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_tables",
    "CREATE TABLE x AS SELECT 1",
    "DROP TABLE people",
    "DELETE FROM people",
    "UPDATE people SET id = 1",
    "INSERT INTO people VALUES (1)",
    "SELECT getenv('HOME')",
    "CALL pragma_version()",
    "SELECT * FROM glob('/*')",
    "EXPORT DATABASE '/tmp/x'",
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM sqlite_master",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x'",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE people",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM read_parquet('data/datasets/*/*.parquet')",
]


@pytest.fixture(scope="module")
def people(server):
    client = server.client()
    client.ingest("id,name\n1,Ann\n2,Bob\n", "people")
    return client


@pytest.mark.parametrize("statement", DENIED, ids=range(len(DENIED)))
def test_hostile_statements_are_refused_and_change_nothing(people, server, statement):
    before = server.listing()
    error = people.sql_error(statement)
    assert error.status in (400, 403, 404), error
    assert error.code in ("sql_denied", "sql_syntax", "sql_invalid", "unknown_dataset"), error
    assert error.error["message"]
    for secret in (str(server.folder), "/etc", "/proc/self"):
        assert secret not in error.error["message"] or secret in statement
    assert server.listing() == before
    assert people.value("SELECT count(*) FROM people") == 2


def test_what_a_statement_may_read_is_only_what_was_asked_for(people):
    assert people.rows("WITH p AS (SELECT * FROM people) SELECT name FROM p ORDER BY id") == [["Ann"], ["Bob"]]
    assert people.rows("SELECT (SELECT count(*) FROM PEOPLE), 1") == [[2, 1]]


def test_a_refusal_says_where(people):
    error = people.sql_error("SELECT id,\n  nme\nFROM people").error
    assert (error["line"], error["column"]) == (2, 3) and "name" in error["hint"]
