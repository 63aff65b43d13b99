#!/usr/bin/env python3
"""Search by words against tantivy: one thread, one segment, the same words, the same queries, rounds in turns.

Corpora: `short`, Debian's synopses; `long`, the same with the long descriptions (apt brings both); `many`, the lines of
--lines FILE (500,000 short texts or more of any real kind; left out, and said so, without it). Texts are cut to runs of
a-z and 0-9 beforehand, so that both engines see the same words.

Queries are drawn from documents with a fixed seed, others than those that constants were tuned on (seeds 1 to 3 of the
study). Ours is timed from text to hits, reading and analysing the query included. The peer runs with count=False over
query objects made beforehand, less the binding's floor (a word that is nowhere). Each query counts with its best round;
percentiles are over queries. A filter is a ready bitmap here and a required term that adds nothing to the score there.

usage: run.py [--corpora short,long,many] [--only PART,...] [--lines FILE] [--queries N] [--rounds N] [--keep DIR]
Parts: build any hundred eight all phrase prefix filter avx2 check order.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "vector")]

import tantivy  # noqa: E402

from result import BIN_DIR, emit  # noqa: E402

PROGRAM = os.path.join(BIN_DIR, "lakehouse")
PEER = tantivy.__version__.split(",")[0]  # "tantivy v0.27.0, index_format v7"
PARTS = ("build", "any", "hundred", "eight", "all", "phrase", "prefix", "filter", "avx2", "check", "order")
FILTERS = (50, 10, 1)
HEAP_BYTES = 500_000_000
FLOOR_CALLS = 300
NOWHERE = "zzzzqqqqzzzz"
SEEDS = {"short": 101, "long": 102, "many": 103}


def normal(text):
    return " ".join(word for word in re.findall("[a-z0-9]+", text.lower()) if len(word) < 40)


def lines_of(corpus, path):
    if corpus == "many":
        with open(path, encoding="utf-8", errors="replace") as source:
            lines = [normal(line) for line in source]
    else:
        import prepare  # of bench/vector: what apt has, fetched once
        lines = [normal(synopsis if corpus == "short" else synopsis + " " + text)
                 for _, synopsis, text in prepare.debian_descriptions()]
    return [line for line in lines if line]


def distinct(words):
    return list(dict.fromkeys(words))


def draw(lines, seed, count):
    """Queries by kind. Words of a query come from one document more often than not."""
    chance = random.Random(seed)
    texts = [line.split() for line in lines]
    pick = chance.choice
    made = {"any": [], "eight": [], "all": [], "phrase": [], "prefix": []}
    while len(made["any"]) < count:
        text = pick(texts)
        words = distinct(pick(text if chance.random() < 0.6 else pick(texts)) for _ in range(chance.randint(2, 8)))
        made["any"] += [" ".join(words)] if len(words) > 1 else []
    while len(made["eight"]) < count:
        words = distinct(pick(pick(texts)) for _ in range(12))[:8]
        made["eight"] += [" ".join(words)] if len(words) == 8 else []
    while len(made["all"]) < count:
        text = pick(texts)
        words = distinct(pick(text) for _ in range(chance.randint(2, 3)))
        made["all"] += [" ".join(words)] if len(words) > 1 else []
    while len(made["phrase"]) < count:
        text, size = pick(texts), chance.randint(2, 3)
        if len(text) > size:
            start = chance.randrange(len(text) - size)
            made["phrase"].append(" ".join(text[start:start + size]))
    while len(made["prefix"]) < count:
        word = pick(pick(texts))
        made["prefix"] += [word[:4]] if len(word) >= 4 else []
    return made


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Corpus:
    def __init__(self, name, lines, folder, args):
        self.name, self.lines, self.folder, self.rounds = name, lines, folder, args.rounds
        self.docs, self.index = self.path("docs"), self.path("lht")
        self.queries = draw(lines, SEEDS[name], args.queries)
        with open(self.docs, "w", encoding="utf-8") as out:
            out.write("".join(line + "\n" for line in lines))
        for kind, queries in self.queries.items():
            with open(self.path(kind), "w", encoding="utf-8") as out:
                out.write("".join(query + "\n" for query in queries))
        chance = random.Random(7)
        self.marks = [" ".join("p%d" % p for p in FILTERS if chance.randrange(100) < p) for _ in lines]
        self.schema = tantivy.SchemaBuilder().add_text_field("t", index_option="position").add_text_field(
            "mark", index_option="basic").build()
        self.searcher = None

    def path(self, what):
        return os.path.join(self.folder, self.name + "." + what)

    def build_ours(self):
        done = subprocess.run([PROGRAM, "text", "build", "--docs", self.docs, "--index", self.index], check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)

    def build_theirs(self, marked):
        """Seconds of the writer alone: documents are made before. One thread, so one segment after its merges."""
        folder = self.path("tantivy")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        index = tantivy.Index(self.schema, path=folder)
        made = [tantivy.Document(t=line, **({"mark": mark} if marked else {}))
                for line, mark in zip(self.lines, self.marks)]
        start = time.perf_counter()
        writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
        for document in made:
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        seconds = time.perf_counter() - start
        index.reload()
        self.searcher = index.searcher()
        return seconds, sum(entry.stat().st_size for entry in os.scandir(folder) if not entry.name.endswith(".store"))

    def theirs(self, kind, text, share):
        def term(word):
            return tantivy.Query.term_query(self.schema, "t", word)

        if kind == "prefix":
            return tantivy.Query.regex_query(self.schema, "t", text + ".*")
        if kind == "phrase":
            return tantivy.Query.phrase_query(self.schema, "t", text.split())
        occur = tantivy.Occur.Must if kind == "all" else tantivy.Occur.Should
        query = tantivy.Query.boolean_query([(occur, term(word)) for word in text.split()])
        if share < 100:
            mark = tantivy.Query.boost_query(tantivy.Query.term_query(self.schema, "mark", "p%d" % share), 0.0)
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, mark), (tantivy.Occur.Must, query)])
        return query

    def ours(self, kind, k, share, simd=None, check=False):
        """Nanoseconds of each query, run once, as the peer runs it: what it needs was last touched a round ago."""
        mode = "any" if kind == "eight" else kind
        command = [PROGRAM, "text", "bench", "--index", self.index, "--queries", self.path(kind), "--mode", mode,
                   "--k", str(k), "--rounds", "1", "--latencies", self.path("ns"), "--filter-percent", str(share)]
        env = dict(os.environ, **({"LH_SIMD": simd} if simd else {}))
        subprocess.run(command + (["--check"] if check else []), check=True, stdout=subprocess.DEVNULL, env=env)
        with open(self.path("ns"), encoding="ascii") as source:
            return [int(line) for line in source]

    def compare(self, name, kind, k=10, share=100, simd=None):
        queries = [self.theirs(kind, text, share) for text in self.queries[kind]]
        nowhere = tantivy.Query.term_query(self.schema, "t", NOWHERE)
        search, clock = self.searcher.search, time.perf_counter_ns
        floor, ours = float("inf"), [float("inf")] * len(queries)
        theirs = list(ours)
        for _ in range(self.rounds):
            for i, query in enumerate(queries):
                start = clock()
                search(query, k, count=False)
                theirs[i] = min(theirs[i], clock() - start)
            for _ in range(FLOOR_CALLS):
                start = clock()
                search(nowhere, k, count=False)
                floor = min(floor, clock() - start)
            ours = [min(pair) for pair in zip(ours, self.ours(kind, k, share, simd))]
        theirs = [max(1, ns - floor) for ns in theirs]
        ratios = []
        for label, at in (("p50", 0.5), ("p95", 0.95)):
            own, other = percentile(ours, at) / 1e3, percentile(theirs, at) / 1e3
            ratios.append(emit("text_%s_%s_%s" % (self.name, name, label), own, "us", len(queries), peer=PEER,
                               peer_value=other, ratio=other / own, documents=len(self.lines), k=k,
                               floor_us=floor / 1e3, simd=simd or "best"))
        return ratios[0]

    def compare_build(self):
        own, other = [], []
        built = theirs = None
        for _ in range(min(3, self.rounds)):
            built = self.build_ours()
            own.append(built["build_s"])
            seconds, theirs = self.build_theirs(marked=False)
            other.append(seconds)
        emit("text_%s_build" % self.name, min(own), "s", len(self.lines), peer=PEER, peer_value=min(other),
             ratio=min(other) / min(own), rounds=len(own), what="to a synced file, one thread, best of the rounds")
        emit("text_%s_bytes" % self.name, built["bytes_file"], "bytes", len(self.lines), peer=PEER, peer_value=theirs,
             what="with positions, without stored texts")

    def check(self):
        """Every query's hits against those of scoring every match; stops at a difference."""
        for kind in self.queries:
            for k in (10, 100):
                self.ours(kind, k, 100, check=True)
        for share in FILTERS:
            self.ours("any", 10, share, check=True)
        emit("text_%s_same_as_exhaustive" % self.name, sum(map(len, self.queries.values())) * 2, "queries",
             len(self.lines))

    def order(self, count):
        """Scores of the ten best by rank, and where they differ the documents, against the peer's 32-bit sums."""
        same, worst, total = 0, 0.0, 0
        for kind in ("any", "all", "phrase"):
            for text in self.queries[kind][:count]:
                hits = [(score, address.doc)
                        for score, address in self.searcher.search(self.theirs(kind, text, 100), 10, count=False).hits]
                done = subprocess.run([PROGRAM, "text", "search", "--index", self.index, "--docs", self.docs, "--mode",
                                       kind, "--json", text], check=True, capture_output=True, text=True)
                found = [(hit["score"], hit["row"]) for hit in map(json.loads, done.stdout.splitlines())]
                differences = [abs(a - b) / max(a, 1e-9) for (a, _), (b, _) in zip(hits, found)]
                worst = max([worst, *differences])
                same += len(hits) == len(found) and all(
                    x == y or d < 2e-5 for (_, x), (_, y), d in zip(hits, found, differences))
                total += 1
        emit("text_%s_same_order_as_peer" % self.name, same, "of the queries", total, peer=PEER, peer_value=total,
             largest_difference_of_scores=worst)
        return same == total


def run(corpus, wanted):
    if wanted("build"):
        corpus.compare_build()
    corpus.build_ours()
    corpus.build_theirs(marked=True)
    ratio = None
    for part, kind, k in (("any", "any", 10), ("hundred", "any", 100), ("eight", "eight", 10), ("all", "all", 10),
                          ("phrase", "phrase", 10), ("prefix", "prefix", 10)):
        if wanted(part):
            found = corpus.compare(part, kind, k)
            ratio = found if part == "any" else ratio
    for share in FILTERS if wanted("filter") else ():
        corpus.compare("filter_%d" % share, "any", share=share)
    for part, kind, k in (("any", "any", 10), ("hundred", "any", 100), ("eight", "eight", 10)):
        if wanted("avx2"):
            corpus.compare("avx2_" + part, kind, k, simd="avx2")
    if wanted("check"):
        corpus.check()
    same = corpus.order(60) if wanted("order") else True
    return ratio, same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", default="short,long,many")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--lines", default=os.environ.get("LH_BENCH_TEXT_LINES"), help="texts of the corpus many")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", help="folder for indexes, instead of a temporary one")
    args = parser.parse_args()
    parts = args.only.split(",") if args.only else PARTS
    for part in parts:
        if part not in PARTS:
            parser.error("no part %s: %s" % (part, " ".join(PARTS)))
    ratio, good = None, True
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or temporary
        os.makedirs(folder, exist_ok=True)
        for name in args.corpora.split(","):
            if name == "many" and not args.lines:
                print("bench/text: many is left out: --lines FILE names no texts", file=sys.stderr)
                continue
            found, same = run(Corpus(name, lines_of(name, args.lines), folder, args), parts.__contains__)
            ratio, good = ratio or found, good and same
    if ratio:
        emit("text_ratio", ratio, "x tantivy, any of 2-8 words, top 10, p50", args.rounds)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
