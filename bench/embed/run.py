#!/usr/bin/env python3
"""The embedder against the libraries people use: agreement of tokens and vectors, then texts per second.

Peers: `tokenizers` (Hugging Face) and onnxruntime f32 on the same weights, the faster of two graphs, fed length-sorted
sub-batches of 32 so that it hardly pads; ours takes the texts as they come. Both sides include tokenising. Rounds are
interleaved in one run, medians are printed. usage: run.py [--rounds N] [--lines N] [--texts N] [--all-code-points]
"""
import argparse
import json
import os
import platform
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
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "support")]

import numpy as np  # noqa: E402

import embed_reference  # noqa: E402
import embed_texts  # noqa: E402

MODEL = os.environ.get("LH_BENCH_MODEL", os.path.join(ROOT, "deps", "model", "all-MiniLM-L6-v2"))
BENCH_DIR = os.environ.get("LH_BENCH_DIR", os.path.join(ROOT, "build", "release", "bench"))
DRIVER = os.path.join(BENCH_DIR, "_embed")
SORTED_BATCH = 32


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as source:
        found = re.search(r"model name\s*:\s*(.*)", source.read())
    return (found.group(1) if found else platform.machine()) + " x%d" % os.cpu_count()


def compiler_name():
    try:
        with open(os.path.join(os.path.dirname(BENCH_DIR), "gen", "build_info.h"), encoding="utf-8") as source:
            return re.search(r'LH_COMPILER "(.*)"', source.read()).group(1)
    except OSError:
        return "unknown"


CPU, COMPILER = cpu_name(), compiler_name()


def emit(name, value, unit, n, peer=None, peer_value=None, **more):
    row = {"name": name, "value": value, "unit": unit, "n": n, "peer": peer, "peer_value": peer_value}
    row["ratio"] = round(value / peer_value, 3) if peer_value else None
    row.update(more, cpu=CPU, compiler=COMPILER)
    print(json.dumps({k: round(v, 7) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    return row["ratio"]


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


class Peer:
    """onnxruntime over the same weights."""

    def __init__(self, threads, fused, reference):
        import onnxruntime

        import onnx_graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        graph = onnx_graph.build(reference.config, reference.tensors, fused)
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.tokenizer = reference.tokenizer
        self.name = "onnxruntime %s f32 %s" % (onnxruntime.__version__, "fused" if fused else "plain")

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


def check_vectors(packed, texts, reference, peer):
    words = [t.decode("utf-8", "replace") for t in texts]
    others = [("numpy f32", np.stack([reference.embed(w) for w in words])), (peer.name, peer.embed(words))]
    for kernel, count in (("avx512", len(texts)), ("avx2", len(texts)), ("scalar", 100)):
        raw = subprocess.run([DRIVER, "vectors", packed, "2"], input=b"".join(t + b"\n" for t in texts[:count]),
                             capture_output=True, check=True, env=dict(os.environ, LH_SIMD=kernel)).stdout
        ours = np.frombuffer(raw, "<f4").reshape(count, -1)
        for name, other in others:
            cosine = (ours.astype(np.float64) * other[:count]).sum(1)
            emit("embed_cosine_min_" + kernel, float(cosine.min()), "cosine", count, peer=name,
                 mean=float(cosine.mean()), largest_difference=float(np.abs(ours - other[:count]).max()))


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


def faster_peer(threads, reference, words):
    peers = [Peer(threads, fused, reference) for fused in (True, False)]
    return min(peers, key=lambda p: min(p.time(words[:256]) for _ in range(3)))


def speed(packed, folder, name, texts, threads, reference, rounds):
    path = write_lines(os.path.join(folder, name), texts)
    words = [t.decode("utf-8", "replace") for t in texts]
    peer = faster_peer(threads, reference, words)
    served = [Served("serve", packed, str(threads), path), Served("serve", packed, str(threads), path, simd="avx2")]
    times, other, tokens = [[] for _ in served], [], 0
    for _ in range(rounds):
        for driver, into in zip(served, times):
            seconds, tokens = driver.run()
            into.append(seconds)
        other.append(peer.time(words))
    ratio = None
    for driver, into in zip(served, times):
        took = statistics.median(into)
        ratio = emit("embed_%s_%dthreads" % (name, threads), len(texts) / took, "texts/s", rounds, peer=peer.name,
                     peer_value=len(texts) / statistics.median(other), kernel=driver.kernel, texts=len(texts),
                     tokens_per_s=round(tokens / took), spread=round(max(into) / min(into), 3))
        driver.close()
    return ratio


def speed_of_one(packed, folder, texts, reference, rounds):
    path = write_lines(os.path.join(folder, "one"), texts)
    words = [t.decode("utf-8", "replace") for t in texts]
    peer = Peer(1, True, reference)
    served = Served("single", packed, path)
    own, other = [], []
    for _ in range(rounds):
        own.append(served.run()[0])
        took = []
        for word in words:
            start = time.perf_counter()
            peer.batch([peer.tokenizer.encode(word).ids])
            took.append(time.perf_counter() - start)
        other.append(statistics.median(took))
    served.close()
    emit("embed_one_text_p50", statistics.median(own) * 1e3, "ms", rounds, peer=peer.name,
         peer_value=statistics.median(other) * 1e3, texts=len(texts))


def start_up(packed, rounds):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([DRIVER, "vectors", packed, "1"], input=b"hello world\n", capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    emit("embed_exec_to_first_vector", statistics.median(times) * 1e3, "ms", rounds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=60000)
    parser.add_argument("--texts", type=int, default=1000, help="short texts a pass; a tenth as many long")
    parser.add_argument("--hostile", type=int, default=60000, help="generated hostile texts")
    parser.add_argument("--all-code-points", action="store_true")
    args = parser.parse_args()
    if not os.path.exists(DRIVER):
        sys.exit("bench/embed: %s is missing: make build (with LH_BENCH=ON)" % DRIVER)
    real = [r for r in embed_texts.real_lines(args.lines) if r]
    with tempfile.TemporaryDirectory() as folder:
        packed = os.path.join(folder, "model.packed")
        start = time.perf_counter()
        subprocess.run([DRIVER, "pack", MODEL, packed], check=True)
        emit("embed_pack", time.perf_counter() - start, "s", 1, bytes=os.path.getsize(packed))
        bad = check_tokens(packed, real, args.hostile, args.all_code_points)
        reference = embed_reference.Encoder(MODEL)
        check_vectors(packed, real[:1000], reference, Peer(2, True, reference))
        speed_of_tokenizer(packed, write_lines(os.path.join(folder, "all"), real), real, args.rounds)
        start_up(packed, args.rounds)
        speed_of_one(packed, folder, real[:300], reference, args.rounds)
        words = b" ".join(real).split()
        long_texts = [b" ".join(words[i * 128:(i + 1) * 128]) for i in range(args.texts // 10)]
        for threads in (1, 2):
            speed(packed, folder, "long", long_texts, threads, reference, args.rounds)
        for threads in (1, 2):
            ratio = speed(packed, folder, "short", real[:args.texts], threads, reference, args.rounds)
        emit("embed_ratio", ratio, "x onnxruntime f32, short texts, 2 threads, avx2", args.rounds)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
