#!/usr/bin/env python3
"""The embedder against the libraries people use: agreement of tokens and vectors, then speed, share of the machine's
limit, recall, start and memory; every figure with its ratio.

Peers: `tokenizers` (Hugging Face) and onnxruntime on the same weights, f32 and its strongest int8 export (dynamic, per
channel), each as two graphs that take turns with ours: the faster one counts. short is a batch of 256. Unless said
otherwise they are fed length-sorted sub-batches of 32, so that they hardly pad; ours takes the texts as they come.
Both sides include tokenising. Rounds are interleaved in one run, medians are printed.
usage: run.py [--rounds N] [--lines N] [--texts N] [--recall N] [--packed FILE] [--only PART,...] [--all-code-points]
Parts: tokens vectors tokenizer start one long short sorted share recall.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the reference, which multiplies small matrices
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "bench"), os.path.join(ROOT, "tests", "support")]

import numpy as np  # noqa: E402

import embed_reference  # noqa: E402
import embed_texts  # noqa: E402
from result import BENCH_DIR, emit  # noqa: E402

MODEL = os.environ.get("LH_BENCH_MODEL", os.path.join(ROOT, "deps", "model", "all-MiniLM-L6-v2"))
DRIVER = os.path.join(BENCH_DIR, "_embed")
SORTED_BATCH = 32
BATCH = 256  # short texts a pass
PRECISIONS = ("f32", "bf16", "int8")
RECALL_FLOORS = {"bf16": 0.985, "int8": 0.97}  # of f32's ten nearest, 1,000 questions


class Served:
    """A driver process that makes one timed pass for each line it is sent."""

    def __init__(self, *args, simd=None):
        env = dict(os.environ, **({"LH_SIMD": simd} if simd else {}))
        self.process = subprocess.Popen([DRIVER, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=env)
        self.kernel = self.process.stdout.readline().split()[0]

    def run(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [float(x) for x in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def int8_export(graph, folder):
    """What onnxruntime's own tools make of it: weights per channel, activations as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    source, made = os.path.join(folder, "f32.onnx"), os.path.join(folder, "int8.onnx")
    with open(source, "wb") as out:
        out.write(graph)
    quantize_dynamic(source, made, per_channel=True, weight_type=QuantType.QInt8,
                     extra_options={"MatMulConstBOnly": True, "DefaultTensorType": 1})
    with open(made, "rb") as back:
        return back.read()


class Peer:
    """onnxruntime over the same weights."""

    def __init__(self, threads, fused, reference, folder=None):
        import onnxruntime

        import onnx_graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        graph = onnx_graph.build(reference.config, reference.tensors, fused)
        if folder:  # as int8
            graph = int8_export(graph, folder)
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.tokenizer = reference.tokenizer
        self.name = "onnxruntime %s %s %s" % (onnxruntime.__version__, "int8" if folder else "f32",
                                              "fused" if fused else "plain")

    def batch(self, ids):
        width = max(map(len, ids))
        tokens = np.zeros((len(ids), width), np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for row, text in enumerate(ids):
            tokens[row, :len(text)] = text
            mask[row, :len(text)] = 1
        hidden = self.session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
        pooled = (hidden * mask[:, :, None]).sum(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def embed(self, texts):
        ids = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.empty((len(ids), self.session.get_outputs()[0].shape[-1]), np.float32)
        for start in range(0, len(order), SORTED_BATCH):
            part = order[start:start + SORTED_BATCH]
            out[part] = self.batch([ids[i] for i in part])
        return out

    def time(self, texts):
        start = time.perf_counter()
        self.embed(texts)
        return time.perf_counter() - start


def write_lines(path, records):
    with open(path, "wb") as out:
        out.write(b"".join(r + b"\n" for r in records))
    return path


def differing(packed, records, flags):
    """Records whose ids differ from the reference, and tokens compared."""
    result = subprocess.run([DRIVER, "tokens", packed, str(flags)], input=b"".join(r + b"\n" for r in records),
                            capture_output=True, check=True).stdout.split(b"\n")[:-1]
    tokenizer = embed_reference.make_tokenizer(MODEL, specials_as_text=not flags)
    bad = tokens = 0
    for start in range(0, len(records), 4096):
        part = slice(start, start + 4096)
        wanted = tokenizer.encode_batch([r.decode("utf-8", "replace") for r in records[part]])
        for encoded, line in zip(wanted, result[part]):
            tokens += len(encoded.ids)
            bad += encoded.ids != [int(token.split(b":")[0]) for token in line.split()]
    return bad + abs(len(result) - len(records)), tokens


def check_tokens(packed, real, hostile_count, all_code_points):
    hostile = embed_texts.nasty(hostile_count, 5, real)
    sets = [("real_lines", real, 0), ("hostile", hostile, 0), ("hostile_with_specials", hostile, 1)]
    if all_code_points:
        every = [("x%cy %c" % (c, c)).encode() for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c != 10]
        sets.append(("code_points", every, 0))
    total = 0
    for name, records, flags in sets:
        bad, tokens = differing(packed, records, flags)
        emit("tokenizer_differing_" + name, bad, "records", len(records), peer="tokenizers", tokens=tokens)
        total += bad
    return total


def vectors_of(packed, precision, texts, kernel=None):
    env = dict(os.environ, **({"LH_SIMD": kernel} if kernel else {}))
    raw = subprocess.run([DRIVER, "vectors", packed + "@" + precision, "2"], input=b"".join(t + b"\n" for t in texts),
                         capture_output=True, check=True, env=env).stdout
    return np.frombuffer(raw, "<f4").reshape(len(texts), -1)


def check_vectors(packed, texts, reference, folder):
    """Cosine with an independent f32 encoder, by precision and instruction set; the peers' too."""
    words = [t.decode("utf-8", "replace") for t in texts]
    truth = np.stack([reference.embed(w) for w in words]).astype(np.float64)
    others = [Peer(2, True, reference), faster_peer(2, reference, words, folder)]
    errors = {}
    for peer in others:
        cosine = (peer.embed(words) * truth).sum(1)
        errors["int8" if "int8" in peer.name else "f32"] = 1 - cosine.mean()
        emit("embed_cosine_mean_of_peer", float(cosine.mean()), "cosine", len(texts), peer=peer.name,
             lowest=float(cosine.min()))
    for precision in PRECISIONS:
        for kernel, count in (("avx512", len(texts)), ("avx2", len(texts)), ("scalar", 30)):
            cosine = (vectors_of(packed, precision, texts[:count], kernel) * truth[:count]).sum(1)
            emit("embed_cosine_%s_%s" % (precision, kernel), float(cosine.min()), "cosine, lowest", count,
                 mean=float(cosine.mean()),
                 error_of_peer=round(float(errors.get(precision, np.nan) / max(1 - cosine.mean(), 1e-12)), 2))


def nearest(vectors, queries, k=10):
    return np.argpartition(-(vectors[:queries] @ vectors[queries:].T), k, axis=1)[:, :k]


def check_recall(packed, texts, queries, floors):
    """Neighbours of the first texts among the others, against those of f32. True when a floor is missed."""
    exact = vectors_of(packed, "f32", texts)
    wanted = nearest(exact, queries)
    missed = False
    for precision, floor in floors.items():
        other = vectors_of(packed, precision, texts)
        found = nearest(other, queries)
        recall = np.mean([len(set(x) & set(y)) / len(x) for x, y in zip(wanted, found)])
        emit("embed_recall_at_10_" + precision, float(recall), "of f32's neighbours", len(texts) - queries,
             queries=queries, floor=floor, cosine_mean=float((exact * other).sum(1).mean()))
        missed |= bool(recall < floor)
    return missed


def speed_of_tokenizer(packed, path, real, rounds):
    ours = Served("tokbench", packed, path)
    tokenizer = embed_reference.make_tokenizer(MODEL)
    words = [r.decode("utf-8", "replace") for r in real]
    own, other = [], []
    for _ in range(rounds):
        own.append(ours.run()[0])
        start = time.perf_counter()
        tokenizer.encode_batch_fast(words)
        other.append(time.perf_counter() - start)
    ours.close()
    size = os.path.getsize(path) / 1e6
    return emit("tokenizer_speed", size / statistics.median(own), "MB/s", rounds, peer="tokenizers (1 thread, batch)",
                peer_value=size / statistics.median(other))


def faster_peer(threads, reference, words, folder=None):
    peers = [Peer(threads, fused, reference, folder) for fused in (True, False)]
    return min(peers, key=lambda p: min(p.time(words[:256]) for _ in range(3)))


def both_graphs(threads, reference, folder):
    return [Peer(threads, fused, reference, made) for made in (None, folder) for fused in (True, False)]


def faster(precision, peers, times):
    """Seconds and peer: the faster of the two graphs of that kind."""
    kind = "int8" if precision == "int8" else "f32"
    return min(((t, p) for t, p in zip(times, peers) if " %s " % kind in p.name), key=lambda pair: pair[0])


def interleave(served, peers, words, rounds):
    """Median seconds of a pass: of each driver, of each peer; tokens of a pass."""
    times, others, tokens = [[] for _ in served], [[] for _ in peers], 0
    for _ in range(rounds):
        for driver, into in zip(served, times):
            seconds, tokens = driver.run()
            into.append(seconds)
        for peer, into in zip(peers, others):
            into.append(peer.time(words))
    for driver in served:
        driver.close()
    return [statistics.median(t) for t in times], [statistics.median(t) for t in others], tokens


def speed(packed, folder, name, texts, threads, reference, rounds):
    """f32 and bf16 against the f32 peer, int8 against its int8 export."""
    path = write_lines(os.path.join(folder, name), texts)
    words = [t.decode("utf-8", "replace") for t in texts]
    peers = both_graphs(threads, reference, folder)
    served = [Served("serve", packed + "@" + p, str(threads), path) for p in PRECISIONS]
    kernels = [driver.kernel for driver in served]
    for peer in peers:
        peer.time(words[:BATCH])  # warm
    own, other, tokens = interleave(served, peers, words, rounds)
    ratios = {}
    for precision, kernel, took in zip(PRECISIONS, kernels, own):
        theirs, peer = faster(precision, peers, other)
        ratios[precision] = emit("embed_%s_%s_%dthreads" % (name, precision, threads), len(texts) / took, "texts/s",
                                 rounds, peer=peer.name, peer_value=len(texts) / theirs, kernel=kernel,
                                 texts=len(texts), tokens_per_s=round(tokens / took))
    return ratios


def speed_of_one(packed, folder, texts, threads, reference, rounds):
    """One text at a time, the median of all; with two threads each text is shared by them, on both sides."""
    path = write_lines(os.path.join(folder, "one"), texts)
    words = [t.decode("utf-8", "replace") for t in texts]
    peers = both_graphs(threads, reference, folder)
    served = [Served("single", packed + "@" + p, str(threads), path) for p in PRECISIONS]
    own, other = [[] for _ in served], [[] for _ in peers]
    for _ in range(rounds):
        for driver, into in zip(served, own):
            into.append(driver.run()[0])
        for peer, into in zip(peers, other):
            took = []
            for word in words:
                start = time.perf_counter()
                peer.batch([peer.tokenizer.encode(word).ids])
                took.append(time.perf_counter() - start)
            into.append(statistics.median(took))
    for driver, precision, times in zip(served, PRECISIONS, own):
        theirs, peer = faster(precision, peers, [statistics.median(t) for t in other])
        ours = statistics.median(times)
        emit("embed_one_text_p50_%s_%dthreads" % (precision, threads), ours * 1e3, "ms", rounds, peer=peer.name, peer_value=theirs * 1e3,
             texts=len(texts), faster=round(theirs / ours, 2))
        driver.close()


def cpu_seconds(process):
    with open("/proc/%d/schedstat" % process.pid, encoding="ascii") as source:
        return int(source.read().split()[0]) / 1e9


def share_of_limit(packed, folder, name, texts, config, rounds):
    """Multiplications of the linear layers a second of processor time, against a loop that does nothing else."""
    path = write_lines(os.path.join(folder, name), texts)
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    macs = config["num_hidden_layers"] * (4 * hidden * hidden + 2 * hidden * wide)
    served = [Served("serve", packed + "@" + p, "1", path) for p in PRECISIONS]
    limits, own = {}, [[] for _ in served]
    for _ in range(rounds):
        out = subprocess.run([os.path.join(BENCH_DIR, "_peak"), "1"], capture_output=True, check=True, text=True).stdout
        for line in out.splitlines():
            loop, value = line.split()
            limits.setdefault(loop.split("_")[0], []).append(float(value))
        for driver, into in zip(served, own):
            before = cpu_seconds(driver.process)
            tokens = driver.run()[1]
            into.append(tokens * macs / (cpu_seconds(driver.process) - before) / 1e9)
    for driver, precision, reached in zip(served, PRECISIONS, own):
        emit("embed_share_of_limit_%s_%s" % (name, precision), statistics.median(reached), "GMAC/s", rounds,
             peer="register loop, 1 thread", peer_value=max(limits.get(precision, [0])), kernel=driver.kernel)
        driver.close()


def start_up(packed, folder, rounds):
    path = write_lines(os.path.join(folder, "hello"), [b"hello world"])
    for precision in PRECISIONS:
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run([DRIVER, "vectors", packed + "@" + precision, "1"], input=b"hello world\n",
                           capture_output=True, check=True)
            times.append(time.perf_counter() - start)
        driver = Served("single", packed + "@" + precision, "1", path)
        driver.run()
        with open("/proc/%d/status" % driver.process.pid, encoding="ascii") as source:
            resident = int(re.search(r"VmRSS:\s*(\d+)", source.read()).group(1)) / 1024
        driver.close()
        emit("embed_exec_to_first_vector_" + precision, statistics.median(times) * 1e3, "ms", rounds,
             resident_mib=round(resident, 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--texts", type=int, default=1000, help="short texts a pass; a tenth as many long")
    parser.add_argument("--hostile", type=int, default=60000, help="generated hostile texts")
    parser.add_argument("--recall", type=int, default=20000, help="documents for recall")
    parser.add_argument("--packed", help="a packed model, instead of packing one")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--all-code-points", action="store_true")
    args = parser.parse_args()
    if not os.path.exists(DRIVER):
        sys.exit("bench/embed: %s is missing: make build (with LH_BENCH=ON)" % DRIVER)
    parts = args.only.split(",") if args.only else None
    sys.exit(1 if run(args, lambda part: parts is None or part in parts) else 0)


def run(args, wanted):
    real = [r for r in embed_texts.real_lines(max(args.lines, args.recall + 1000)) if r]
    words = b" ".join(real).split()
    long_texts = [b" ".join(words[i * 128:(i + 1) * 128]) for i in range(args.texts // 10)]
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        packed = args.packed or os.path.join(folder, "model.packed")
        if not args.packed:
            start = time.perf_counter()
            subprocess.run([DRIVER, "pack", MODEL, packed], check=True)
            emit("embed_pack", time.perf_counter() - start, "s", 1, bytes=os.path.getsize(packed))
        reference = embed_reference.Encoder(MODEL)
        if wanted("tokens"):
            bad |= check_tokens(packed, real[:args.lines], args.hostile, args.all_code_points) > 0
        if wanted("vectors"):
            check_vectors(packed, real[:1000], reference, folder)
        if wanted("tokenizer"):
            speed_of_tokenizer(packed, write_lines(os.path.join(folder, "all"), real), real, args.rounds)
        if wanted("start"):
            start_up(packed, folder, args.rounds)
        if wanted("recall"):
            bad |= check_recall(packed, real[:args.recall + 1000], 1000, RECALL_FLOORS)
        if wanted("share"):
            share_of_limit(packed, folder, "short", real[:args.texts // 2], reference.config, args.rounds)
            share_of_limit(packed, folder, "long", long_texts[:20], reference.config, args.rounds)
        if wanted("one"):
            for threads in (1, 2):
                speed_of_one(packed, folder, real[:300], threads, reference, args.rounds)
        if wanted("long"):
            for threads in (1, 2):
                speed(packed, folder, "long", long_texts, threads, reference, args.rounds)
        if wanted("sorted"):  # the peer's best case: sorted over the whole set
            in_order = sorted(real[:args.texts * 10], key=lambda t: len(reference.tokenizer.encode(
                t.decode("utf-8", "replace")).ids))
            speed(packed, folder, "sorted", in_order, 2, reference, max(1, args.rounds // 2))
        if wanted("short"):
            for threads in (1, 2):
                ratios = speed(packed, folder, "short", real[:BATCH], threads, reference, args.rounds)
            emit("embed_ratio", ratios["bf16"], "x onnxruntime f32, short texts, 2 threads, bf16", args.rounds)
    return bad


if __name__ == "__main__":
    main()
