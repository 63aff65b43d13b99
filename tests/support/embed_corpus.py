#!/usr/bin/env python3
"""Writes the seed corpora of fuzz_tokenizer and fuzz_embed_model. usage: embed_corpus.py (from anywhere)"""
import os
import struct

import embed_texts

ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuzz", "corpus")


def write(folder, name, content):
    os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    with open(os.path.join(ROOT, folder, name), "wb") as out:
        out.write(content)


def main():
    texts = [t.encode() for t in embed_texts.FIXED if len(t) < 300] + list(embed_texts.BROKEN)
    for i, text in enumerate(texts):
        write("tokenizer", "text_%02d" % i, bytes([i & 1]) + text)
    patches = {
        "json_heads": (3, 0, 0, b'{"name":"m"}'), "trie_base": (2, 1, 0, struct.pack("<I", 0xFFFFFFF0)),
        "trie_id": (2, 1, 8, struct.pack("<i", 1 << 30)), "trie_short": (3, 1, 0, b"\0" * 24),
        "nan_word": (2, 2, 64 * 4, struct.pack("<f", float("nan"))),
        "huge_weight": (2, 5, 0, struct.pack("<8f", *[3e38] * 8)),
        "infinite_norm": (2, 4, 0, struct.pack("<f", float("inf"))), "layer_short": (3, 5, 0, b"\0" * 64),
        "words_long": (3, 2, 0, b"\0" * 1024), "unchanged": (2, 2, 0, b""),
    }
    for name, (mode, section, offset, content) in patches.items():
        write("embed_model", name, bytes([mode]) + struct.pack("<HH", section, offset) + content)
    header = (b'{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
              b'"b":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]}}')
    write("embed_model", "safetensors", b"\1" + len(header).to_bytes(8, "little") + header + bytes(range(28)))
    write("embed_model", "packed_magic", b"\0LHCF\1\0\0\0embed-model")


main()
