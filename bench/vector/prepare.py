#!/usr/bin/env python3
"""Makes the sets of bench/vector, once: what is there already is kept. usage: prepare.py [--data DIR] [--set NAME ...]

real384      100,000 texts of Debian's package descriptions (synopses, and long descriptions in pieces of 36 words)
             through `lakehouse embed`; 1,000 more of the same as queries "in" the distribution; 1,000 first sentences
             of the operations in botocore's service models as queries "out" of it: another ecosystem, written by
             others. Files base.f32 q_in.f32 q_out.f32, and the texts beside them.
real768      the same texts cut in two halves, both embedded (bf16 weights: 200,000 texts), set side by side, length
             one: real words at 768 dimensions (no model of that width is at hand), harder for a graph than a
             model's own.
synthetic1m  1,000,000 x 384, SYNTHETIC: 50,000 centres in 40 latent dimensions, skewed popularity, some noise.
hostile      small sets that break weak codes and graphs: outlier dimensions, a power-law spectrum, a shifted query
             mean, duplicates with zero vectors, no clusters, odd dimensions, tiny counts.

Everything is a function of its input and a fixed seed. The Debian descriptions are those of the machine's own apt
sources, fetched by apt into the data folder; the printed hash of the texts says whether two machines have the same.
"""
import argparse
import glob
import gzip
import hashlib
import html
import importlib.util
import json
import os
import re
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN_DIR = os.environ.get("LH_BIN_DIR", os.path.join(ROOT, "build", "release", "bin"))
DATA = os.environ.get("LH_BENCH_DATA", os.path.join(ROOT, "deps", "bench-vector"))
BASE_ROWS, QUERIES, DIM = 100_000, 1_000, 384
PIECE_WORDS, PIECE_WORDS_MIN = 36, 8
SLICE = 5_000  # texts embedded per file: a run that is stopped goes on where it was
FIRST_ROWS = 20_000  # a smaller set of the same, ready early


def say(text):
    print("prepare: " + text, file=sys.stderr, flush=True)


def write_whole(path, data):
    """A file is there whole or not at all."""
    with open(path + ".part", "wb") as out:
        out.write(data)
    os.replace(path + ".part", path)


def write_rows(path, rows):
    write_whole(path, np.ascontiguousarray(rows, "<f4").tobytes())
    say("%s: %d x %d" % (os.path.relpath(path, DATA), rows.shape[0], rows.shape[1]))


# ---- texts ----

def debian_descriptions():
    """(package, synopsis, long description) as apt has them."""
    lists = os.path.join(DATA, "apt")
    found = sorted(glob.glob(os.path.join(lists, "*_dists_*_main_i18n_Translation-en*")))
    if not found:
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        say("apt brings the package descriptions into %s" % lists)
        subprocess.run(["apt-get", "-q", "-o", "Acquire::Languages=en", "-o", "Dir::State::lists=" + lists,
                        "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "update"], check=True,
                       stdout=subprocess.DEVNULL)
        found = sorted(glob.glob(os.path.join(lists, "*_dists_*_main_i18n_Translation-en*")))
    main = [path for path in found if "security" not in path and "updates" not in path]
    if not main:
        sys.exit("prepare: apt brought no Translation-en of main: are the sources of this machine Debian's?")
    opened = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", main[0]], check=True, capture_output=True).stdout
    for block in opened.decode("utf-8", "replace").split("\n\n"):
        lines = block.split("\n")
        head = next((i for i, line in enumerate(lines) if line.startswith("Description-en: ")), None)
        if head is not None:
            text = " ".join("" if line.strip() == "." else line.strip() for line in lines[head + 1:])
            yield lines[0], lines[head][len("Description-en: "):], text


def pieces(text):
    words = text.split()
    for start in range(0, len(words), PIECE_WORDS):
        part = words[start:start + PIECE_WORDS]
        if len(part) >= PIECE_WORDS_MIN:
            yield " ".join(part)


def shuffled(texts):
    """An order that depends on nothing but the texts."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())


def debian_texts():
    texts = []
    for _, synopsis, text in debian_descriptions():
        texts.append(synopsis)
        texts.extend(pieces(text))
    return shuffled(text for text in texts if len(text) >= 12)


def cloud_texts():
    """The first words of what botocore says about each operation of each service."""
    found = importlib.util.find_spec("botocore")  # only its data is read, nothing of it runs
    if not found:
        sys.exit("prepare: botocore is not installed: make install-bench")
    texts = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(found.origin), "data", "*", "*", "service-2.json.gz"))):
        with gzip.open(path) as source:
            texts.extend(op.get("documentation", "") for op in json.load(source)["operations"].values())
    plain = [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split()[:PIECE_WORDS]) for text in texts]
    return shuffled(text for text in plain if len(text.split()) >= PIECE_WORDS_MIN)


def load_texts():
    folder = os.path.join(DATA, "texts")
    names = ("base", "q_in", "q_out")
    paths = [os.path.join(folder, name + ".txt") for name in names]
    if not all(os.path.exists(path) for path in paths):
        os.makedirs(folder, exist_ok=True)
        inside, outside = debian_texts(), cloud_texts()
        if len(inside) < BASE_ROWS + QUERIES or len(outside) < QUERIES:
            sys.exit("prepare: %d + %d texts are too few" % (len(inside), len(outside)))
        say("%d different texts of Debian, %d of botocore" % (len(inside), len(outside)))
        for path, texts in zip(paths, (inside[QUERIES:QUERIES + BASE_ROWS], inside[:QUERIES], outside[:QUERIES])):
            write_whole(path, "".join(text + "\n" for text in texts).encode())
    result = {}
    for name, path in zip(names, paths):
        data = open(path, "rb").read()
        result[name] = data.decode().split("\n")[:-1]
        say("%s: %d texts, %.1f words each, sha256 %s" % (name, len(result[name]), len(data.split()) /
                                                          len(result[name]), hashlib.sha256(data).hexdigest()[:16]))
    return result


# ---- real sets ----

def embed(texts, into, precision):
    """One slice through our own embedder; kept by what it was made from."""
    data = "".join(text + "\n" for text in texts).encode()
    name = hashlib.sha256(data).hexdigest()[:24] + ("" if precision == "f32" else "-" + precision)
    path = os.path.join(into, name + ".f32")
    if not os.path.exists(path):
        model = os.environ.get("LH_BENCH_PACKED_MODEL")
        command = [os.path.join(BIN_DIR, "lakehouse"), "embed", "--precision", precision]
        command += ["--model", model] if model else []
        write_whole(path, subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout)
    rows = np.fromfile(path, "<f4").reshape(-1, DIM)
    if len(rows) != len(texts):
        sys.exit("prepare: %s holds %d vectors for %d texts" % (path, len(rows), len(texts)))
    return rows


def embed_all(texts, first=None, precision="f32"):
    kept = os.path.join(DATA, "slices")
    os.makedirs(kept, exist_ok=True)
    rows = np.empty((len(texts), DIM), np.float32)
    begun = time.monotonic()
    for start in range(0, len(texts), SLICE):
        end = min(start + SLICE, len(texts))
        rows[start:end] = embed(texts[start:end], kept, precision)
        if first and start < FIRST_ROWS <= end < len(texts):
            write_rows(first, rows[:FIRST_ROWS])
        say("%d of %d texts, %.0f a second" % (end, len(texts), end / (time.monotonic() - begun)))
    return rows


def real384(folder):
    texts = load_texts()
    for name in ("q_in", "q_out"):
        write_rows(os.path.join(folder, name + ".f32"), embed_all(texts[name]))
    write_rows(os.path.join(folder, "base.f32"), embed_all(texts["base"], os.path.join(folder, "base_20k.f32")))


def half(text, which):
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[middle:] if which and len(words) > 1 else words[:middle])


def real768(folder):
    texts = load_texts()
    for name in ("q_in", "q_out", "base"):
        sides = [embed_all([half(text, which) for text in texts[name]], precision="bf16") for which in (0, 1)]
        write_rows(os.path.join(folder, name + ".f32"), unit(np.concatenate(sides, axis=1)))


# ---- synthetic sets ----

def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


class Clusters:
    """Points around centres in a latent space, carried into dim dimensions, with noise in all of them."""

    def __init__(self, seed, dim, centres, spread=0.6, noise=0.3, latent=40):
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.carry = self.rng.standard_normal((latent, dim), np.float32) / np.float32(np.sqrt(dim * latent))
        self.centres = self.rng.standard_normal((centres, latent), np.float32)
        self.mean = unit(self.rng.standard_normal((1, dim), np.float32)) * np.float32(0.5)
        self.spread, self.noise = np.float32(spread), np.float32(noise)

    def rows(self, count):
        which = (self.rng.random(count) ** 2 * len(self.centres)).astype(np.int64)  # some centres are popular
        latent = self.centres[which] + self.spread * self.rng.standard_normal((count, self.carry.shape[0]), np.float32)
        dim = self.carry.shape[1]
        noise = self.noise * self.rng.standard_normal((count, dim), np.float32) / np.float32(np.sqrt(dim))
        return unit(latent @ self.carry + noise + self.mean)


def synthetic1m(folder):
    made = Clusters(44, DIM, 50_000)
    write_rows(os.path.join(folder, "q_in.f32"), made.rows(QUERIES))
    path = os.path.join(folder, "base.f32")
    with open(path + ".part", "wb") as out:
        for _ in range(20):
            out.write(made.rows(50_000).astype("<f4").tobytes())
    os.replace(path + ".part", path)
    say("synthetic1m/base.f32: 1000000 x %d (SYNTHETIC)" % DIM)


def with_outliers(rows, rng):
    scale = np.ones(rows.shape[1], np.float32)
    scale[rng.choice(rows.shape[1], 5, replace=False)] = 8
    return unit(rows * scale)


def with_power_law(rows):
    return unit(rows * (np.arange(1, rows.shape[1] + 1, dtype=np.float32) ** np.float32(-0.5)))


def with_duplicates(rows, rng):
    """30 % of the rows are others again; some rows are zero."""
    rows = rows.copy()
    count = len(rows)
    rows[rng.choice(count, count * 3 // 10, replace=False)] = rows[rng.integers(0, count, count * 3 // 10)]
    rows[rng.choice(count, count // 100, replace=False)] = 0
    return rows


def hostile(folder):
    rng = np.random.Generator(np.random.PCG64(7))
    plain = Clusters(43, 384, 400).rows(20_200)
    free = unit(rng.standard_normal((20_200, 40), np.float32) @ rng.standard_normal((40, 384), np.float32))
    shifted = plain[20_000:] + unit(rng.standard_normal((1, 384), np.float32)) * np.float32(0.7)
    sets = {"outliers": with_outliers(plain, np.random.Generator(np.random.PCG64(8))),
            "power_law": with_power_law(plain), "no_clusters": free,
            "far_queries": np.concatenate([plain[:20_000], unit(shifted)]),
            "duplicates": np.concatenate([with_duplicates(plain[:20_000], rng), plain[20_000:]]),
            "dim_97": Clusters(45, 97, 400).rows(20_200), "dim_1024": Clusters(46, 1024, 400).rows(20_200),
            "dim_3": Clusters(47, 3, 40).rows(20_200)}
    for count in (1, 9, 31, 33):
        sets["rows_%d" % count] = np.concatenate([plain[:count], plain[20_000:]])
    index = {}
    for name, rows in sets.items():
        write_rows(os.path.join(folder, name + ".base.f32"), rows[:-200])
        write_rows(os.path.join(folder, name + ".q.f32"), rows[-200:])
        index[name] = rows.shape[1]
    write_whole(os.path.join(folder, "sets.json"), json.dumps(index).encode())


SETS = {"real384": real384, "real768": real768, "synthetic1m": synthetic1m, "hostile": hostile}


def ensure(name):
    """The folder of a set, made if it is not there."""
    folder = os.path.join(DATA, name)
    done = os.path.join(folder, "sets.json" if name == "hostile" else "base.f32")
    if not os.path.exists(done):
        os.makedirs(folder, exist_ok=True)
        say("making %s in %s" % (name, folder))
        SETS[name](folder)
    return folder


def main():
    global DATA
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=DATA, help="where the sets are kept (or $LH_BENCH_DATA)")
    parser.add_argument("--set", action="append", choices=sorted(SETS), help="which; all of them when not given")
    args = parser.parse_args()
    DATA = os.path.abspath(args.data)
    os.makedirs(DATA, exist_ok=True)
    for name in args.set or SETS:
        ensure(name)


if __name__ == "__main__":
    main()
