"""Files become tables: the input people have, made here small; ways to send it; bad input that changes nothing."""

import decimal
import gzip
import io
import json
import re
import struct
import time

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from support.client import ApiError
from support.server import wait_until

SERVER_ENV = {
    "LAKEHOUSE_INGEST_UNPACKED_BYTES_MAX": "4MiB",
    "LAKEHOUSE_INGEST_UPLOAD_BYTES_MAX": "3MiB",
    "LAKEHOUSE_INGEST_INBOX_POLL": "100ms",
}
SERVER_OPTIONS = {"inbox": True}


def types(result):
    return {column["name"]: column["type"] for column in result["columns"]}


def table(client, name, order="ALL"):
    return client.rows(f'SELECT * FROM "{name}" ORDER BY {order}')


# ---- CSV as it is met ----


@pytest.mark.parametrize(
    "encode",
    [
        lambda s: s.encode(),
        lambda s: s.encode("utf-8-sig"),
        lambda s: s.encode("utf-16"),
        lambda s: s.encode("utf-16-le"),
        lambda s: b"\xfe\xff" + s.encode("utf-16-be"),
        lambda s: s.encode("latin-1"),
    ],
    ids=["utf8", "bom", "utf16-bom", "utf16le", "utf16be-bom", "latin1"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_encodings_and_line_ends(client, name, encode, newline):
    text = newline.join(["id,name,city", "1,Müller,Köln", "2,Ångström,Besançon", ""])
    result = client.ingest(encode(text), name)
    assert result["rows"] == 2 and types(result) == {"id": "BIGINT", "name": "VARCHAR", "city": "VARCHAR"}
    assert table(client, name) == [[1, "Müller", "Köln"], [2, "Ångström", "Besançon"]]


def test_quoted_line_breaks_and_quotes(client, name):
    client.ingest('id,t\r\n1,"a\r\nb"\r\n2,"say ""hi"", x"\r\n3,""\r\n4,\r\n5," padded "\r\n', name)
    assert table(client, name) == [[1, "a\r\nb"], [2, 'say "hi", x'], [3, ""], [4, None], [5, " padded "]] or table(
        client, name
    )[2][1] in ("", None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "pipe"])
def test_delimiters_are_detected(client, name, delimiter):
    lines = [["id", "name", "note"], ["1", "Ann", "x, y"], ["2", "Bob", "z"]]
    quoted = [[f'"{f}"' if "," in f and delimiter == "," else f for f in line] for line in lines]
    client.ingest("\n".join(delimiter.join(line) for line in quoted) + "\n", name)
    assert table(client, name) == [[1, "Ann", "x, y"], [2, "Bob", "z"]]


def test_excels_first_line_names_the_separator(client, name):
    result = client.ingest("sep=;\r\nid;price\r\n1;2,50\r\n2;3,75\r\n", name)
    assert list(types(result)) == ["id", "price"] and result["rows"] == 2
    assert [row[0] for row in table(client, name)] == [1, 2]


def test_ragged_rows_all_arrive_and_are_counted(client, name):
    result = client.ingest("a,b,c\n1,2,3\n4,5\n6,7,8,9,10\n\n11,12,13\n", name)
    assert result["rows"] == 4 and result["oddities"]["short_row"] == 1 and result["oddities"]["long_row"] == 1
    rows = table(client, name)
    assert [row[0] for row in rows] == [1, 4, 6, 11] and rows[1][2] is None
    assert "9" in json.dumps(rows[2]) and "10" in json.dumps(rows[2])


def test_duplicate_and_empty_column_names(client, name):
    result = client.ingest("id,name,,name,NAME,\n1,a,b,c,d,e\n", name)
    names = list(types(result))
    assert len(names) == 6 and len({n.lower() for n in names}) == 6 and all(names) and names[:2] == ["id", "name"]
    assert table(client, name) == [[1, "a", "b", "c", "d", "e"]]


def test_two_thousand_columns(client, name):
    width = 2000
    result = client.ingest(
        ",".join(f"c{i}" for i in range(width))
        + "\n"
        + "".join(",".join(str(r * i) for i in range(width)) + "\n" for r in range(5)),
        name,
    )
    assert len(result["columns"]) == width and result["rows"] == 5
    assert client.rows(f"SELECT sum(c0), sum(c1999), count(*) FROM {name}") == [[0, 1999 * 10, 5]]


def test_spellings_of_nothing(client, name):
    client.ingest("id,x,y\n1,NULL,1.5\n2,N/A,NULL\n3,,NA\n4,null,2\n5,\\N,\n", name)
    assert client.value(f"SELECT count(y) FROM {name}") == 2
    assert client.rows(f"SELECT typeof(y) FROM {name} LIMIT 1") == [["DOUBLE"]]
    client.ingest("id,x\n1,none here\n2,-\n3,missing\n", name + "b", options={"null_texts": ["missing"]})
    assert client.rows(f"SELECT id FROM {name}b WHERE x IS NULL")[-1] == [3]


def test_types_are_decided_by_round_trip(client, name):
    result = client.ingest(
        "zip,phone,long_id,n,x,day,at,ok,mixed,version,exp,card,plus\n"
        "01234,+49 30 1234,1234567890123456789012,7,1.50,2024-02-29,2024-02-29T01:02:03Z,"
        "true,1,1.10,1e5,4111111111111111,+5\n"
        "98765,030/555,1,-8,2.25,2023-01-01,2024-03-01T00:00:00Z,false,x,1.2,2e6,4111111111111112,+6\n",
        name,
    )
    found = types(result)
    for text in ("zip", "phone", "long_id", "mixed"):
        assert found[text] == "VARCHAR", (text, found)
    assert found["n"] == "BIGINT" and found["day"] == "DATE" and found["ok"] == "BOOLEAN"
    assert found["at"].startswith("TIMESTAMP")
    assert client.rows(f"SELECT zip, long_id, n FROM {name} ORDER BY n") == [
        ["98765", "1", -8],
        ["01234", "1234567890123456789012", 7],
    ]
    back = client.rows(f"SELECT x::VARCHAR, version::VARCHAR FROM {name} ORDER BY n")
    assert [float(row[0]) for row in back] == [2.25, 1.5]


def test_files_without_a_header_and_with_one_row_only(client, name):
    result = client.ingest("1,Ann,3.5\n2,Bob,4.5\n3,Cyd,5.5\n", name)
    assert result["rows"] in (2, 3)
    if result["rows"] == 3:
        assert client.rows(f"SELECT count(*) FROM {name}") == [[3]]
    result = client.ingest("1,Ann\n2,Bob\n", name + "n", options={"header": "no"})
    assert result["rows"] == 2
    result = client.ingest("id,name\n", name + "h", options={"header": "yes"})
    assert result["rows"] == 0 and list(types(result)) == ["id", "name"]
    assert client.rows(f"SELECT count(*) FROM {name}h") == [[0]]


def test_options_are_obeyed(client, name):
    result = client.ingest("a~b\n'x~y'~2\n", name, options={"delimiter": "~", "quote": "'", "all_text": True})
    assert types(result) == {"a": "VARCHAR", "b": "VARCHAR"} and table(client, name) == [["x~y", "2"]]
    result = client.ingest(
        "naïve\ncafé\n".encode("latin-1"),
        name + "l",
        filename="x.csv",
        options={"encoding": "latin-1", "header": "yes"},
    )
    assert list(types(result)) == ["naïve"] and table(client, name + "l") == [["café"]]
    for bad in (
        '{"nope": 1}',
        '{"format": "xml"}',
        "{",
        '{"delimiter": ";;"}',
        '{"encoding": "klingon"}',
        '{"compression": "lzma"}',
    ):
        reply = client.call(
            "POST",
            "/ingest/file",
            b"a\n1\n",
            query={"dataset": name + "o", "options": bad},
            headers={"X-Filename": "x.csv"},
        )
        assert reply.status in (400, 422), (bad, reply.body)
    assert client.call("GET", f"/catalog/datasets/by-name/{name}o").status == 404


def test_a_nul_byte_a_lone_quote_and_bad_utf8_lose_no_row(client, name):
    result = client.ingest(b'id,t\n1,a"b\n2,\xff\xfe bad\n3,"open\n4,x\n', name)
    assert result["rows"] >= 3 and result["oddities"]
    assert client.value(f"SELECT count(*) FROM {name}") == result["rows"]


# ---- JSON ----


def test_json_array_of_objects(client, name):
    result = client.ingest(
        json.dumps([{"id": 1, "a": {"b": {"c": "deep"}}}, {"id": 2, "t": None}]), name, filename="x.json"
    )
    assert set(types(result)) >= {"id", "a.b.c"}
    assert client.rows(f'SELECT id, "a.b.c" FROM {name} ORDER BY id') == [[1, "deep"], [2, None]]


def test_ndjson_with_changing_keys_nested_arrays_and_big_numbers(client, name):
    lines = [
        '{"id":1,"tags":["a","b"],"n":9007199254740993}',
        '{"id":2,"extra":{"x":1.5},"n":18446744073709551615}',
        '{"id":3,"tags":[],"n":123456789012345678901234567890}',
        "",
        '{"id":4,"extra":"now a text"}',
    ]
    result = client.ingest("\n".join(lines) + "\n", name, filename="x.ndjson")
    assert result["rows"] == 4
    text = client.call(
        "POST", "/query/sql", json_body={"sql": f"SELECT * FROM {name} ORDER BY id", "format": "csv"}
    ).text()
    for exact in ("9007199254740993", "18446744073709551615", "123456789012345678901234567890", "now a text", "1.5"):
        assert exact in text, exact


def test_lone_surrogates_and_duplicate_keys_and_broken_lines(client, name):
    content = (
        b'{"id":1,"t":"\\ud83d\\ude00"}\n{"id":2,"t":"\\ud800 alone"}\n{"id":3,"id":4}\n{"id": broken\n{"id":5}\n'
    )
    result = client.ingest(content, name, filename="x.jsonl")
    assert client.value(f"SELECT count(*) FROM {name}") == result["rows"] >= 4
    assert "😀" in json.dumps(table(client, name), ensure_ascii=False)
    assert set(result["oddities"]) >= {"lone_surrogate", "malformed_line"}


def test_scalars_and_pretty_json(client, name):
    assert client.ingest("[1, 2, 3]", name, filename="x.json")["rows"] == 3
    assert client.ingest(json.dumps([{"a": 1}, {"a": 2}], indent=4), name + "p", filename="x.json")["rows"] == 2
    assert client.ingest('{"a": 1,\n "b": 2}', name + "o", filename="x.json")["rows"] == 1


# ---- Parquet, text ----


def nested():
    return pyarrow.table(
        {
            "id": pyarrow.array([1, 2, 3], pyarrow.int32()),
            "l": pyarrow.array([[1, 2], [], None], pyarrow.list_(pyarrow.int64())),
            "s": pyarrow.array([{"a": 1, "b": "x"}, {"a": None, "b": "y"}, None]),
            "m": pyarrow.array([[("k", 1)], [], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "d": pyarrow.array([1, None, 3]).cast(pyarrow.decimal128(21, 2)),
            "at": pyarrow.array([0, 1, None], pyarrow.timestamp("us", tz="UTC")),
            "dict": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
            "bin": pyarrow.array([b"\x00\xff", b"", None]),
        }
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "gzip"}, {"compression": "none", "version": "1.0"}, {"row_group_size": 1}],
    ids=["snappy", "gzip", "v1-plain", "many-groups"],
)
def test_parquet_by_pyarrow_with_nested_types(client, name, options):
    out = io.BytesIO()
    pyarrow.parquet.write_table(nested(), out, **options)
    result = client.ingest(out.getvalue(), name, filename="x.parquet")
    assert result["rows"] == 3
    rows = client.rows(f"SELECT id, l, s.b, m['k'], d FROM {name} ORDER BY id")
    assert rows[0][:3] == [1, [1, 2], "x"] and rows[2][1] is None and float(rows[0][4]) == 1


def test_parquet_by_duckdb_with_nested_types(client, name, tmp_path):
    path = tmp_path / "x.parquet"
    duckdb.sql(
        f"COPY (SELECT i AS id, [i, i+1] AS l, {{'a': i, 'b': {{'c': 'x'}}}} AS s, i::HUGEINT AS h, uuid() AS u, "
        f"INTERVAL 1 DAY AS iv, 'a'::ENUM('a') AS e FROM range(5) t(i)) TO '{path}' (FORMAT parquet)"
    )
    result = client.ingest(path.read_bytes(), name, filename="x.parquet")
    assert result["rows"] == 5
    assert client.rows(f"SELECT id, l, s.b.c FROM {name} ORDER BY id LIMIT 1") == [[0, [0, 1], "x"]]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_plain_text_becomes_rows(client, name, encoding):
    text = "Erste Zeile: Übung\n\nZweiter Absatz, ein Café.\nLetzte Zeile ohne Ende"
    result = client.ingest(text.encode(encoding), name, filename="notes.txt")
    assert result["rows"] >= 1 and "text" in types(result)
    whole = "\n".join(row[0] or "" for row in client.rows(f'SELECT "text" FROM {name}'))
    for word in ("Übung", "Café", "Letzte Zeile ohne Ende"):
        assert word in whole


def test_parquet_that_lies(client, server, name):
    out = io.BytesIO()
    pyarrow.parquet.write_table(nested(), out)
    good = out.getvalue()
    footer = struct.unpack("<I", good[-8:-4])[0]
    lies = [
        good[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1",
        good[:-8] + struct.pack("<I", len(good) * 2) + b"PAR1",
        good[:-8] + struct.pack("<I", 0) + b"PAR1",
        b"PAR1" + good[4 : len(good) // 2],
        b"PAR1PAR1",
        b"PAR1",
        good[:4] + b"\xff" * (len(good) - footer - 12) + good[-footer - 8 :],
        good[: -footer - 8] + b"\xff" * footer + good[-8:],
    ]
    before = server.listing()
    for i, lie in enumerate(lies):
        error = client.ingest_error(lie, name, filename="x.parquet")
        assert error.status in (400, 422) or error.code in ("worker_crashed", "memory_limit"), (i, error)
        assert error.error["message"]
        said = json.dumps(error.error)
        assert not re.search(r"source-|\.parquet|SET |duckdb|/", said), said  # our files and settings are ours
        assert error.code != "unprocessable" or error.error["hint"]
    assert server.listing() == before
    for at in range(
        8, len(good) - 8, max(1, len(good) // 40)
    ):  # one byte turned anywhere: an answer, never an outage
        bent = bytearray(good)
        bent[at] ^= 0xFF
        reply = client.call(
            "POST",
            "/ingest/file",
            bytes(bent),
            query={"dataset": name + "f", "wait_ms": 60000},
            headers={"X-Filename": "x.parquet"},
        )
        assert reply.status in (200, 400, 422, 500, 507), reply.body
    assert client.call("GET", "/health").status == 200 and client.ingest("a\n1\n", name)["rows"] == 1


# ---- packed ----


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_packed_name_over_plain_bytes_is_refused(client, server, name, ending):
    before = server.listing()
    error = client.ingest_error("a,b\n1,2\n", name, filename="x.csv" + ending)
    assert error.status == 422 and ending in error.error["message"] and "name" in error.error["hint"]
    assert server.listing() == before
    assert client.ingest("a,b\n1,2\n", name, filename="x.csv" + ending, options={"format": "csv"})["rows"] == 1
    out = io.BytesIO()
    pyarrow.parquet.write_table(nested(), out)
    assert client.ingest(out.getvalue(), name, filename="x.parquet" + ending)["rows"]  # its bytes say what it is


def test_gz_and_zst(client, name):
    text = b"id,t\n" + b"".join(b"%d,row\n" % i for i in range(1000))
    for i, (packed, filename) in enumerate(
        [
            (gzip.compress(text), "x.csv.gz"),
            (zstandard.compress(text), "x.csv.zst"),
            (gzip.compress(text[:3000]) + gzip.compress(text[3000:]), "two.csv.gz"),
            (gzip.compress(text), "unnamed"),
        ]
    ):
        result = client.ingest(packed, f"{name}{i}", filename=filename)
        assert result["rows"] == 1000 and result["bytes"] == len(packed)
    assert client.upload(gzip.compress(b'{"a":1}\n{"a":2}\n'), name + "j.ndjson.gz").json()["rows"] == 2


@pytest.mark.parametrize("damage", ["half", "tail", "crc", "magic"])
@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_packed_files_that_are_damaged_change_nothing(client, server, name, damage, kind):
    text = b"id,t\n" + b"".join(b"%d,%d\n" % (i, i * 7919 % 10007) for i in range(5000))
    packed = bytearray(
        gzip.compress(text) if kind == "gz" else zstandard.ZstdCompressor(write_checksum=True).compress(text)
    )
    if damage == "half":
        packed = packed[: len(packed) // 2]
    elif damage == "tail":
        packed = packed[:-3]
    elif damage == "crc":
        packed[-6 if kind == "gz" else -2] ^= 0xFF
    else:
        packed[3 if kind == "gz" else 4] ^= 0xFF
    before = server.listing()
    error = client.ingest_error(bytes(packed), name, filename=f"x.csv.{kind}")
    assert (
        error.status == 422 and error.error["message"] and error.error["hint"] is not None or error.status == 422
    ), error
    assert server.listing() == before


def test_a_bomb_stops_at_its_limit(client, server, name):
    before = server.listing()
    for packed, filename in [
        (gzip.compress(b"a\n" + b"0\n" * (4 << 20)), "bomb.csv.gz"),
        (zstandard.compress(b"a\n" + b"0\n" * (4 << 20)), "bomb.csv.zst"),
    ]:
        assert len(packed) < 1 << 20
        error = client.ingest_error(packed, name, filename=filename)
        assert error.status in (413, 422) and error.error["message"], error
    assert server.listing() == before


def test_an_upload_beyond_the_limit(client, server, name):
    before = server.listing()
    big = b"a\n" + b"1\n" * (2 << 20)
    reply = client.call("POST", "/ingest/file", big[: 4 << 20], query={"dataset": name})
    assert reply.status == 413 and reply.json()["error"]["hint"]

    def pieces():
        for i in range(0, len(big), 65536):
            yield big[i : i + 65536]

    connection = client.connect()
    try:
        connection.request(
            "POST",
            f"/ingest/file?dataset={name}",
            body=pieces(),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused while we still sent
    finally:
        connection.close()
    wait_until(lambda: server.listing() == before, 10, "the half upload to be gone")


# ---- ways to send ----


def test_multipart_with_fields_in_any_order(client, name):
    reply = client.upload(
        b"k,v\n1,a\n", "x.csv", fields={"dataset": name, "mode": "replace"}, query={"wait_ms": 60000}
    )
    assert reply.status == 200 and reply.json()["dataset"] == name
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="y.csv"\r\n\r\nk,v\n2,b\n\r\n'
        b'--B\r\nContent-Disposition: form-data; name="mode"\r\n\r\nappend\r\n'
        b'--B\r\nContent-Disposition: form-data; name="dataset"\r\n\r\n' + name.encode() + b"\r\n--B--\r\n"
    )
    reply = client.call("POST", "/ingest/file", body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert reply.status == 200, reply.body
    assert table(client, name) == [[1, "a"], [2, "b"]]


BAD_MULTIPART = [
    (b"", "multipart/form-data; boundary=B"),
    (b"--B--\r\n", "multipart/form-data; boundary=B"),
    (b"x", "multipart/form-data"),
    (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na\n1\n',
        "multipart/form-data; boundary=B",
    ),
    (b"--B\r\n\r\nno disposition\r\n--B--\r\n", "multipart/form-data; boundary=B"),
    (b'--B\r\nContent-Disposition: form-data; name="nope"\r\n\r\nx\r\n--B--\r\n', "multipart/form-data; boundary=B"),
    (
        b'--B\r\nContent-Disposition: form-data; name="mode"\r\n\r\nsideways\r\n--B--\r\n',
        "multipart/form-data; boundary=B",
    ),
    (
        b'--B\r\nContent-Disposition: form-data; name="dataset"\r\n\r\nonly\r\n--B--\r\n',
        "multipart/form-data; boundary=B",
    ),
    (
        b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\na\n1\n\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n--B--\r\n',
        "multipart/form-data; boundary=B",
    ),
    (b"garbage before", "multipart/form-data; boundary=B"),
    (b"x", "multipart/mixed; boundary=B"),
]


@pytest.mark.parametrize("body,kind", BAD_MULTIPART, ids=range(len(BAD_MULTIPART)))
def test_bad_multipart_changes_nothing(client, server, body, kind):
    before = server.listing()
    reply = client.call("POST", "/ingest/file", body, headers={"Content-Type": kind})
    assert reply.status in (400, 415) and reply.json()["error"]["message"], reply.body
    assert server.listing() == before


def test_a_raw_body_needs_a_name(client):
    reply = client.call("POST", "/ingest/file", b"a\n1\n")
    assert reply.status == 400 and reply.json()["error"]["code"] == "missing_field"


@pytest.mark.parametrize(
    "content,filename",
    [
        (b"", "empty.csv"),
        (b"\n\n\n", "blank.csv"),
        (b"\x00" * 100, "nul.csv"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "x.png"),
        (b"[", "x.json"),
        (b"[{]", "x.json"),
        (b"%PDF-1.4 nonsense", "x.pdf"),
        (b"PK\x03\x04" + b"\x00" * 60, "x.xlsx"),
    ],
)
def test_content_that_is_no_table(client, server, name, content, filename):
    before = server.listing()
    reply = client.call(
        "POST", "/ingest/file", content, query={"dataset": name, "wait_ms": 60000}, headers={"X-Filename": filename}
    )
    assert reply.status in (200, 400, 415, 422), reply.body
    if reply.status != 200:
        assert server.listing() == before
        assert reply.json()["error"]["message"]


def test_the_bucket_header(client, name):
    reply = client.call(
        "POST", "/ingest/file", b"a\n1\n", query={"dataset": name}, headers={"X-Lakehouse-Bucket": "nope"}
    )
    assert reply.status == 404 and "primary" in reply.json()["error"]["hint"]
    reply = client.call(
        "POST", "/ingest/file", b"a\n1\n", query={"dataset": name}, headers={"X-Lakehouse-Bucket": "primary"}
    )
    assert reply.status == 200
    shown = client.get(f"/catalog/datasets/by-name/{name}")
    assert all(one["bucket"] == "primary" for one in shown["objects"])


def test_what_was_ingested_is_described(client, name):
    content = "id,email,phone,ssn,salary\n" + "".join(
        f"{i},p{i}@example.org,(555) 010-{i:04d},900-12-{i:04d},5{i:03d}\n" for i in range(50)
    )
    result = client.ingest(content, name, filename="staff.csv")
    pii = {column["name"]: column["pii"] for column in result["columns"]}
    assert pii["email"] == ["email"] and pii["phone"] and pii["ssn"] and not pii["id"]
    shown = client.get(f"/catalog/datasets/by-name/{name}")
    assert shown["lineage"][0]["source_name"] == "staff.csv" and shown["lineage"][0]["ingest_job"] == result["job_id"]
    assert shown["lineage"][0]["source_system"] == "file" and shown["bytes"] == sum(
        one["bytes"] for one in shown["objects"]
    )


# ---- modes ----


def test_replace_append_upsert(client, name):
    assert client.ingest("k,v\n1,a\n2,b\n", name)["commit"] == 1
    assert client.ingest("k,v\n3,c\n", name, mode="append")["commit"] == 2
    assert table(client, name) == [[1, "a"], [2, "b"], [3, "c"]]
    assert client.ingest("k,v\n2,B\n4,d\n", name, mode="upsert", key="k")["commit"] == 3
    assert table(client, name) == [[1, "a"], [2, "B"], [3, "c"], [4, "d"]]
    assert client.ingest("k,v\n5,e\n", name, mode="upsert")["commit"] == 4  # the key is remembered
    assert len(table(client, name)) == 5
    assert client.ingest("k,v\n9,z\n", name)["commit"] == 5
    assert table(client, name) == [[9, "z"]]


def test_columns_that_come_and_go(client, name):
    first = client.ingest("k,v\n1,a\n", name)
    second = client.ingest("k,w\n2,new\n", name, mode="append")
    ids = {column["name"]: column["field_id"] for column in second["columns"]}
    assert ids["k"] == first["columns"][0]["field_id"] and ids["w"] not in [c["field_id"] for c in first["columns"]]
    assert client.rows(f"SELECT k, v, w FROM {name} ORDER BY k") == [[1, "a", None], [2, None, "new"]]
    wider = client.ingest("k,v\nx1,1.5\n", name, mode="append")
    assert {c["name"]: c["type"] for c in wider["columns"]}["k"] == "VARCHAR"
    assert client.rows(f"SELECT k FROM {name} ORDER BY k") == [["1"], ["2"], ["x1"]]


def parquet_of(**columns):
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


BIG = 2**53 + 1


@pytest.mark.parametrize(
    "first,then,wanted,values",
    [
        ("v\n1.5\n", "v\n2\n", "DOUBLE", [1.5, 2.0]),
        ("v\n2\n", "v\n1.5\n", "DOUBLE", [1.5, 2.0]),
        ("v\n1.5\n", parquet_of(v=[BIG]), "VARCHAR", ["1.5", str(BIG)]),
        (parquet_of(v=[-BIG, 2]), "v\n1.5\n", "VARCHAR", [str(-BIG), "1.5", "2"]),
        (parquet_of(v=[2**53, None]), "v\n1.5\n", "DOUBLE", [1.5, 2.0**53, None]),
        ("v\n1.5\n", parquet_of(v=pyarrow.array([7], pyarrow.int32())), "DOUBLE", [1.5, 7.0]),
        (parquet_of(v=[decimal.Decimal("12.25")]), "v\n1.5\n", "DOUBLE", [1.5, 12.25]),
        (parquet_of(v=[decimal.Decimal("12.25")]), "v\n1\n", "DECIMAL(21,2)", [1.0, 12.25]),
        ("v\n2024-01-02\n", "v\n2024-01-02 03:04:05\n", "TIMESTAMP", None),
        ("v\n2024-01-02 03:04:05\n", "v\n2024-01-02\n", "TIMESTAMP", None),
        ("k,v\n1,5\n", "k,v\n2,\n", "BIGINT", [5, None]),
        ("k,v\n1,\n", "k,v\n2,5\n", "BIGINT", [5, None]),
        ("k,v\n1,\n", "k,v\n2,2024-01-02\n", "DATE", ["2024-01-02", None]),
        ("v\n5\n", "v\nx\n", "VARCHAR", ["5", "x"]),
    ],
)
def test_an_append_widens_no_more_than_it_must(client, name, first, then, wanted, values):
    for content in (first, then):
        client.ingest(content, name, filename="x.csv" if isinstance(content, str) else "x.parquet", mode="append")
    reply = client.sql(f"SELECT v FROM {name} ORDER BY v")
    assert reply["columns"][0]["type"] == wanted
    assert values is None or [row["v"] for row in reply["rows"]] == values
    assert len(reply["rows"]) == client.value(f"SELECT count(*) FROM {name}") >= 2


@pytest.mark.parametrize(
    "query",
    [{"mode": "upsert"}, {"mode": "upsert", "key": "nope"}, {"mode": "append", "key": "k"}, {"mode": "sideways"}],
)
def test_modes_that_do_not_fit(client, server, name, query):
    client.ingest("k,v\n1,a\n", name)
    before = server.listing()
    error = client.ingest_error("k,v\n2,b\n", name, **query)
    assert error.status in (400, 422) and error.error["field"] in ("key", "mode"), error.error
    assert server.listing() == before


def test_an_upsert_with_keys_twice_in_the_file_and_null(client, name):
    client.ingest("k,v\n1,a\n", name)
    result = client.ingest("k,v\n1,first\n1,last\n,nokey\n", name, mode="upsert", key="k")
    rows = client.rows(f"SELECT k, v FROM {name} ORDER BY k NULLS LAST")
    assert rows[0] == [1, "last"] and result["oddities"].get("duplicate_row_key", 0) >= 1


def test_the_same_bytes_again_are_a_no_op(client, server, name):
    first = client.ingest("k,v\n1,a\n", name)
    before = server.listing()
    again = client.ingest("k,v\n1,a\n", name)
    assert again["duplicate"] and again["commit"] == first["commit"] and server.listing() == before
    client.ingest("k,v\n2,b\n", name, mode="append")
    assert client.ingest("k,v\n1,a\n", name, mode="append")["duplicate"]
    assert len(table(client, name)) == 2
    assert not client.ingest("k,v\n1,a\n", name)["duplicate"]  # a replace by what is only a part of it


# ---- jobs ----


def test_not_waiting_gives_a_job_to_poll_and_to_watch(client, name):
    content = "id,t\n" + "".join(f"{i},row {i} of some text\n" for i in range(60000))
    reply = client.call("POST", "/ingest/file", content.encode(), query={"dataset": name, "wait_ms": 0})
    assert reply.status == 202, reply.body
    started = reply.json()
    assert started["dataset"] == name and started["state"] in ("queued", "running") and started["job_id"]
    seen = list(client.events(f"/jobs/{started['job_id']}/events"))
    assert seen[-1][0] == "end" and seen[-1][1]["state"] == "done"
    versions = [data["version"] for _, data in seen]
    assert versions == sorted(versions)
    job = client.get(f"/jobs/{started['job_id']}")
    assert (
        job["state"] == "done"
        and job["result"]["rows"] == 60000
        and job["kind"] == "ingest"
        and job["subject"] == name
    )
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    listed = client.get("/jobs?kind=ingest&limit=5")["items"]
    assert any(one["job_id"] == started["job_id"] for one in listed)
    assert client.call("DELETE", f"/jobs/{started['job_id']}").status in (200, 409)
    assert client.call("GET", "/jobs/j-nope").status == 404
    assert client.call("GET", "/jobs/j-nope/events").status == 404


def test_a_failed_job_tells_why_on_every_road(client, name):
    reply = client.call(
        "POST",
        "/ingest/file",
        b"PAR1nonsensePAR1",
        query={"dataset": name, "wait_ms": 0},
        headers={"X-Filename": "x.parquet"},
    )
    assert reply.status in (202, 422)
    if reply.status == 202:
        job = client.job(reply.json()["job_id"])
        assert (
            job["state"] == "failed"
            and (job["error"].get("code") or job["error"]["error"]["code"]) == "unprocessable"
        )


def test_cancelling_an_ingest_leaves_nothing(make_server):
    server = make_server(env={"LAKEHOUSE_JOBS_THREADS": "1"})
    client = server.client()
    content = ("id,t\n" + "".join(f"{i},{'x' * 100}\n" for i in range(200000))).encode()
    jobs = [
        client.call("POST", "/ingest/file", content + b"%d,y\n" % i, query={"dataset": f"c{i}", "wait_ms": 0}).json()[
            "job_id"
        ]
        for i in range(3)
    ]
    for job_id in reversed(jobs):
        reply = client.call("DELETE", f"/jobs/{job_id}")
        assert reply.status in (200, 409), reply.body
    states = [client.job(job_id)["state"] for job_id in jobs]
    assert "cancelled" in states and set(states) <= {"cancelled", "done"}
    for i, state in enumerate(states):
        assert client.call("GET", f"/catalog/datasets/by-name/c{i}").status == (200 if state == "done" else 404)
    server.stop()
    assert server.assert_clean() == []


# ---- inbox ----


def test_a_file_dropped_into_the_inbox(client, server, name):
    (server.inbox / f"{name}.csv").write_text("id,t\n1,dropped\n")
    began = time.monotonic()
    wait_until(lambda: client.call("GET", f"/catalog/datasets/by-name/{name}").status == 200, 15, "the dropped file")
    assert time.monotonic() - began < 15
    wait_until(lambda: (server.inbox / "processed" / f"{name}.csv").exists(), 10, "processed")
    assert table(client, name) == [[1, "dropped"]]
    assert client.get(f"/catalog/datasets/by-name/{name}")["lineage"][0]["source_system"] == "inbox"
    (server.inbox / f"{name}.csv").write_text("id,t\n1,dropped\n")  # again the same: a no-op, not a second commit
    wait_until(lambda: not (server.inbox / f"{name}.csv").exists(), 15, "the second drop")
    assert client.get(f"/catalog/datasets/by-name/{name}")["commit"] == 1


def test_a_bad_file_goes_to_failed_with_the_reason(client, server, name):
    (server.inbox / f"{name}.parquet").write_bytes(b"PAR1 not at all PAR1")
    reason = wait_until(
        lambda: next(iter((server.inbox / "failed").glob(f"*{name}*.error.json")), None), 15, "failed/"
    )
    said = json.loads(reason.read_text())
    said = said.get("error", said)
    assert said["code"] == "unprocessable" and said["message"]
    assert (server.inbox / "failed" / f"{name}.parquet").exists()
    assert client.call("GET", f"/catalog/datasets/by-name/{name}").status == 404


def test_the_inbox_is_taken_at_start_and_hidden_files_are_left(make_server):
    server = make_server(inbox=True)
    server.stop()
    (server.inbox / "early.csv").write_text("a\n1\n")
    (server.inbox / ".hidden.csv").write_text("a\n1\n")
    (server.inbox / "folder").mkdir()
    server.start()
    client = server.client()
    wait_until(lambda: client.call("GET", "/catalog/datasets/by-name/early").status == 200, 15, "early")
    assert (server.inbox / ".hidden.csv").exists() and len(client.get("/catalog/datasets")["items"]) == 1


def test_rows_of_a_larger_file_are_those_duckdb_reads(make_server, tmp_path):
    """Demo tables through our reader, compared value by value with an independent one."""
    import csv
    from support.server import run

    server = make_server()
    client = server.client()
    assert run("demo", "--scale", "0.01", "--dir", tmp_path / "demo").returncode == 0
    for one in ("candidates", "clients", "timesheets"):
        path = tmp_path / "demo" / f"{one}.csv"
        result = client.ingest(path.read_bytes(), one, filename=path.name)
        with open(path, encoding="utf-8", newline="") as stream:
            head, *want = csv.reader(stream)
        assert result["rows"] == len(want) and [c["name"] for c in result["columns"]] == head
        texts = [i for i, c in enumerate(result["columns"]) if c["type"] in ("VARCHAR", "BIGINT", "DATE")]
        got = client.rows(
            "SELECT " + ", ".join(f"coalesce(CAST(\"{head[i]}\" AS VARCHAR), '')" for i in texts) + f" FROM {one}"
        )
        nothing = {"NULL", "N/A", "null", "NA", "-", "None", "none", "?", "n/a"}
        shown = [[("" if row[i] in nothing else row[i]) for i in texts] for row in want]
        assert sorted(got) == sorted(shown)


def test_trailing_garbage_after_a_packed_stream(client, name):
    packed = gzip.compress(b"a\n1\n") + b"trailing garbage"
    reply = client.call(
        "POST", "/ingest/file", packed, query={"dataset": name, "wait_ms": 60000}, headers={"X-Filename": "x.csv.gz"}
    )
    assert reply.status in (200, 422)


def test_errors_are_api_errors(client):
    with pytest.raises(ApiError):
        client.ingest(b"", "nothing_here", filename="x.parquet")
