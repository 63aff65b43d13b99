"""The command line against a real server and a real data folder: output for people and machines, and exit codes."""

import json
import os
import re

import pytest

from support.server import program, run, version


@pytest.fixture(scope="module")
def url(server):
    server.client().ingest('id,city,n\n1,Köln,1.5\n2,"A, B",\n3,Paris,2.5\n', "places")
    return f"http://{server.address}"


def cli(url, *args, **more):
    return run(*args, "--url", url, **more)


def ok(done):
    assert done.returncode == 0, done.stderr
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr
    return done.stdout


def refused(done, code=1):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert re.search("^error: ", done.stderr, re.M) and "Sanitizer" not in done.stderr
    return done.stderr


COMMANDS = [row["name"] for row in json.loads(run("tables", "commands").stdout)] if os.path.exists(program()) else []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    text = ok(run(command, "--help"))
    assert "usage: lakehouse " + command in text and "example:" in text
    assert ok(run(command, "-h")) == text


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_understood_is_exit_2(command):
    assert "no option" in refused(run(command, "--no-such-option"), 2)


def test_the_program_without_a_command_and_with_a_wrong_one():
    refused(run(), 2)
    assert "sql" in refused(run("sqll"), 2)
    text = ok(run("--help"))
    assert all(command in text for command in COMMANDS)


def test_sql_in_every_format(url):
    statement = "SELECT * FROM places ORDER BY id"
    table = ok(cli(url, "sql", statement))
    assert (
        table.splitlines()[0].split() == ["id", "|", "city", "|", "n"]
        and "Köln" in table
        and "(3 rows" in table
        and "NULL" in table
    )
    assert json.loads(ok(cli(url, "sql", statement, "--format", "json")))["rows"][0]["city"] == "Köln"
    assert len(ok(cli(url, "sql", statement, "-f", "ndjson")).splitlines()) == 3
    assert ok(cli(url, "sql", statement, "--format=csv")).splitlines()[2] == '2,"A, B",'
    done = run("sql", statement, "--url", url, "--limit", "1")
    assert "more there" in ok(done)


def test_arrow_on_stdout_is_binary_clean(url):
    import subprocess
    import pyarrow.ipc

    out = subprocess.run(
        [program(), "sql", "SELECT * FROM places", "-f", "arrow", "--url", url], capture_output=True, timeout=60
    )
    assert out.returncode == 0 and pyarrow.ipc.open_stream(out.stdout).read_all().num_rows == 3


def test_sql_errors_have_code_place_and_hint(url):
    text = refused(cli(url, "sql", "SELECT ctiy FROM places"))
    assert "[sql_invalid]" in text and "city" in text and re.search(r"line:\s+1, column 8", text)
    assert "[unknown_dataset]" in refused(cli(url, "sql", "SELECT * FROM plces"))
    refused(cli(url, "sql"), 2)
    refused(cli(url, "sql", "SELECT 1", "SELECT 2"), 2)
    refused(cli(url, "sql", "SELECT 1", "--format", "xml"), 2)
    assert "serve" in refused(run("sql", "SELECT 1", "--url", "http://127.0.0.1:1"))


def test_ingest_index_and_search(url, tmp_path, name):
    path = tmp_path / "notes.csv"
    path.write_text("id,text\n1,the cat sleeps\n2,rates rose sharply\n")
    assert "2 rows" in ok(cli(url, "ingest", path, "--dataset", name))
    assert "nothing to do" in ok(cli(url, "ingest", path, "--dataset", name))
    assert json.loads(ok(cli(url, "ingest", path, "--dataset", name, "--json")))["duplicate"] is True
    more = tmp_path / "more.csv"
    more.write_text("id,text\n3,bread and butter\n")
    assert json.loads(ok(cli(url, "ingest", more, "--dataset", name, "--mode", "append", "--json")))["rows"] == 1
    assert "chunks of 3 rows" in ok(cli(url, "index", name, "--text", "text", "--id", "id"))
    assert (
        json.loads(ok(cli(url, "index", name, "-t", "text", "-i", "id", "-n", name + "2", "--json")))["index_name"]
        == name + "2"
    )
    text = ok(cli(url, "search", name + "_text", "a sleeping pet", "-k", "2", "--columns", "id"))
    assert text.splitlines()[0].split()[1] == "1" and "the cat sleeps" in text
    found = json.loads(ok(cli(url, "search", name + "_text", "food", "--filter", "id > 1", "--json")))
    assert found["hits"][0]["id"] == "3" and len(found["hits"]) == 2
    assert "[not_found]" in refused(cli(url, "search", "nope", "x"))
    refused(cli(url, "search", name + "_text"), 2)
    refused(cli(url, "search", name + "_text", "x", "--mode", "sideways"), 2)
    assert "text index" in ok(cli(url, "index", name, "--text", "text", "--id", "id", "--mode", "text", "--name", name))
    assert "no hits" in ok(cli(url, "search", name, "zebra", "--mode", "text"))
    assert json.loads(ok(cli(url, "search", name, "cat", "--mode", "text", "--json")))["hits"]
    refused(cli(url, "index", name), 2)
    refused(cli(url, "ingest"), 2)
    refused(cli(url, "ingest", tmp_path / "not_there.csv"))
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1nonsensePAR1")
    assert "[unprocessable]" in refused(cli(url, "ingest", bad))


def test_several_files_at_once_say_which_failed(url, tmp_path):
    good, bad = tmp_path / "cli_good.csv", tmp_path / "cli_bad.parquet"
    good.write_text("a\n1\n")
    bad.write_bytes(b"PAR1nonsensePAR1")
    done = cli(url, "ingest", bad, good)
    assert done.returncode == 1 and "cli_bad.parquet" in done.stderr and "cli_good" in done.stdout


def test_demo_is_deterministic_and_whole(tmp_path):
    first, second, other = (tmp_path / n for n in ("a", "b", "c"))
    assert "candidates" in ok(run("demo", "--scale", "0.002", "--dir", first))
    ok(run("demo", "--scale", "0.002", "--dir", second))
    ok(run("demo", "--scale", "0.002", "--dir", other, "--seed", "7"))
    names = sorted(path.name for path in first.iterdir())
    assert {
        "candidates.csv",
        "clients.csv",
        "job_orders.csv",
        "placements.csv",
        "timesheets.csv",
        "call_log.csv",
        "email_log.csv",
        "demo-truth.csv",
    } == set(names)
    for one in names:
        assert (first / one).read_bytes() == (second / one).read_bytes(), one
    assert (first / "candidates.csv").read_bytes() != (other / "candidates.csv").read_bytes()
    head = (first / "candidates.csv").read_text().splitlines()[0].split(",")
    assert head == [
        "candidate_id",
        "name",
        "email",
        "phone",
        "ssn",
        "city",
        "state",
        "skills",
        "years_experience",
        "availability",
        "status",
        "salary_expectation",
        "recruiter_id",
        "updated_at",
        "resume_text",
    ]
    refused(run("demo", "--scale", "much"), 2)


def test_tables_print_what_the_server_is_made_of():
    listed = ok(run("tables"))
    names = json.loads(ok(run("tables", "--json")))
    assert {"routes", "config", "errors", "metrics", "faults", "commands", "openapi", "log_events"} <= set(names)
    for one in names:
        assert one in listed
        assert json.loads(ok(run("tables", one)))
    assert "no table" in refused(run("tables", "nope"), 2)


def test_version():
    facts = version()
    assert facts["version"] and facts["commit"] and facts["compiler"] and facts["libraries"]["duckdb"] == "1.5.6"
    assert facts["version"] in ok(run("version")) and ok(run("--version")) == ok(run("version"))


def test_doctor(tmp_path):
    text = ok(run("doctor", cwd=tmp_path))
    for check in ("cpu", "memory", "sandbox", "worker", "model", "disk", "limits"):
        assert re.search(rf"^(ok|warning)\s+{check}\b", text, re.M), text
    rows = json.loads(ok(run("doctor", "--json", cwd=tmp_path)))
    assert all({"check", "ok", "found", "todo"} <= set(row) for row in rows)
    assert all(row["ok"] or row["todo"] for row in rows)
    refused(run("doctor", "--config", tmp_path / "nope.toml"))


def test_fsck_and_inspect(make_server, tmp_path):
    server = make_server()
    client = server.client()
    client.ingest("id,text\n1,hello there\n2,bye\n", "x")
    client.ingest("id,text\n3,again\n", "x", mode="append")
    meta = client.index("x", "id", "text", "idx")
    beside = server.fsck()  # beside the running server
    assert beside[0] == 0 and beside[1]["clean"], beside
    server.stop()
    assert "clean" in ok(run("fsck", "--data", server.data)) and "clean" in ok(
        run("fsck", "--data", server.data, "--quick")
    )
    data = server.data
    kinds = {}
    for path in sorted(data.rglob("*")):
        if path.is_file() and ".lakehouse" not in path.parts:
            said = json.loads(ok(run("inspect", path, "--json")))
            assert said["type"] != "unknown" and said["whole"], (path, said)
            kinds.setdefault(said["type"], path)
    assert {"container", "parquet", "manifest"} <= set(kinds)
    assert meta["set_prefix"]
    for kind, path in kinds.items():
        content = path.read_bytes()
        path.write_bytes(content[:-5])
        done = run("fsck", "--data", data, "--json")
        assert done.returncode == 1 and '"damaged"' in done.stdout, (kind, done.stdout)
        if kind in ("container", "parquet"):
            assert run("inspect", path).returncode == 1, kind
        path.write_bytes(content)
    (data / "datasets" / "x" / "stray.parquet").write_bytes(b"PAR1PAR1")
    code, summary, findings = server.fsck()
    assert code == 0 and [f["finding"] for f in findings] == ["orphan"]
    code, summary, findings = server.fsck("--repair")
    assert code == 0 and findings[0]["repaired"] and not (data / "datasets" / "x" / "stray.parquet").exists()
    missing = next((data / "datasets" / "x").glob("*.parquet"))
    missing.rename(tmp_path / "away")
    code, summary, findings = server.fsck()
    assert code == 1 and any(f["finding"] == "missing" for f in findings)
    refused(run("fsck", "--data", tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    refused(run("inspect", tmp_path / "nowhere"))
    refused(run("inspect"), 2)


def test_embed_without_a_server(tmp_path):
    import subprocess
    import struct

    done = run("embed", "--format", "ndjson", stdin="a cat\na kitten\ninterest rates\n")
    rows = [json.loads(line) for line in ok(done).splitlines()]
    assert len(rows) == 3
    vectors = [row if isinstance(row, list) else row["vector"] for row in rows]

    def dot(a, b):
        return sum(x * y for x, y in zip(a, b))

    assert len(vectors[0]) == 384 and dot(vectors[0], vectors[0]) == pytest.approx(1, abs=1e-4)
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2]) + 0.2
    raw = subprocess.run([program(), "embed"], input=b"a cat\n", capture_output=True, timeout=60).stdout
    assert struct.unpack("<384f", raw) == pytest.approx(vectors[0], abs=1e-5)
    refused(run("embed", "--model", tmp_path / "nope.lhm", stdin="x\n"))


def test_key_and_environment(make_server):
    server = make_server(env={"LAKEHOUSE_AUTH_ENABLED": "on", "LAKEHOUSE_AUTH_KEY": "the-key-of-this-test"})
    url = f"http://{server.address}"
    assert "[unauthorized]" in refused(run("sql", "SELECT 1", "--url", url))
    assert "1" in ok(run("sql", "SELECT 1 AS a", "--url", url, "--key", "the-key-of-this-test"))
    assert "1" in ok(run("sql", "SELECT 1 AS a", env={"LAKEHOUSE_URL": url, "LAKEHOUSE_KEY": "the-key-of-this-test"}))
    server.stop()
    made = ok(run("key", "create", "bot", "--data", server.data, "--json"))
    key = json.loads(made)["key"]
    server.start()
    assert server.client(key=key).get("/jobs")["items"] == []
    refused(run("key", "create"), 2)
    ok(run("key", "create", "other", "--data", server.data))
    rows = [json.loads(line) for line in ok(run("key", "list", "--data", server.data, "--json")).splitlines()]
    assert [row["name"] for row in rows] == ["bot", "other"] and "key" not in rows[0] and rows[0]["created_at"]
    assert key not in ok(run("key", "list", "--data", server.data))
    ok(run("key", "revoke", "bot", "--data", server.data))
    assert "bot" not in ok(run("key", "list", "--data", server.data))
    refused(run("key", "list", "more", "--data", server.data), 2)
