"""A small HTTP client for tests: one connection per call unless kept, JSON in and out, SSE, uploads, raw bytes."""

import http.client
import json
import socket
import time
import urllib.parse
import uuid

CALL_S = 120


class ApiError(Exception):
    """A reply with an error status; `reply` has all of it."""

    def __init__(self, reply, what):
        self.reply = reply
        self.status = reply.status
        try:
            self.error = reply.json()["error"]
        except (ValueError, KeyError, TypeError):
            self.error = {}
        self.code = self.error.get("code")
        super().__init__(f"{what}: {reply.status} {reply.body[:2000]!r}")


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode("utf-8")

    def header(self, name):
        return self.headers.get(name)


def search_body(index, query, more):
    return {"index_name": index, **({} if query is None else {"query": query}), **more}


class Client:
    def __init__(self, address, key=None, timeout=CALL_S):
        self.address = address
        host, _, port = address.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.key = key
        self.timeout = timeout

    # ---- calls ----

    def connect(self, timeout=None):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout or self.timeout)

    def headers(self, more=None):
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers.update(more or {})
        return headers

    def open(self, method, path, body=None, headers=None, timeout=None):
        """(connection, response) with the body unread: the caller reads and closes."""
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body=body, headers=self.headers(headers))
            return connection, connection.getresponse()
        except (
            BrokenPipeError,
            ConnectionResetError,
        ):  # refused while we still sent: the reason may be there already
            if connection.sock is None:
                raise
            response = connection.response_class(connection.sock, method=method)
            response.begin()
            return connection, response

    def call(self, method, path, body=None, json_body=None, headers=None, query=None, timeout=None):
        """Any call; never raises for a status."""
        headers = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body).encode()
            headers.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection, response = self.open(method, path, body, headers, timeout)
        try:
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask(self, method, path, json_body=None, **more):
        """A call that must succeed; its JSON (None without a body)."""
        reply = self.call(method, path, json_body=json_body, **more)
        if reply.status >= 400:
            raise ApiError(reply, f"{method} {path}")
        return reply.json() if reply.body else None

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, json_body=None, **more):
        return self.ask("POST", path, json_body, **more)

    def raw(self, data, timeout=10):
        """Bytes as they are; everything the server says until it closes or is silent."""
        with socket.create_connection((self.host, self.port), timeout) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            pieces = []
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)

    # ---- SQL ----

    def sql(self, text, **more):
        """The reply of /query/sql as JSON; raises ApiError."""
        query = {"big_ints": more.pop("big_ints")} if "big_ints" in more else None
        return self.post("/query/sql", {"sql": text, **more}, query=query)

    def rows(self, text, **more):
        return self.sql(text, format="json_arrays", limit=more.pop("limit", 0), **more)["rows"]

    def value(self, text, **more):
        return self.rows(text, **more)[0][0]

    def sql_error(self, text, **more):
        """The error of a statement that must fail."""
        reply = self.call("POST", "/query/sql", json_body={"sql": text, **more})
        assert reply.status >= 400, f"{text!r} was answered: {reply.body[:500]!r}"
        return ApiError(reply, text[:200])

    # ---- ingest ----

    def upload(self, content, filename, fields=None, query=None, headers=None, timeout=None):
        """Multipart upload; any status."""
        boundary = uuid.uuid4().hex
        parts = []
        for name, value in (fields or {}).items():
            parts.append(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
                + (value if isinstance(value, bytes) else str(value).encode())
                + b"\r\n"
            )
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n"
        )
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return self.call(
            "POST",
            "/ingest/file",
            body,
            query=query,
            timeout=timeout,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})},
        )

    def ingest(self, content, dataset=None, filename="data.csv", options=None, **query):
        """Raw upload that must succeed, waited for; the result."""
        if isinstance(content, str):
            content = content.encode()
        query = {"wait_ms": 120000, **query}
        if dataset:
            query["dataset"] = dataset
        if options:
            query["options"] = json.dumps(options)
        reply = self.call(
            "POST",
            "/ingest/file",
            content,
            query=query,
            headers={"X-Filename": filename, "Content-Type": "application/octet-stream"},
        )
        if reply.status != 200:
            raise ApiError(reply, f"ingest {filename}")
        return reply.json()

    def ingest_error(self, content, dataset=None, filename="data.csv", **query):
        try:
            result = self.ingest(content, dataset, filename, **query)
        except ApiError as error:
            return error
        raise AssertionError(f"{filename} was accepted: {result}")

    # ---- jobs ----

    def job(self, job_id, seconds=CALL_S):
        """Waits for the end of a job by its events; the last view."""
        last = None
        for event, data in self.events(f"/jobs/{job_id}/events", seconds):
            last = data
            if event == "end":
                return data
        raise AssertionError(f"the event stream ended before the job: {last}")

    def events(self, path, seconds=CALL_S):
        """(event, parsed data) of a server-sent event stream, until the server ends it."""
        end = time.monotonic() + seconds
        connection, response = self.open("GET", path, headers={"Accept": "text/event-stream"}, timeout=seconds)
        try:
            if response.status != 200:
                raise ApiError(Reply(response.status, response.headers, response.read()), path)
            event, data = "message", []
            while True:
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} still open after {seconds} s")
                line = response.readline()
                if not line:
                    return
                line = line.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].lstrip())
                elif line == "" and data:
                    yield event, json.loads("\n".join(data))
                    event, data = "message", []
        finally:
            connection.close()

    def index(self, dataset, id_column, text_column, name=None, seconds=CALL_S, **more):
        """Builds an index and waits for it; the job's result."""
        body = {"dataset": dataset, "id_column": id_column, "text_column": text_column, **more}
        if name:
            body["index_name"] = name
        started = self.post("/vectors/index", body)
        job = self.job(started["job_id"], seconds)
        assert job["state"] == "done", job
        return job["result"]

    def search(self, index, query=None, **more):
        """A search by meaning that must succeed; by words, or by `vector`."""
        return self.post("/vectors/search", search_body(index, query, more))

    def search_error(self, index, query=None, **more):
        reply = self.call("POST", "/vectors/search", json_body=search_body(index, query, more))
        assert reply.status >= 400, reply.body
        return ApiError(reply, f"search {index}")
