#!/usr/bin/env python3
"""The vector engine against hnswlib, faiss and usearch: build, search, filters, memory; real embeddings, equal recall.

How it measures: ours is the `lakehouse vector` of the release build, peers are processes that build once and then make
one timed pass per request (hnsw_driver.cc, peers.py). Rounds alternate ours and theirs, every other round in reverse;
medians count. Latency is the median of single queries on one thread, interpolated to equal recall (log of time over
logit of recall, along the best points of a curve), never at equal effort. The reference is the better of hnswlib and
faiss HNSW, M 16, efConstruction 200 unless a row says 80. A build's time is by the wall clock on all cores; its ratio in
processor seconds stands beside it, which other load disturbs less. `ratio` says how many times better ours is; `must`
is what the engine promises. Sets: prepare.py.

usage: run.py [--quick] [--only PART,..] [--rounds N] [--build-rounds N] [--svg FILE]     parts: see PARTS at the end
"""
import argparse
import hashlib
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import plot  # noqa: E402
import prepare  # noqa: E402
from result import emit as emit_line  # noqa: E402

HNSWLIB = os.environ.get("LH_BENCH_HNSWLIB", os.path.join(ROOT, "deps", "hnswlib"))
LAKEHOUSE = os.path.join(prepare.BIN_DIR, "lakehouse")
K, M, THREADS = 10, 16, os.cpu_count() or 1
PEER_EF = [16, 32, 64, 128, 256, 512]
GRAPH_EF = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]
FLAT_EF = [40, 100, 200, 400, 800]
RECALLS = [0.95, 0.99, 0.995, 0.999]
MUST = {  # the promises, by name of the row; what has none is shown beside
    "build_quality": 18, "build_fresh": 13, "search_0.95": 6, "search_0.99": 7, "search_0.995": 7, "search_0.999": 12,
    "avx2_build_fresh": 8, "avx2_search_0.99": 10, "filter_0.5": 4, "filter_0.1": 8, "filter_0.01": 100,
    "filter_0.001": 1000, "resident_graph": 3.5, "resident_flat": 6, "build_peak": 1, "million_build": 12,
    "million_search_0.95": 6, "threads": 1.9, "append": 50, "open_ms": 15}


RATIOS = {}


def emit(name, value, unit, n, peer=None, peer_value=None, ratio=None, **more):
    """One result. A time's ratio is theirs by ours; what is given counts."""
    if ratio is None and peer_value and value:
        ratio = peer_value / value
    RATIOS[name] = ratio
    must = MUST.get(name.split("/")[0])
    verdict = {}
    if must and name.startswith("open_ms"):
        verdict = {"must_at_most": must, "holds": value <= must}
    elif must and ratio:
        verdict = {"must": must, "holds": ratio >= must}
    return emit_line(name, value, unit, n, peer, peer_value, ratio, **verdict, **more, load=os.getloadavg()[0])


def say(text):
    print("bench/vector: " + text, file=sys.stderr, flush=True)


# ---- processes ----

def status(pid, key):
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8") as source:
            found = re.search(r"^%s:\s+(\d+) kB" % key, source.read(), re.M)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def resident(pid, besides):
    """Proportional set of a process: (all but the mappings of these files, of these files), bytes."""
    inside = outside = 0
    mine = True
    with open("/proc/%d/smaps" % pid, encoding="utf-8") as source:
        for line in source:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                mine = not any(line.rstrip().endswith(path) for path in besides)
            elif line.startswith("Pss:"):
                size = int(line.split()[1]) * 1024
                inside, outside = (inside + size, outside) if mine else (inside, outside + size)
    return inside, outside


class Watch(threading.Thread):
    """The most memory a process has had, looked at every few milliseconds: all of it, and what is anonymous.

    (ru_maxrss would not do: a child begins with that of the process that forked it.)
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.anonymous, self.ended = pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.005):
            self.anonymous = max(self.anonymous, status(self.pid, "RssAnon"))
            self.peak = max(self.peak, status(self.pid, "VmHWM"))

    def stop(self):
        self.ended.set()
        self.join()
        return {"peak": self.peak, "peak_anonymous": self.anonymous}


def ours(verb, *options, simd=None):
    """One call of the command, to its end: its JSON lines, and what the process used."""
    env = dict(os.environ, **({"LH_SIMD": simd} if simd else {}))
    child = subprocess.Popen([LAKEHOUSE, "vector", verb, *map(str, options)], stdout=subprocess.PIPE, env=env)
    watch = Watch(child.pid)
    text = child.stdout.read()
    memory = watch.stop()
    _, ended, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(ended)
    if child.returncode:
        sys.exit("bench/vector: lakehouse vector %s ended with %d" % (verb, child.returncode))
    return [json.loads(line) for line in text.splitlines()], dict(memory, cpu_s=used.ru_utime + used.ru_stime)


class Peer:
    """A peer's process with its index."""

    def __init__(self, kind, base, dim, construction, threads=THREADS, avx2=False):
        env = dict(os.environ, **({"FAISS_OPT_LEVEL": "avx2"} if avx2 else {}))
        if kind == "hnswlib":
            command = [driver(avx2)]
        else:
            command = [sys.executable, os.path.join(HERE, "peers.py"), kind]
        command += map(str, (base, dim, M, construction, threads))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        watch = Watch(self.process.pid)
        self.built = self.reply()
        self.memory = watch.stop()
        self.name, self.base = self.built["name"] + (" avx2" if avx2 else ""), base

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench/vector: a peer has ended: %s" % " ".join(map(str, self.process.args)))
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.reply()

    def search(self, ef, queries, threads=1, bits="-", ids="-", k=K):
        return self.ask("search", ef, threads, queries, bits, ids, k)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def driver(avx2):
    """The hnswlib driver, for this machine or for AVX2 only; compiled once and kept beside the sets."""
    march, source = "haswell" if avx2 else "native", os.path.join(HERE, "hnsw_driver.cc")
    with open(source, "rb") as opened:
        made_from = hashlib.sha256(opened.read() + platform.node().encode()).hexdigest()[:12]
    path = os.path.join(prepare.DATA, "hnsw_%s_%s" % (march, made_from))
    if not os.path.exists(path):
        subprocess.run(["g++", "-O3", "-DNDEBUG", "-march=" + march, "-std=c++17", "-w", "-pthread", "-I", HNSWLIB,
                        source, "-o", path + ".part"], check=True)
        os.replace(path + ".part", path)
    return path


# ---- sets, truth and recall ----

class Set:
    """Rows and queries of a folder, and the right answers, found by numpy: not by what is measured."""

    def __init__(self, name, base, queries, dim):
        self.name, self.base, self.queries, self.dim = name, base, queries, dim
        self.rows = np.memmap(base, "<f4", "r").reshape(-1, dim)
        self.values = {key: np.fromfile(path, "<f4").reshape(-1, dim) for key, path in queries.items()}
        self.kept = {}

    def scores(self, queries, part):
        norms = np.linalg.norm(part, axis=1)
        return (queries @ part.T) / np.maximum(norms, 1e-30)

    def truth(self, key, may=None, tag=""):
        """(path of ids, ids, score of the last) of the k nearest that may be answers."""
        if (key, tag) in self.kept:
            return self.kept[key, tag]
        queries = self.values[key]
        best = np.full((len(queries), K), -np.inf, np.float32)
        ids = np.full((len(queries), K), -1, np.int64)
        for start in range(0, len(self.rows), 50_000):
            part = self.rows[start:start + 50_000]
            scores = self.scores(queries, part)
            if may is not None:
                scores[:, ~may[start:start + len(part)]] = -np.inf
            joined = np.concatenate([best, scores], axis=1)
            numbers = np.concatenate([ids, np.broadcast_to(np.arange(start, start + len(part)), scores.shape)], axis=1)
            top = np.argpartition(-joined, K - 1, axis=1)[:, :K]
            best, ids = np.take_along_axis(joined, top, 1), np.take_along_axis(numbers, top, 1)
        order = np.argsort(-best, axis=1, kind="stable")
        best, ids = np.take_along_axis(best, order, 1), np.take_along_axis(ids, order, 1)
        ids[~np.isfinite(best)] = -1
        path = os.path.join(WORK, "%s-%s%s.i32" % (self.name, key, tag))
        ids.astype("<i4").tofile(path)
        self.kept[key, tag] = path, ids, best[:, -1]
        return self.kept[key, tag]

    def recall(self, key, path, tag=""):
        """Share of the right answers in a file of ids; a row as near as the last right one is right."""
        _, right, last = self.truth(key, tag=tag)
        found = np.fromfile(path, "<i4").reshape(-1, K)
        hits = (found[:, :, None] == right[:, None, :]).any(2) & (found >= 0)
        near = np.take(self.rows, np.maximum(found, 0), axis=0)
        scores = np.einsum("qkd,qd->qk", near, self.values[key]) / np.maximum(np.linalg.norm(near, axis=2), 1e-30)
        hits |= (found >= 0) & (scores >= last[:, None] - 1e-7) & np.isfinite(last)[:, None]
        return min(1.0, float(hits.sum() / max(1, (right >= 0).sum())))


def real_set(name, quick):
    folder = prepare.ensure(name)
    base = os.path.join(folder, "base_20k.f32" if quick and name == "real384" else "base.f32")
    return Set(name, base, {key: os.path.join(folder, "q_%s.f32" % key) for key in ("in", "out")},
               768 if name == "real768" else 384)


# ---- curves ----

class Curve:
    """Points of one index: recall by effort, and the times of all rounds."""

    def __init__(self):
        self.recall, self.times = {}, {}

    def put(self, effort, recall, p50):
        self.recall[effort] = recall
        self.times.setdefault(effort, []).append(p50)

    def points(self):
        return sorted((self.recall[e], statistics.median(t)) for e, t in self.times.items())

    def best(self):
        """Points no other beats in both."""
        kept = []
        for recall, time_us in reversed(self.points()):
            if not kept or time_us < kept[-1][1]:
                kept.append((recall, time_us))
        return kept[::-1]

    def at(self, recall):
        return between(self.best(), recall)


def logit(recall):
    recall = min(recall, 1 - 1e-5)
    return math.log(recall / (1 - recall))


def between(points, recall):
    """Time at a recall; of the cheapest point when that has more already, None when none has as much."""
    if not points or recall > points[-1][0]:
        return None
    for (low, low_us), (high, high_us) in zip([(0, 0)] + points, points):
        if recall <= high:
            if low_us == 0 or high == low:
                return high_us
            part = (logit(recall) - logit(low)) / (logit(high) - logit(low))
            return math.exp(math.log(low_us) + part * (math.log(high_us) - math.log(low_us)))
    return None


def cheapest(curves, recall):
    """Of some curves, each by itself: (name, time) that is least at a recall; (None, None) when none has as much."""
    reached = {name: curve.at(recall) for name, curve in curves.items()}
    reached = {name: time_us for name, time_us in reached.items() if time_us}
    return min(reached.items(), key=lambda item: item[1]) if reached else (None, None)


def in_turns(rounds, sides):
    """Runs every side once a round, in turn, every other round backwards."""
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            side()


def own_pass(curve, data, key, segment, options, **more):
    lines, _ = ours("bench", "--base", data.base, "--queries", data.queries[key], "--dim", data.dim, "--index", segment,
                    "--truth", data.truth(key, tag=more.get("tag", ""))[0], "--k", K, *options, *more.get("extra", ()),
                    simd=more.get("simd"))
    for line in lines:
        effort = (line["plan"], line.get("recall_wanted", line["ef"]))
        curve.put(effort, line["recall_at_k"], line["p50_us"])
    return lines


def peer_pass(curve, data, key, peer, efforts, bits="-", tag=""):
    path = os.path.join(WORK, "ids.i32")
    for ef in efforts:
        first = ef not in curve.recall
        reply = peer.search(ef, data.queries[key], bits=bits, ids=path if first else "-")
        curve.put(ef, data.recall(key, path, tag) if first else curve.recall[ef], reply["p50_us"])


def ef_words(efforts):
    return ",".join(map(str, efforts))


def build_ours(data, preset, kind="graph", simd=None, rows="external"):
    path = os.path.join(WORK, "%s-%s-%s-%s-%s.lhv" % (data.name, kind, preset, rows, simd))
    if os.path.exists(path):
        os.remove(path)
    lines, used = ours("build", "--base", data.base, "--dim", data.dim, "--kind", kind, "--preset", preset, "--rows", rows,
                       "--out", path, "--build-threads", THREADS, simd=simd)
    return path, dict(lines[0], **used)


# ---- parts ----

class State:
    """What parts share: sets, segments built, peers running."""

    def __init__(self, quick, rounds, build_rounds):
        self.quick, self.rounds, self.build_rounds = quick, rounds, build_rounds
        self.sets, self.segments, self.peers, self.curves = {}, {}, {}, {}

    def data(self, name="real384"):
        if name not in self.sets:
            self.sets[name] = real_set(name, self.quick)
        return self.sets[name]

    def segment(self, preset="quality", kind="graph", name="real384", **more):
        key = (preset, kind, name, *sorted(more.items()))
        if key not in self.segments:
            self.segments[key] = build_ours(self.data(name), preset, kind, **more)[0]
        return self.segments[key]

    def peer(self, kind, construction, name="real384", avx2=False):
        key = (kind, construction, name, avx2)
        if key not in self.peers:
            data = self.data(name)
            self.peers[key] = Peer(kind, data.base, data.dim, construction, avx2=avx2)
        return self.peers[key]

    def drop_peers(self):
        for peer in self.peers.values():
            peer.close()
        self.peers = {}


def compare_builds(state, label, pairs, name="real384", simd=None):
    """pairs: (row, preset, efConstruction, kinds of peers). Peers of the last round stay for searching."""
    data = state.data(name)
    own, theirs = {}, {}

    def build_own(preset):
        path, used = build_ours(data, preset, simd=simd)
        state.segments[(preset, "graph", name, *([("simd", simd)] if simd else []))] = path
        own.setdefault(preset, []).append(used)

    def build_peer(kind, construction):
        old = state.peers.pop((kind, construction, name, simd == "avx2"), None)
        if old:
            old.close()
        peer = state.peer(kind, construction, name, simd == "avx2")
        theirs.setdefault((kind, construction), []).append(peer)
        say("%s built in %.1f s" % (peer.name, peer.built["build_s"]))

    sides = []
    for _, preset, construction, kinds in pairs:
        sides.append(lambda preset=preset: build_own(preset))
        sides += [lambda kind=kind, c=construction: build_peer(kind, c) for kind in kinds]
    in_turns(state.build_rounds, sides)
    for row, preset, construction, kinds in pairs:
        mine = statistics.median(b["build_s"] for b in own[preset])
        mine_cpu = statistics.median(b["cpu_s"] for b in own[preset])
        shown = {k: statistics.median(p.built["build_s"] for p in theirs[k, construction]) for k in kinds}
        shown_cpu = {k: statistics.median(p.built["build_cpu_s"] for p in theirs[k, construction]) for k in kinds}
        best = min(shown, key=shown.get)
        emit(label + row, mine, "s", state.build_rounds, theirs[best, construction][-1].name, shown[best],
             cpu_s=mine_cpu, peer_cpu_s=shown_cpu[best], cpu_ratio=min(shown_cpu.values()) / mine_cpu, all_peers=shown,
             rows=len(data.rows), dim=data.dim, threads=THREADS, hash=own[preset][0]["hash"],
             same_bytes=len({b["hash"] for b in own[preset]}) == 1)


def part_build(state):
    both = ["hnswlib", "faiss-hnsw"]
    compare_builds(state, "", [("build_quality", "quality", 200, both), ("build_fresh", "fresh", 80, both)])


def measure_curves(state, name, peers, simd=None, presets=("quality",)):
    data = state.data(name)
    result = {}
    for key in ("in", "out"):
        curves = result[key] = {}
        sides = []
        for preset in presets:
            segment = state.segment(preset, "graph", name, **({"simd": simd} if simd else {}))
            for plan, efforts in (("graph", GRAPH_EF), ("flat", FLAT_EF)):
                curve = curves["ours %s %s" % (plan, preset)] = Curve()
                words = ["--plan", plan, "--ef", ef_words(efforts)]
                sides.append(lambda c=curve, s=segment, w=words: own_pass(c, data, key, s, w, simd=simd))
            curve = curves["ours auto %s" % preset] = Curve()
            words = ["--recall", ef_words(RECALLS)]
            sides.append(lambda c=curve, s=segment, w=words: own_pass(c, data, key, s, w, simd=simd))
        for kind, construction in peers:
            peer = state.peer(kind, construction, name, simd == "avx2")
            curve = curves[peer.name] = Curve()
            sides.append(lambda c=curve, p=peer: peer_pass(c, data, key, p, PEER_EF))
        in_turns(state.rounds, sides)
        for label, curve in curves.items():
            emit("curve/%s/%s/%s" % (name, key, label), None, "us", state.rounds,
                 points=[[round(r, 5), round(t, 1)] for r, t in curve.points()])
    return result


def search_rows(state, curves, construction, prefix="", recalls=RECALLS):
    for key, by_name in curves.items():
        own = {n: c for n, c in by_name.items() if n.startswith("ours") and "auto" not in n}
        peers = {n: c for n, c in by_name.items() if re.search(r"^(hnswlib|faiss).* M?\w* ?efc%d" % construction, n)}
        for recall in recalls:
            plan, mine = cheapest(own, recall)
            best, theirs = cheapest(peers, recall)
            more = {}
            if not best:  # nobody got there: the most they reached, which is too good for them
                best, (most, theirs) = max(((n, c.best()[-1]) for n, c in peers.items()), key=lambda item: item[1][0])
                more = {"peer_recall": most}
            emit("%ssearch_%g/%s" % (prefix, recall, key), mine, "us", state.rounds, best, theirs, plan=plan, **more)


def part_search(state):
    peers = [(kind, c) for c in (200, 80) for kind in ("hnswlib", "faiss-hnsw")]
    curves = state.curves["real384"] = measure_curves(state, "real384", peers, presets=("quality", "fresh"))
    search_rows(state, curves, 200)
    search_rows(state, curves, 80, "efc80_")
    for key, by_name in curves.items():
        for effort, recall in sorted(by_name["ours auto quality"].recall.items(), key=str):
            took = statistics.median(by_name["ours auto quality"].times[effort])
            emit("auto/%s/%s" % (key, effort[1]), took, "us", state.rounds, recall=recall, plan=effort[0],
                 met=recall >= effort[1] - 0.005)


def part_avx2(state):
    compare_builds(state, "avx2_", [("build_fresh", "fresh", 80, ["hnswlib", "faiss-hnsw"])], simd="avx2")
    curves = measure_curves(state, "real384", [("hnswlib", 80), ("faiss-hnsw", 80)], "avx2", ("quality",))
    search_rows(state, curves, 80, "avx2_", [0.95, 0.99, 0.995])


def bits_of(may, name):
    path = os.path.join(WORK, name + ".bits")
    np.packbits(may, bitorder="little").tofile(path)
    return path


def filter_rows(data, kind, share):
    """Rows that may be answers: any, or those nearest to one row, which go with the vectors and not with a query."""
    count = max(K, int(len(data.rows) * share))
    may = np.zeros(len(data.rows), bool)
    if kind == "random":
        may[np.random.Generator(np.random.PCG64(5)).choice(len(data.rows), count, replace=False)] = True
    else:
        centre = data.rows[len(data.rows) // 2]
        scores = np.concatenate([data.scores(centre[None], data.rows[s:s + 50_000])[0]
                                 for s in range(0, len(data.rows), 50_000)])
        may[np.argpartition(-scores, count - 1)[:count]] = True
    return may


def part_filter(state):
    """40 queries: a peer needs tens of milliseconds for one where few rows may be answers."""
    whole = state.data()
    few = os.path.join(WORK, "q_few.f32")
    whole.values["in"][:40].astype("<f4").tofile(few)
    data = state.sets["few"] = Set("few", whole.base, {"in": few}, whole.dim)
    segment = state.segment()
    peers = [state.peer("hnswlib", 80), state.peer("faiss-hnsw", 80)]
    for share in (0.5, 0.1, 0.01, 0.001):
        efforts = {0.5: PEER_EF, 0.1: PEER_EF[1:] + [1024], 0.01: [128, 512, 1024, 2048], 0.001: [512, 2048]}[share]
        for kind in ("random", "correlated"):
            may, tag = filter_rows(data, kind, share), "-%s-%g" % (kind, share)
            bits = bits_of(may, "may" + tag)
            data.truth("in", may, tag)
            own = {"auto": Curve(), "graph": Curve(), "flat": Curve(), "scan": Curve()}
            theirs = {peer.name: Curve() for peer in peers}
            sides = []
            for plan, curve in own.items():
                words = ["--recall", "0.9,0.95,0.99"] if plan == "auto" else ["--plan", plan, "--ef", {
                    "graph": "10,16,24,32,48,64,96,128", "flat": "20,40,100,200", "scan": "10"}[plan]]
                words += ["--filter", bits, "--rounds", "5"]
                sides.append(lambda c=curve, w=words: own_pass(c, data, "in", segment, w, tag=tag))
            sides += [lambda p=p: peer_pass(theirs[p.name], data, "in", p, efforts, bits, tag) for p in peers]
            in_turns(max(1, state.rounds - 2), sides)
            at = {plan: curve.at(0.95) for plan, curve in own.items()}
            plan, mine = min(((p, t) for p, t in at.items() if t), key=lambda item: item[1])
            chosen = next(((e, r) for e, r in own["auto"].recall.items() if e[1] == 0.95), None)
            reached = {n: c.at(0.95) for n, c in theirs.items()}
            reached = {n: t for n, t in reached.items() if t}
            best = min(reached, key=reached.get) if reached else max(theirs, key=lambda n: theirs[n].best()[-1][0])
            emit("filter_%g/%s" % (share, kind), mine, "us", state.rounds, best, reached.get(best) or
                 theirs[best].best()[-1][1], plan=plan, plans_us=at, auto_plan=chosen[0][0], auto_recall=chosen[1],
                 auto_us=statistics.median(own["auto"].times[chosen[0]]),
                 peer_recall=0.95 if reached else theirs[best].best()[-1][0])


def few_rows(data):
    """The same set with 100 rows: what a process weighs without an index."""
    path = os.path.join(WORK, "hundred.f32")
    data.rows[:100].astype("<f4").tofile(path)
    return Set("hundred", path, {"in": data.queries["in"]}, data.dim)


def resident_of_ours(data, segment, plan, ef):
    """Memory while it searches: the process is looked at in the middle of many passes."""
    child = subprocess.Popen([LAKEHOUSE, "vector", "bench", "--base", data.base, "--queries", data.queries["in"], "--dim",
                              str(data.dim), "--index", segment, "--truth", data.truth("in")[0], "--plan", plan, "--ef",
                              "%d,%d" % (ef, ef), "--rounds", "60"], stdout=subprocess.PIPE, text=True)
    line = json.loads(child.stdout.readline())  # the second point is under way
    inside, rows = resident(child.pid, (data.base, data.queries["in"]))
    child.terminate()
    child.wait()
    child.stdout.close()
    return inside, rows, line


def part_memory(state):
    data = state.data()
    small = few_rows(data)
    peer, empty = state.peer("hnswlib", 200), Peer("hnswlib", small.base, data.dim, 200)
    theirs = []
    for one in (peer, empty):
        one.search(64, data.queries["in"])
        theirs.append(resident(one.process.pid, (one.base, data.queries["in"]))[0])
    empty.close()
    for row, kind, plan, ef in (("resident_graph", "graph", "graph", 64), ("resident_flat", "flat", "flat", 200)):
        inside, rows, line = resident_of_ours(data, state.segment(kind=kind), plan, ef)
        without, _, _ = resident_of_ours(small, build_ours(small, "quality", kind)[0], "exact", 10)
        emit(row, (inside - without) / 2**20, "MiB", 1, peer.name, (theirs[0] - theirs[1]) / 2**20,
             index_mib=line["bytes_resident"] / 2**20, mapped_rows_mib=rows / 2**20, process_mib=without / 2**20,
             how="PSS less that of the same process with 100 rows; mapped rows stand beside")
    _, used = build_ours(data, "quality")
    for name, what, how in (("build_peak", "peak", "VmHWM, the mapped rows included on both sides"),
                            ("build_peak_anonymous", "peak_anonymous", "RssAnon, sampled every 5 ms")):
        emit(name, used[what] / 2**20, "MiB", 1, peer.name, peer.memory[what] / 2**20, how=how)


def part_threads(state):
    data = state.data()
    for plan, ef in (("graph", 64), ("flat", 200)):
        found = {1: [], 2: []}

        def run(threads):
            lines = own_pass(Curve(), data, "in", state.segment(), ["--plan", plan, "--ef", ef, "--threads", threads,
                                                                    "--rounds", 5])
            found[threads].append(lines[0]["qps"])

        in_turns(state.rounds, [lambda: run(1), lambda: run(2)])
        one, two = (statistics.median(found[n]) for n in (1, 2))
        emit("threads/" + plan, two, "queries/s", state.rounds, "one thread of ours", one, ratio=two / one)


def part_append(state):
    """10,000 rows to an index of the others: durable and found on our side, in memory on theirs."""
    data = state.data()
    rest, more = os.path.join(WORK, "rest.f32"), os.path.join(WORK, "more.f32")
    data.rows[:-10_000].astype("<f4").tofile(rest)
    data.rows[-10_000:].astype("<f4").tofile(more)
    peer, own, cpu = Peer("hnswlib", rest, data.dim, 200), [], []
    for _ in range(state.rounds):
        lines, used = ours("bench", "--base", rest, "--queries", data.queries["in"], "--dim", data.dim, "--index",
                           build_ours(Set("rest", rest, {}, data.dim), "fresh", "exact")[0], "--plan", "exact", "--append",
                           more)
        own.append(lines[-1]["append_s"])
        assert lines[-1]["found"]
    added = peer.ask("add", more)
    emit("append", statistics.median(own), "s", state.rounds, peer.name, added["add_s"], peer_cpu_s=added["cpu_s"] -
         peer.built["build_cpu_s"], rows=10_000)
    peer.close()


def part_open(state):
    data = state.data()
    segment = state.segment(rows="f32")
    times = [own_pass(Curve(), data, "in", segment, ["--ef", 10])[0]["open_ms"] for _ in range(max(5, state.rounds))]
    emit("open_ms", statistics.median(times), "ms", len(times), bytes_file=os.path.getsize(segment),
         how="structure, ids and checksums of all but the stored rows; file in the page cache")


def part_million(state):
    name = "synthetic1m"
    folder = prepare.ensure(name)
    state.drop_peers()
    data = state.sets[name] = Set(name, os.path.join(folder, "base.f32"), {"in": os.path.join(folder, "q_in.f32")}, 384)
    state.build_rounds = 1
    compare_builds(state, "million_", [("build", "quality", 200, ["hnswlib"])], name)
    curves = {"ours": Curve(), "peer": Curve()}
    peer = state.peer("hnswlib", 200, name)
    segment = state.segment("quality", "graph", name)
    in_turns(3, [lambda: own_pass(curves["ours"], data, "in", segment, ["--plan", "graph", "--ef", ef_words(GRAPH_EF[1:])]),
                 lambda: peer_pass(curves["peer"], data, "in", peer, PEER_EF)])
    for recall in (0.9, 0.95, 0.98):
        mine, theirs = curves["ours"].at(recall), curves["peer"].at(recall)
        emit("million_search_%g" % recall, mine, "us", 3, peer.name, theirs, set="synthetic, 1,000,000 x 384",
             points=curves["ours"].points(), peer_points=curves["peer"].points())
    state.drop_peers()


def part_768(state):
    compare_builds(state, "768_", [("build_quality", "quality", 200, ["hnswlib"])], "real768")
    curves = state.curves["real768"] = measure_curves(state, "real768", [("hnswlib", 200)])
    search_rows(state, curves, 200, "768_", [0.9, 0.95, 0.99])
    state.drop_peers()


def part_others(state):
    """Peers that are no reference: what they cost on the same set, one round."""
    data = state.data()
    own = state.curves.get("real384", {}).get("in", {}).get("ours graph quality")
    if not own:
        own = Curve()
        own_pass(own, data, "in", state.segment("quality", "graph"), ["--plan", "graph", "--ef", ef_words(GRAPH_EF)])
    for kind in ("faiss-hnsw-sq8", "usearch-f32", "usearch-bf16", "usearch-i8"):
        peer, curve = Peer(kind, data.base, data.dim, 80), Curve()
        peer_pass(curve, data, "in", peer, PEER_EF)
        emit("others/%s" % kind, own.at(0.99), "us", 1, peer.name, curve.at(0.99), peer_build_s=peer.built["build_s"],
             peer_points=curve.points())
        peer.close()


def part_ivf(state):
    """Kind ivf on all rows, without a peer: recall by lists, and what wanted recalls come to."""
    data = state.data()
    segment = state.segment(kind="ivf")
    for key in ("in", "out"):
        curve, wanted = Curve(), Curve()
        own_pass(curve, data, key, segment, ["--plan", "ivf", "--ef", "10,20,40,80,160,320"])
        own_pass(wanted, data, key, segment, ["--plan", "ivf", "--recall", "0.9,0.95,0.99"])
        emit("ivf/%s" % key, curve.at(0.95), "us", 1, points=curve.points(), rows=len(data.rows),
             wanted=sorted((effort[1], recall) for effort, recall in wanted.recall.items()))


def part_hostile(state):
    folder = prepare.ensure("hostile")
    with open(os.path.join(folder, "sets.json"), encoding="utf-8") as source:
        sets = json.load(source)
    for name, dim in sets.items():
        data = Set(name, os.path.join(folder, name + ".base.f32"), {"in": os.path.join(folder, name + ".q.f32")}, dim)
        peer, curve, found = Peer("hnswlib", data.base, dim, 200), Curve(), {}
        peer_pass(curve, data, "in", peer, [200])
        for kind in ("flat", "graph"):
            segment, _ = build_ours(data, "quality", kind)
            words = ["--ef", 200] + (["--plan", kind] if len(data.rows) > 1 else [])
            found[kind + " at 200"] = own_pass(Curve(), data, "in", segment, words)[0]["recall_at_k"]
            found[kind + " for .99"] = own_pass(Curve(), data, "in", segment, ["--recall", 0.99])[0]["recall_at_k"]
        emit("hostile/" + name, min(found.values()), "recall@10", 1, peer.name, curve.recall[200],
             ratio=min(found.values()) / max(curve.recall[200], 1e-9), rows=len(data.rows), dim=dim, recalls=found)
        peer.close()


PARTS = {"build": part_build, "search": part_search, "filter": part_filter, "memory": part_memory, "threads": part_threads,
         "append": part_append,
         "open": part_open, "others": part_others, "avx2": part_avx2, "ivf": part_ivf, "hostile": part_hostile, "768": part_768,
         "million": part_million}
QUICK = ["build", "search", "filter", "memory", "threads", "append", "open", "avx2"]


def main():
    global WORK
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="20,000 rows, one round, no million rows: minutes")
    parser.add_argument("--only", help="parts, with commas: " + " ".join(PARTS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--build-rounds", type=int, help="as --rounds when not given; a peer's build takes a minute")
    parser.add_argument("--svg", help="writes the curves there")
    args = parser.parse_args()
    if not os.path.exists(LAKEHOUSE):
        sys.exit("bench/vector: %s is missing: make build" % LAKEHOUSE)
    rounds = args.rounds or (1 if args.quick else 5)
    state = State(args.quick, rounds, args.build_rounds or rounds)
    WORK = tempfile.mkdtemp(prefix="lakehouse-bench-", dir=os.environ.get("LH_BENCH_WORK"))
    try:
        for name in args.only.split(",") if args.only else QUICK if args.quick else PARTS:
            begun = time.monotonic()
            PARTS[name](state)
            say("%s took %.0f s" % (name, time.monotonic() - begun))
        whole = [RATIOS[name] for name in ("search_0.99/in", "search_0.99/out") if RATIOS.get(name)]
        if whole:
            emit("vector_ratio", min(whole), "times the better of hnswlib and faiss HNSW at recall .99", rounds,
                 ratio=min(whole))
        if args.svg and state.curves:
            plot.write(args.svg, {name: {key: {n: c.points() for n, c in by.items()} for key, by in curves.items()}
                                  for name, curves in state.curves.items()})
    finally:
        state.drop_peers()
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
