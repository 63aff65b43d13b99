"""The server as a whole: its own pages, keys, signals, configuration, and folders and disks not as they should be."""

import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from support.client import ApiError
from support.server import Server, in_background, kill_rest, program, run, wait_until

SLOW = "SELECT count(*) FROM range(4000000000) a, range(4000000000) b WHERE (a.range * b.range) % 7 = 3"


def table(name):
    return json.loads(run("tables", name, "--json").stdout)


# ---- pages ----


def test_health_and_ready(client):
    assert client.get("/health") == {"status": "ok"}
    wait_until(lambda: client.get("/ready")["workers"], 20, "a warm zygote")
    ready = client.get("/ready")
    assert ready["ready"] and not ready["draining"] and ready["version"] and ready["uptime_ms"] >= 0
    head = client.call("HEAD", "/health")
    assert head.status == 200 and head.body == b"" and int(head.header("Content-Length")) > 0


def test_metrics_are_prometheus_text_with_every_declared_name(client):
    client.sql("SELECT 1")
    reply = client.call("GET", "/metrics")
    assert reply.header("Content-Type").startswith("text/plain; version=0.0.4")
    seen, typed = set(), {}
    for line in reply.text().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            typed[name] = kind
        elif line and line[0] != "#":
            found = re.fullmatch(
                r'([a-z_0-9]+)(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? (-?[0-9.e+-]+|\+Inf|NaN)', line
            )
            assert found, line
            seen.add(
                re.sub(r"_(bucket|sum|count)$", "", found.group(1))
                if re.sub(r"_(bucket|sum|count)$", "", found.group(1)) in typed
                else found.group(1)
            )
    assert seen == set(typed) or seen < set(typed)
    assert {row["name"] for row in table("metrics")} <= set(typed) | seen
    assert typed["lakehouse_http_requests_total"] == "counter"


def test_openapi_describes_every_route_and_every_reference_resolves(client):
    document = client.get("/openapi.json")
    assert document["openapi"].startswith("3.1") and document["info"]["title"]
    told = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    rows = {(row["method"], row["path"].replace("*}", "}")) for row in table("routes")}
    assert told == rows
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                at = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    at = at[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    for path, item in document["paths"].items():
        for operation in item.values():
            needed = set(re.findall(r"\{(\w+)\}", path))
            assert needed == {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}, path
            assert operation["responses"] and all(
                response["description"] for response in operation["responses"].values()
            )


def test_openapi_is_valid_by_its_own_schema(client):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(client.get("/openapi.json"))


def test_docs_and_start_page_show_what_is_there(client, name):
    client.ingest("a\n1\n", name)
    start = client.call("GET", "/").text()
    assert name in start and "/docs" in start and "/openapi.json" in start
    docs = client.call("GET", "/docs").text()
    for row in table("routes"):
        assert row["path"].replace("&", "&amp;") in docs, row["path"]
    assert "<script src=" not in docs and "http://" not in re.sub(
        r"http://(127\.0\.0\.1|localhost|www\.w3\.org)", "", docs
    )


def test_pages_render_in_a_browser(client, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium on this machine")
    client.ingest("id,text\n1,hello\n2,world\n", "shown_in_the_browser")
    for path in ("/", "/docs"):
        shot = tmp_path / "shot.png"
        command = [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1200,900",
        ]
        dump = subprocess.run(
            [*command, "--dump-dom", f"http://{client.address}{path}"], capture_output=True, text=True, timeout=120
        )
        assert "Lakehouse" in dump.stdout, dump.stderr[-1000:]
        subprocess.run(
            [*command, f"--screenshot={shot}", f"http://{client.address}{path}"], capture_output=True, timeout=120
        )
        assert shot.exists() and shot.read_bytes()[:4] == b"\x89PNG" and shot.stat().st_size > 5000
        keep = os.environ.get("LH_SCREENSHOTS")
        if keep:
            pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
            shutil.copy(shot, pathlib.Path(keep) / f"page{path.replace('/', '_')}.png")


def test_a_dataset_name_cannot_inject_into_the_start_page(client):
    client.post(
        "/catalog/datasets",
        {
            "name": "plain name",
            "columns": [{"name": "<script>alert(1)</script>", "type": "BIGINT"}],
            "description": "<b>x</b>",
        },
    )
    assert "<script>alert" not in client.call("GET", "/").text()


# ---- HTTP ----


def test_keep_alive_and_pipelining(client):
    connection = client.connect()
    for _ in range(5):
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'
    connection.close()
    said = client.raw(
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 3
        + b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert said.count(b"HTTP/1.1 200") == 4


def test_replies_are_packed_when_asked(client):
    client.sql("SELECT 1")
    plain = client.call("GET", "/openapi.json")
    packed = client.call("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert plain.header("Content-Encoding") is None and packed.header("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 3
    assert "Accept-Encoding" in packed.header("Vary")
    reply = client.call(
        "POST",
        "/query/sql",
        json_body={"sql": "SELECT i FROM range(5000) t(i)", "format": "ndjson"},
        headers={"Accept-Encoding": "gzip"},
    )
    body = gzip.decompress(reply.body) if reply.header("Content-Encoding") == "gzip" else reply.body
    assert len(body.splitlines()) == 5000
    assert client.call("GET", "/health", headers={"Accept-Encoding": "gzip;q=0"}).header("Content-Encoding") is None


def test_cors(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_CORS_ORIGINS": "https://good.example"})
    client = server.client()
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    good = client.call("OPTIONS", "/query/sql", headers={"Origin": "https://good.example", **preflight})
    assert good.status == 204 and good.header("Access-Control-Allow-Origin") == "https://good.example"
    assert "POST" in good.header("Access-Control-Allow-Methods") and "content-type" in good.header(
        "Access-Control-Allow-Headers"
    )
    bad = client.call("OPTIONS", "/query/sql", headers={"Origin": "https://evil.example", **preflight})
    assert bad.header("Access-Control-Allow-Origin") is None
    assert (
        client.call(
            "POST", "/query/sql", json_body={"sql": "SELECT 1"}, headers={"Origin": "https://good.example"}
        ).status
        == 200
    )
    assert (
        client.call(
            "POST", "/query/sql", json_body={"sql": "SELECT 1"}, headers={"Origin": "https://evil.example"}
        ).status
        == 403
    )
    assert client.call("GET", "/health", headers={"Origin": "https://good.example"}).header(
        "Access-Control-Allow-Origin"
    )


def test_limits_on_connections_and_slow_heads(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_HEADER_TIMEOUT": "300ms", "LAKEHOUSE_SERVER_CONNECTIONS_MAX": "20"})
    client = server.client()
    slow = socket.create_connection((client.host, client.port), 10)
    slow.sendall(b"GET /health HTTP/1.1\r\nHo")
    said = slow.recv(4096)
    assert said == b"" or said.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400", b"HTTP/1.1 504")), said
    slow.close()
    held = [socket.create_connection((client.host, client.port), 5) for _ in range(30)]
    for one in held:
        one.close()
    wait_until(lambda: client.call("GET", "/health").status == 200, 10, "room again")


# ---- keys ----


def test_keys_are_hashed_at_rest_and_both_headers_work(make_server):
    server = make_server(env={"LAKEHOUSE_AUTH_ENABLED": "on"})
    shown = re.search(r"^\s+(\S{20,})\s*$", server.stderr(), re.M).group(1)
    secret = shown.encode()
    for headers in ({"Authorization": f"Bearer {shown}"}, {"X-API-Key": shown}):
        reply = server.client().call("POST", "/query/sql", json_body={"sql": "SELECT 1"}, headers=headers)
        assert reply.status == 200, reply.body
    assert server.client(key=shown + "x").call("GET", "/jobs").status == 401
    assert server.client().call("GET", "/health").status == 200
    assert "asks for a key" in server.client().call("GET", "/").text()
    server.client(key=shown).ingest("a\n1\n", "kept")
    server.restart()
    assert server.client(key=shown).value("SELECT count(*) FROM kept") == 1
    assert server.stderr().count(shown) == 1, "a key is shown once"
    server.stop()
    for path in server.data.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    made = run("key", "create", "ci", "--data", server.data)
    assert made.returncode == 0, made.stderr
    server.start()
    assert server.client(key=made.stdout.strip()).get("/jobs")["items"] == []


def test_a_key_is_made_and_taken_back_while_the_server_runs(make_server):
    server = make_server(env={"LAKEHOUSE_AUTH_ENABLED": "on", "LAKEHOUSE_AUTH_KEY": "the-configured-one"})
    configured = server.client(key="the-configured-one")
    configured.ingest("a\n1\n", "kept")
    made = run("key", "create", "ci", "--data", server.data)
    assert made.returncode == 0, made.stderr

    def status():
        return server.client(key=made.stdout.strip()).call("GET", "/catalog/datasets").status

    wait_until(lambda: status() == 200, 10, "the new key to open")
    done = run("key", "revoke", "nobody", "--data", server.data)
    assert done.returncode == 1 and "[not_found]" in done.stderr and "ci" in done.stderr, done.stderr
    done = run("key", "revoke", "ci", "--data", server.data)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: status() == 401, 10, "the key to open nothing")
    assert configured.value("SELECT count(*) FROM kept") == 1
    configured.ingest("a\n2\n", "kept", mode="append")  # the server's staging folder was left alone
    server.restart()
    assert status() == 401 and server.client(key="the-configured-one").value("SELECT count(*) FROM kept") == 2


def test_a_configured_key_never_reaches_the_log(make_server):
    server = make_server(
        env={
            "LAKEHOUSE_AUTH_ENABLED": "on",
            "LAKEHOUSE_AUTH_KEY": "very-secret-key-0815",
            "LAKEHOUSE_LOG_LEVEL": "debug",
        }
    )
    client = server.client(key="very-secret-key-0815")
    client.ingest("a\n1\n", "x")
    client.call("GET", "/jobs?cursor=very-secret-key-0815")
    server.client(key="other-secret-4711").call("GET", "/jobs")
    assert "0815" not in server.stderr() and "4711" not in server.stderr()
    assert "very-secret-key-0815" not in run("tables", "config").stdout


def test_off_on_loopback_with_a_banner(server):
    assert server.log("auth.off")


# ---- signals ----


def test_sigterm_lets_what_runs_finish(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_DRAIN_TIMEOUT": "60s"})
    client = server.client()
    text = "SELECT count(*) FROM range(6000000) t(i) WHERE md5(i::VARCHAR) > 'zz'"
    thread, box = in_background(lambda: client.value(text, timeout_ms=60000))
    wait_until(lambda: client.get("/query/running")["items"], 20, "a running query")
    server.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: refusal(client), 10, "a refusal while draining") in ("refused", 503)
    thread.join(60)
    assert server.wait_exit() == 0 and box.get("value") == 0, box
    server.check()


def test_draining_ends_at_its_timeout(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_DRAIN_TIMEOUT": "500ms"})
    client = server.client()
    thread, box = in_background(lambda: client.sql(SLOW, timeout_ms=60000))
    wait_until(lambda: client.get("/query/running")["items"], 20, "a running query")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit(30) == 0 and time.monotonic() - began < 10
    thread.join(20)
    assert "error" in box
    server.check()


def refusal(client):
    try:
        reply = client.call("POST", "/query/sql", json_body={"sql": "SELECT 1"}, timeout=5)
        return reply.status if reply.status == 503 else None
    except (ConnectionError, http.client.HTTPException, OSError):
        return "refused"


def test_a_second_sigterm_leaves_at_once(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_DRAIN_TIMEOUT": "60s"})
    client = server.client()
    thread = threading.Thread(target=lambda: refusal_of_slow(client))
    thread.start()
    wait_until(lambda: client.get("/query/running")["items"], 20, "a running query")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.log("server.draining"), 10, "draining")
    server.process.send_signal(signal.SIGTERM)
    server.wait_exit(20)
    assert time.monotonic() - began < 15
    thread.join(20)


def refusal_of_slow(client):
    try:
        client.call("POST", "/query/sql", json_body={"sql": SLOW, "timeout_ms": 60000})
    except (ConnectionError, http.client.HTTPException, OSError):
        pass


def test_sighup_reloads_what_can_be(tmp_path, make_server):
    config = tmp_path / "lakehouse.toml"
    config.write_text('[log]\nlevel = "error"\n')
    server = make_server(args=["--config", str(config)])
    client = server.client()
    client.get("/ready")
    assert not server.log("http.access")
    config.write_text('[log]\nlevel = "info"\n')
    server.process.send_signal(signal.SIGHUP)

    def logged():
        client.get("/ready")
        return server.log("http.access")

    wait_until(logged, 10, "the access log after SIGHUP")
    config.write_text("[log]\nlevel = nonsense\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: "bad_config" in server.stderr() or "bad_value" in server.stderr(), 10, "a complaint about the file"
    )
    assert client.get("/health")


# ---- configuration, folders, disks ----


@pytest.mark.parametrize(
    "text,line,column",
    [
        ('[server]\nlistn = "x"\n', 2, None),
        ("[server]\nlisten = 7\n", 2, None),
        ("[nope]\nx = 1\n", 2, None),
        ("[server\n", 1, None),
        ('[query]\ntimeout = "soon"\n', 2, None),
        ("[query]\nworkers = 0\n", 2, None),
        ("[query]\nworkers = 1\nworkers = 2\n", 3, None),
        ('[log]\nlevel = "loud"\n', 2, None),
        ("\x00", 1, None),
    ],
)
def test_configuration_errors_have_their_place(tmp_path, text, line, column):
    config = tmp_path / "bad.toml"
    config.write_text(text)
    done = run(
        "serve", "--config", config, "--data", tmp_path / "data", "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=30
    )
    assert done.returncode == 1 and "bad_config" in done.stderr, done.stderr
    found = re.search(r"line:? (\d+), column (\d+)", done.stderr)
    assert found and int(found.group(1)) == line, done.stderr
    if column:
        assert int(found.group(2)) == column
    assert not (tmp_path / "data").exists()


def test_bad_values_in_the_environment_name_the_variable(tmp_path):
    for name, value in [
        ("LAKEHOUSE_QUERY_WORKERS", "many"),
        ("LAKEHOUSE_QUERY_MEMORY", "7 parrots"),
        ("LAKEHOUSE_AUTH_ENABLED", "perhaps"),
    ]:
        done = run("serve", "--data", tmp_path / "data", env={name: value}, cwd=tmp_path, timeout=30)
        assert done.returncode == 1 and name in done.stderr, (name, done.stderr)


def test_every_key_can_be_set_in_the_environment(tmp_path):
    rows = table("config")
    rows = rows if isinstance(rows, list) else rows["items"]
    assert len(rows) > 40
    for row in rows:
        assert row["env"].startswith("LAKEHOUSE_") and row["doc"], row


def slow_upload(server, name, size=8):
    """An upload that has begun and sends no more."""
    host, _, port = server.address.rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=30)
    sock.sendall(
        f"POST /ingest/file?dataset={name} HTTP/1.1\r\nHost: t\r\nX-Filename: x.csv\r\n"
        f"Content-Length: {size}\r\n\r\na\n".encode()
    )
    return sock


def status_of(sock):
    reply = b""
    while b"\r\n\r\n" not in reply:
        piece = sock.recv(65536)
        if not piece:
            break
        reply += piece
    return int(reply.split()[1]), reply


def test_slow_uploads_hold_up_nobody_else(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_UPLOADS_MAX": "40", "LAKEHOUSE_SERVER_HANDLER_THREADS": "4"})
    client = server.client()
    client.ingest("a\n1\n", "before")
    slow = [slow_upload(server, f"slow{i}") for i in range(39)]
    try:
        assert client.get("/jobs")["items"] and client.value("SELECT a FROM before") == 1
        client.ingest("a\n2\n", "before", mode="append")  # the last place is free
        slow.append(slow_upload(server, "slow39"))

        def refused():  # the one before is not let in at once
            extra = slow_upload(server, "extra")
            extra.settimeout(0.2)
            try:
                return status_of(extra)
            except TimeoutError:
                slow.append(extra)
                return None
            finally:
                if extra not in slow:
                    extra.close()

        status, reply = wait_until(refused, 20, "an upload too many")
        assert status == 503 and b"Retry-After:" in reply and b'"pool_full"' in reply, reply
        assert client.value("SELECT count(*) FROM before") == 2 and client.get("/jobs")["items"]
        for sock in slow[:5]:
            sock.sendall(b"1\n2\n3\n")
        for sock in slow[:5]:
            sock.settimeout(60)
            assert status_of(sock)[0] == 200
        assert client.value("SELECT sum(a) FROM slow0") == 6
    finally:
        for sock in slow:
            sock.close()


def test_an_upload_that_drips_ends(make_server):
    server = make_server(env={"LAKEHOUSE_SERVER_BODY_TIMEOUT": "500ms"})
    sock = slow_upload(server, "drips", 1000000)
    sock.settimeout(0.05)
    sent, reply = 0, None
    while reply is None:
        try:
            reply = status_of(sock)
        except TimeoutError:
            sock.sendall(b"x")  # a byte now and then, each within the time between two pieces
            sent += 1
    assert reply[0] == 504 and b'"deadline"' in reply[1] and sent > 1
    sock.close()


def test_a_port_that_is_taken_is_said(server, tmp_path):
    done = run("serve", "--data", tmp_path / "data", "--listen", server.address, cwd=tmp_path, timeout=30)
    assert done.returncode == 1 and server.address.rpartition(":")[2] in done.stderr, done.stderr


def test_a_second_server_on_the_same_folder_is_refused(server, tmp_path, client):
    done = run("serve", "--data", server.data, "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=30)
    assert done.returncode == 1 and "another lakehouse" in done.stderr and "hint" in done.stderr
    assert client.get("/health") and client.ingest("a\n1\n", "after_the_second")["rows"] == 1
    done = run("fsck", "--repair", "--data", server.data)
    assert done.returncode == 1 and "server runs" in done.stderr, done.stderr


def test_a_read_only_folder_is_said(tmp_path):
    folder = tmp_path / "data"
    with Server(tmp_path / "first", args=[]) as server:
        server.client().ingest("a\n1\n", "x")
        folder = server.data
    mount = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("this user may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        done = run("serve", "--data", folder, "--listen", "127.0.0.1:0", cwd=tmp_path, timeout=60)
        assert (
            done.returncode == 1
            and "hint" in done.stderr
            and ("read-only" in done.stderr.lower() or "right" in done.stderr)
        ), done.stderr
        assert "Sanitizer" not in done.stderr
        done = run("fsck", "--data", folder, "--json")
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_507_and_loses_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], capture_output=True).returncode != 0:
        pytest.skip("this user may not mount")
    server = Server(disk, auto_start=False)
    try:
        server.start()
        client = server.client()
        client.ingest("k,v\n1,first\n", "small")
        filler = os.urandom(1 << 20).hex()
        refused = None
        for i in range(30):
            reply = client.call(
                "POST",
                "/ingest/file",
                f"k,v\n{i},{filler}\n".encode(),
                query={"dataset": f"big{i}", "wait_ms": 60000},
            )
            if reply.status != 200:
                refused = reply
                break
        assert refused is not None and refused.status == 507, refused and refused.body
        assert refused.json()["error"]["code"] == "no_space"
        assert client.value("SELECT v FROM small") == "first"
        assert client.get("/health")
        done = [name for name in (item["name"] for item in client.get("/catalog/datasets")["items"])]
        server.stop()
        (disk / "stderr.txt").write_bytes(b"")
        code, summary, findings = server.fsck()
        assert code == 0 and summary["datasets"] == len(done), findings
    finally:
        kill_rest(server)
        subprocess.run(["umount", "-l", disk], check=True)


def test_where_no_worker_program_is_the_server_says_so(tmp_path):
    copy = tmp_path / "bin"
    copy.mkdir()
    shutil.copy(program(), copy / "lakehouse")
    server = Server(tmp_path / "s", auto_start=False, programs=copy)
    server.spawn()
    try:
        wait_until(lambda: server.ready_file.exists() or not server.running(), 60, "a start or an end")
        if server.running():
            server.address = json.loads(server.ready_file.read_text())["http"]
            error = server.client().sql_error("SELECT 1")
            assert error.status == 503 and error.error["hint"]
            server.stop()
        else:
            assert server.process.returncode == 1 and "lakehouse-worker" in server.stderr()
    finally:
        kill_rest(server)


def test_where_no_model_is_only_search_is_missing(make_server):
    server = make_server(env={"LAKEHOUSE_EMBED_MODEL": "/nowhere/model.lhm"})
    client = server.client()
    client.ingest("id,text\n1,hello\n", "x")
    assert client.value("SELECT count(*) FROM x") == 1
    reply = client.call(
        "POST", "/vectors/index", json_body={"dataset": "x", "id_column": "id", "text_column": "text"}
    )
    if reply.status == 202:
        job = client.job(reply.json()["job_id"])
        assert job["state"] == "failed" and job["error"], job
    else:
        error = ApiError(reply, "index")
        assert error.status == 503 and error.error["hint"], error.error


def test_the_journal_tells_what_happened(client, name):
    client.ingest("a\n1\n", name)
    client.ask("PATCH", f"/catalog/datasets/by-name/{name}/metadata", {"owner": "me"})
    actions = [event["action"] for event in client.get(f"/journal/history/{name}")["items"]]
    assert sorted(actions) == ["created", "metadata"]


def test_fifty_idle_streams_and_a_query(client, name):
    """Open event streams do not take the threads that requests need."""
    server_jobs = [
        client.call(
            "POST", "/ingest/file", f"a\n{i}\n".encode(), query={"dataset": f"{name}_{i}", "wait_ms": 0}
        ).json()["job_id"]
        for i in range(3)
    ]
    streams = [client.open("GET", f"/jobs/{server_jobs[i % 3]}/events") for i in range(50)]
    assert client.value("SELECT 1") == 1
    for connection, response in streams:
        assert b"event: end" in response.read()
        connection.close()
