#!/usr/bin/env python3
"""faiss and usearch as peers: builds once, then makes one timed pass for each line it is sent; the protocol is that of
hnsw_driver.cc. usage: peers.py KIND BASE.f32 DIM M EF_CONSTRUCTION THREADS, KIND one of
faiss-hnsw faiss-hnsw-sq8 faiss-ivfpqfs usearch-f32 usearch-bf16 usearch-i8

faiss is called by its raw wrapper, one query per call (about 1 us of Python and SWIG above C++); usearch, whose wrapper
costs more than a search, by one call with all queries on one thread, divided: that flatters it. FAISS_OPT_LEVEL=avx2
forces faiss's kernels.
"""
import json
import resource
import sys
import time

import numpy as np


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Faiss:
    FACTORIES = {"faiss-hnsw": "HNSW%d", "faiss-hnsw-sq8": "HNSW%d_SQ8", "faiss-ivfpqfs": "IVF1024,PQ%dx4fs,RFlat"}

    def __init__(self, kind, dim, degree, construction, threads):
        import faiss
        self.faiss, self.kind, self.threads = faiss, kind, threads
        faiss.omp_set_num_threads(threads)
        number = dim // 2 if kind == "faiss-ivfpqfs" else degree
        self.index = faiss.index_factory(dim, self.FACTORIES[kind] % number, faiss.METRIC_INNER_PRODUCT)
        if hasattr(self.index, "hnsw"):
            self.index.hnsw.efConstruction = construction
        self.name = "faiss %s %s efc%d" % (faiss.__version__, self.FACTORIES[kind] % number, construction)

    def add(self, rows):
        self.faiss.omp_set_num_threads(self.threads)
        if not self.index.is_trained:
            self.index.train(rows)
        self.index.add(rows)

    def parameters(self, effort, bits, rows):
        selector = self.faiss.IDSelectorBitmap((rows + 7) // 8, self.faiss.swig_ptr(bits)) if bits is not None else None
        if self.kind == "faiss-ivfpqfs":
            inner = self.faiss.SearchParametersIVF(nprobe=effort, sel=selector)
            return selector, inner, self.faiss.IndexRefineSearchParameters(k_factor=10, base_index_params=inner)
        return selector, None, self.faiss.SearchParametersHNSW(efSearch=effort, sel=selector)

    def search(self, queries, effort, k, bits, threads):
        kept = self.parameters(effort, bits, self.index.ntotal)  # all of it must outlive the calls
        self.faiss.omp_set_num_threads(threads)
        pointer, search, params = self.faiss.swig_ptr, self.index.search_c, kept[-1]
        scores, ids = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        took = np.empty(len(queries))
        if threads > 1:
            begun = time.perf_counter()
            search(len(queries), pointer(queries), k, pointer(scores), pointer(ids), params)
            took[:] = (time.perf_counter() - begun) / len(queries)
            return ids, took
        places = [(pointer(queries[i]), pointer(scores[i]), pointer(ids[i])) for i in range(len(queries))]
        for i, (query, score, found) in enumerate(places):
            begun = time.perf_counter()
            search(1, query, k, score, found, params)
            took[i] = time.perf_counter() - begun
        return ids, took


class Usearch:
    def __init__(self, kind, dim, degree, construction, threads):
        import usearch
        from usearch.index import Index
        self.threads, self.dtype = threads, kind.split("-")[1]
        self.index = Index(ndim=dim, metric="cos", dtype=self.dtype, connectivity=degree, expansion_add=construction)
        self.name = "usearch %s %s M%d efc%d" % (usearch.__version__, self.dtype, degree, construction)

    def add(self, rows):
        first = len(self.index)
        self.index.add(np.arange(first, first + len(rows)), rows, threads=self.threads)

    def search(self, queries, effort, k, bits, threads):
        if bits is not None:
            raise SystemExit("peers: usearch's Python wrapper has no filter")
        self.index.expansion_search = effort
        begun = time.perf_counter()
        found = self.index.search(queries, k, threads=threads)
        return found.keys.astype(np.int64), np.full(len(queries), (time.perf_counter() - begun) / len(queries))


def answer(peer, dim, words):
    if words[0] == "add":
        rows = np.fromfile(words[1], "<f4").reshape(-1, dim)
        begun = time.perf_counter()
        peer.add(rows)
        return {"add_s": time.perf_counter() - begun, "cpu_s": cpu_seconds()}
    effort, threads, queries, bits, ids_path, k = words[1:]
    queries = np.fromfile(queries, "<f4").reshape(-1, dim)
    bits = None if bits == "-" else np.fromfile(bits, np.uint8)
    begun = time.perf_counter()
    ids, took = peer.search(queries, int(effort), int(k), bits, int(threads))
    wall = time.perf_counter() - begun
    if ids_path != "-":
        ids.astype("<i4").tofile(ids_path)
    p50, p95, p99 = (float(x) * 1e6 for x in np.quantile(took, (0.5, 0.95, 0.99)))
    return {"p50_us": p50, "p95_us": p95, "p99_us": p99, "qps": len(queries) / wall}


def main():
    kind, path, dim, degree, construction, threads = sys.argv[1:]
    base = np.memmap(path, "<f4", "r").reshape(-1, int(dim))
    peer = (Faiss if kind.startswith("faiss") else Usearch)(kind, int(dim), int(degree), int(construction), int(threads))
    before, begun = cpu_seconds(), time.perf_counter()
    peer.add(base)
    print(json.dumps({"build_s": time.perf_counter() - begun, "build_cpu_s": cpu_seconds() - before,
                      "name": peer.name}), flush=True)
    del base
    for line in sys.stdin:
        print(json.dumps(answer(peer, int(dim), line.split())), flush=True)


if __name__ == "__main__":
    main()
