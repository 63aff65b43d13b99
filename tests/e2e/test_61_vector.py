"""`lakehouse vector` on raw files: what it prints against a plain search in numpy, and what it says to bad input."""

import json
import re

import numpy as np
import pytest

from support.server import run

ROWS, QUERIES, DIM, K = 3000, 40, 24, 10


def ok(done):
    assert done.returncode == 0, done.stderr
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr
    return done.stdout


def lines(done):
    return [json.loads(line) for line in ok(done).splitlines()]


def refused(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert re.search("^error: ", done.stderr, re.M) and "Sanitizer" not in done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    return done.stderr


class Files:
    """A small set in clusters, written as the command reads it."""

    def __init__(self, folder):
        rng = np.random.default_rng(3)
        centres = rng.standard_normal((30, DIM))
        self.base = (centres[rng.integers(0, 30, ROWS)] + 0.4 * rng.standard_normal((ROWS, DIM))).astype("<f4")
        self.queries = (centres[rng.integers(0, 30, QUERIES)] + 0.4 * rng.standard_normal((QUERIES, DIM))).astype("<f4")
        self.folder, self.b, self.q = folder, folder / "b.f32", folder / "q.f32"
        self.base.tofile(self.b)
        self.queries.tofile(self.q)

    def scores(self, metric="cosine"):
        base, queries = self.base.astype(np.float64), self.queries.astype(np.float64)
        if metric == "euclidean":
            return -np.sqrt(((queries[:, None, :] - base[None, :, :]) ** 2).sum(2))
        if metric == "cosine":
            base = base / np.linalg.norm(base, axis=1, keepdims=True)
            queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        return queries @ base.T

    def nearest(self, metric="cosine", may=None):
        scores = self.scores(metric)
        if may is not None:
            scores = np.where(may, scores, -np.inf)
        return np.argsort(-scores, axis=1, kind="stable")[:, :K].astype("<i4")

    def call(self, verb, *more):
        given = ["--base", self.b, "--dim", DIM] + (["--queries", self.q] if verb != "build" else [])
        return run("vector", verb, *given, *more, env={"TMPDIR": str(self.folder)})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("vector"))


FIELDS = (
    "kind tier n dim build_s bytes_resident bytes_file ef recall_at_k p50_us p95_us p99_us qps evaluations_mean cpu simd"
    " hash"
).split()


def test_bench_prints_a_line_per_point_with_every_field(files):
    points = lines(files.call("bench", "--kind", "exact", "--ef", "10,20,40"))
    assert [p["ef"] for p in points] == [10, 20, 40]
    for point in points:
        assert not [name for name in FIELDS if name not in point]
        assert point["recall_at_k"] == 1 and (point["n"], point["dim"]) == (ROWS, DIM)
        assert 0 < point["p50_us"] <= point["p95_us"] <= point["p99_us"] and point["qps"] > 0
        assert point["evaluations_mean"] == ROWS and re.fullmatch("[0-9a-f]{16}", point["hash"])
    assert not list(files.folder.glob("lakehouse-vector-*"))


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_search_finds_what_numpy_finds(files, tmp_path, metric):
    out = tmp_path / "hits.i32"
    ok(files.call("search", "--kind", "exact", "--metric", metric, "--k", K, "--hits", out))
    found = np.fromfile(out, "<i4").reshape(QUERIES, K)
    assert (found == files.nearest(metric)).all()
    hits = lines(files.call("search", "--kind", "exact", "--metric", metric, "-k", 3))
    assert len(hits) == QUERIES and [h["row"] for h in hits[5]["hits"]] == files.nearest(metric)[5, :3].tolist()
    assert hits[5]["hits"][0]["score"] == pytest.approx(files.scores(metric)[5].max(), abs=1e-4)


def test_the_truth_it_computes_is_numpys(files, tmp_path):
    given = tmp_path / "t.i32"
    files.nearest().tofile(given)
    for threads in (1, 3):
        own, told = (
            lines(files.call("bench", "--ef", "10", "--build-threads", threads, *more))[0]["recall_at_k"]
            for more in ([], ["--truth", given])
        )
        assert own == told > 0.5
    wrong = (files.nearest() + 1) % ROWS
    wrong.astype("<i4").tofile(given)
    assert lines(files.call("bench", "--kind", "exact", "--truth", given))[0]["recall_at_k"] < 1


@pytest.mark.parametrize("kind", ["random", "correlated"])
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_filters_are_searched_and_judged_alike(files, kind, share):
    point = lines(files.call("bench", "--filter-selectivity", share, "--filter-kind", kind, "--recall", "0.99"))[0]
    assert point["filter_rows"] == pytest.approx(ROWS * share, rel=0.5)
    assert point["recall_at_k"] > 0.8


def test_a_filter_from_a_file(files, tmp_path):
    may = np.arange(ROWS) % 7 == 0
    bits = tmp_path / "may.bits"
    np.packbits(may, bitorder="little").tofile(bits)
    out = tmp_path / "hits.i32"
    ok(files.call("search", "--kind", "exact", "--filter", bits, "--hits", out))
    assert (np.fromfile(out, "<i4").reshape(QUERIES, K) == files.nearest(may=may)).all()
    np.packbits(may[:-9], bitorder="little").tofile(bits)
    refused(files.call("bench", "--filter", bits), 1, "[bad_value]", "--filter", str(ROWS))


def test_a_built_segment_stands_alone_and_is_the_same_each_time(files, tmp_path):
    hashes = set()
    for threads in (1, 2):
        path = tmp_path / f"{threads}.lhv"
        built = lines(run("vector", "build", "--base", files.b, "--dim", DIM, "--out", path, "--build-threads", threads))
        assert built[0]["n"] == ROWS and built[0]["bytes_file"] == path.stat().st_size
        hashes.add(built[0]["hash"])
        found = lines(run("vector", "search", "--index", path, "--queries", files.q, "--dim", DIM, "-k", 1))
        assert found[0]["hits"][0]["row"] == files.nearest()[0, 0]
        assert lines(files.call("bench", "--index", path))[0]["build_s"] is None
    assert len(hashes) == 1
    refused(run("vector", "build", "--base", files.b, "--dim", DIM, "--out", path), 1, "[already_exists]")
    assert path.stat().st_size == built[0]["bytes_file"]
    refused(files.call("bench", "--index", files.b), 1, "[corrupt]")
    refused(run("vector", "search", "--index", path, "--queries", files.q, "--dim", DIM * 2), 1, str(DIM))


def test_searches_of_many_threads_give_the_same_recall(files):
    one, many = (lines(files.call("bench", "--threads", n, "--rounds", 3))[0] for n in (1, 4))
    assert one["recall_at_k"] == many["recall_at_k"] and many["threads"] == 4


def test_bad_files_are_named_with_both_numbers(files, tmp_path):
    odd = tmp_path / "odd.f32"
    odd.write_bytes(files.b.read_bytes()[:-4])
    refused(run("vector", "build", "--base", odd, "--dim", DIM, "--out", tmp_path / "x"), 1, "[bad_value]", "--base")
    assert "--dim" in refused(files.call("bench", "--dim", DIM + 1), 1, "[bad_value]")
    refused(run("vector", "bench", "--base", tmp_path / "nope", "--queries", files.q, "--dim", DIM), 1, "[not_found]")
    short = tmp_path / "t.i32"
    short.write_bytes(b"\0" * 4 * (QUERIES * K - 1))
    refused(files.call("bench", "--truth", short), 1, "[bad_value]", "--truth")
    np.full((QUERIES, K), ROWS, "<i4").tofile(short)
    refused(files.call("bench", "--truth", short), 1, "[bad_value]", "--truth")
    np.zeros((QUERIES, K - 1), "<i4").tofile(short)
    refused(files.call("bench", "--truth", short), 1, "[bad_value]", "--k")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused_and_leaves_no_file(files, tmp_path, bad):
    rows = files.base.copy()
    rows[ROWS // 2, 3] = bad
    path, out = tmp_path / "bad.f32", tmp_path / "x.lhv"
    rows.tofile(path)
    refused(run("vector", "build", "--base", path, "--dim", DIM, "--out", out), 1, "[bad_value]", str(ROWS // 2))
    assert not out.exists()
    queries = files.queries.copy()
    queries[1, 0] = bad
    queries.tofile(path)
    refused(run("vector", "search", "--base", files.b, "--queries", path, "--dim", DIM), 1, "[bad_value]")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sideways"],
        ["build", "search"],
        ["bench"],
        ["search", "--queries", "q", "--dim", "3"],
        ["bench", "--kind", "tree"],
        ["bench", "--metric", "hamming"],
        ["bench", "--tier", "i7"],
        ["bench", "--k", "0"],
        ["bench", "--k", "10001"],
        ["bench", "--dim", "4097"],
        ["bench", "--ef", "10,x"],
        ["bench", "--ef", "9"],
        ["bench", "--ef", "20", "--recall", "0.9"],
        ["bench", "--recall", "1.5"],
        ["bench", "--filter-selectivity", "2"],
        ["bench", "--memory", "lots"],
        ["bench", "--threads", "0"],
    ],
)
def test_what_is_not_understood_is_exit_2(files, words):
    if words[:1] == ["bench"] and len(words) > 1:
        refused(files.call(*words), 2, words[1])
    else:
        refused(run("vector", *words), 2)


def test_tiny_sets(files, tmp_path):
    for rows in (1, 2, 9, 33):
        path = tmp_path / f"{rows}.f32"
        files.base[:rows].tofile(path)
        for kind in ("auto", "exact"):
            done = run("vector", "bench", "--base", path, "--queries", files.q, "--dim", DIM, "--kind", kind)
            assert lines(done)[0]["recall_at_k"] == 1


def test_what_is_appended_is_found_at_once(files, tmp_path):
    more = tmp_path / "more.f32"
    (files.base[:50] + np.float32(0.01)).astype("<f4").tofile(more)
    line = lines(files.call("bench", "--ef", "20", "--append", more))[-1]
    assert line["found"] is True and line["append_rows"] == 50 and line["append_s"] > 0
    assert not list(files.folder.glob("lakehouse-vector-*"))


def test_a_build_that_was_killed_goes_on_and_ends_with_the_same_bytes(files, tmp_path):
    words = ["vector", "build", "--base", files.b, "--dim", DIM, "--kind", "graph", "--keep-from", 1, "--seed", 3]
    whole, path, kept = tmp_path / "whole.lhv", tmp_path / "v.lhv", tmp_path / "v.lhv.build"
    ok(run(*words, "--out", whole))
    for stage in (1, 2, 3):
        died = run(*words, "--out", path, "--build-threads", stage, env={"LAKEHOUSE_FAULTS": f"VECTOR_AFTER_STAGE=crash@{stage}"})
        if "fault" in died.stderr and died.returncode == 2:
            pytest.skip("built without fault points")
        assert died.returncode != 0 and not path.exists() and kept.stat().st_size > 0
        again = run(*words, "--out", path, "--build-threads", 4 - stage)
        ok(again)
        assert "went on" in again.stderr
        assert path.read_bytes() == whole.read_bytes()
        assert sorted(one.name for one in tmp_path.iterdir()) == ["v.lhv", "whole.lhv"]
        path.unlink()


def test_what_another_build_left_is_not_used(files, tmp_path):
    path, kept = tmp_path / "v.lhv", tmp_path / "v.lhv.build"
    words = ["vector", "build", "--base", files.b, "--dim", DIM, "--kind", "graph", "--keep-from", 1, "--out", path]
    kept.write_bytes(b"something else")
    done = run(*words)
    ok(done)
    assert "of no use" in done.stderr and "went on" not in done.stderr and not kept.exists()
    refused(run(*words), 1, "[already_exists]")
    assert not kept.exists()
