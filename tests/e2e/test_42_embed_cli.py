"""`lakehouse embed`: lines or objects to vectors without a server, in their order, in three formats."""

import array
import json
import math
import os
import subprocess

import pytest

from support.server import program, run

DIMENSIONS = 384
LINES = ["A cat sleeps on the sofa.", "", "Interest rates rose.", "Ünïcode ✓ text", "A kitten rests on the couch."]


def embed(text, *args, code=0):
    done = subprocess.run([program(), "embed", *args], input=text.encode(), capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def vectors(raw):
    floats = array.array("f", raw)
    return [floats[i : i + DIMENSIONS] for i in range(0, len(floats), DIMENSIONS)]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b))


def test_one_vector_a_line_in_order():
    found = vectors(embed("\n".join(LINES)).stdout)
    assert len(found) == len(LINES)
    assert all(math.isclose(cosine(v, v), 1, abs_tol=1e-3) for v in found)
    assert cosine(found[0], found[4]) > 0.5 > cosine(found[0], found[2])
    as_json = embed("\r\n".join(LINES) + "\r\n", "--format", "ndjson").stdout.splitlines()
    assert [array.array("f", json.loads(line)) for line in as_json] == found


def test_a_field_of_objects_is_the_text():
    rows = "".join(json.dumps({"n": i, "body": text}) + "\n" for i, text in enumerate(LINES))
    assert embed(rows, "--field", "body").stdout == embed("\n".join(LINES)).stdout
    assert len(vectors(embed('{"body":null}\n', "--field", "body").stdout)) == 1


@pytest.mark.parametrize("line", ["not json", "[]", "{}", '{"body":1}', '{"body":"x"'])
def test_what_is_no_such_object_is_refused_with_its_line(line):
    done = embed('{"body":"fine"}\n' + line + "\n", "--field", "body", code=1)
    assert b"line 2" in done.stderr and done.stdout == b""


def test_out_makes_a_file_and_never_overwrites_one(tmp_path):
    out = tmp_path / "v.f32"
    assert embed("a\nb\n", "--out", str(out)).stdout == b""
    assert out.stat().st_size == 2 * DIMENSIONS * 4
    embed("a\n", "--out", str(out), code=1)
    assert out.stat().st_size == 2 * DIMENSIONS * 4


def test_parquet_is_read_by_the_server(tmp_path, client, name):
    out = tmp_path / "v.parquet"
    rows = "".join(json.dumps({"n": f"k{i}", "body": text}) + "\n" for i, text in enumerate(LINES))
    embed(rows, "--field", "body", "--id", "n", "--format", "parquet", "--out", str(out))
    assert [p.name for p in tmp_path.iterdir()] == ["v.parquet"], "nothing is left beside it"
    client.ingest(out.read_bytes(), name, filename="v.parquet")
    found = client.rows(f"SELECT doc_id, chunk_no, chunk_text, octet_length(vector) FROM {name} ORDER BY doc_id")
    assert found == [[f"k{i}", 0, text, DIMENSIONS * 4] for i, text in enumerate(LINES)]
    embed(rows, "--field", "body", "--format", "parquet", "--out", str(out), code=1)


def test_parquet_of_many_lines_is_numbered(tmp_path, client, name):
    out = tmp_path / "v.parquet"
    embed("".join(f"{i % 3}\n" for i in range(1500)), "--format", "parquet", "--out", str(out))
    client.ingest(out.read_bytes(), name, filename="v.parquet")
    right = "chunk_text = CAST((CAST(doc_id AS INT) - 1) % 3 AS TEXT)"
    assert client.value(f"SELECT count(*) FROM {name} WHERE {right}") == 1500


@pytest.mark.parametrize(
    "args",
    [
        ["--format", "csv"],
        ["--format", "parquet"],
        ["--id", "n"],
        ["--id", "n", "--format", "parquet", "--out", "x"],
        ["word"],
    ],
)
def test_calls_that_are_not_understood(args):
    assert run("embed", *args, stdin="").returncode == 2


def test_a_precision_that_is_none_is_refused():
    assert embed("a\n", "--precision", "f64", code=1).stderr


def test_a_slow_producer_sees_its_vectors():
    process = subprocess.Popen([program(), "embed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for _ in range(2):
            process.stdin.write(b"one line\n")
            process.stdin.flush()
            assert len(os.read(process.stdout.fileno(), DIMENSIONS * 4)) > 0
        process.stdin.close()
        process.stdout.read()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


# Of f32's ten nearest among 207 sentences of our own demo data (tests/data/embed/recall.txt, made by `lakehouse demo`,
# under the licence of this repository), asked by 40 others.
@pytest.mark.parametrize("precision, floor", [("bf16", 0.98), ("int8", 0.96)])
def test_a_precision_finds_the_neighbours_of_f32(precision, floor):
    folder = os.environ.get("LH_RELEASE_BIN_DIR")
    path = os.path.join(os.path.dirname(__file__), "..", "data", "embed", "recall.txt")
    with open(path, "rb") as source:
        lines = source.read()
    found = {}
    for wanted in ("f32", precision):
        command = [os.path.join(folder, "lakehouse") if folder else program(), "embed", "--precision", wanted]
        rows = vectors(subprocess.run(command, input=lines, capture_output=True, timeout=240, check=True).stdout)
        found[wanted] = [
            set(sorted(range(40, len(rows)), key=lambda i, q=question: -cosine(q, rows[i]))[:10])
            for question in rows[:40]
        ]
    same = sum(len(a & b) for a, b in zip(found["f32"], found[precision])) / 400
    assert same >= floor, f"recall@10 {same}"
