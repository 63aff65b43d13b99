#!/usr/bin/env python3
"""Writes tests/data/embed: reference tokens, a digest of every code point, golden vectors, a tiny model.

usage: deps/venv/bin/python tests/support/embed_fixtures.py deps/model/all-MiniLM-L6-v2
The result is committed; run again only when a pinned version changes. Formats are read by tests/unit/embed.
"""
import hashlib
import json
import os
import shutil
import sys

import numpy as np

import embed_reference
import embed_texts

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "embed")
NASTY_COUNT, NASTY_SEED = 900, 11
BLOCK = 4096

REAL = [
    b"Night shift forklift driver, Chicago area, OSHA certified", b"utilities to manage database dumps and restores",
    b"This package contains the shared library and the development headers.", b"GNU C Library: Shared libraries",
    b"Installed-Size is an estimate, in KiB, of the space needed on a file system",
    b"caf\xc3\xa9 na\xc3\xafve r\xc3\xa9sum\xc3\xa9",
    b"Please send an e-mail to someone@example.org (or call 555-0100) before 17:30.",
    b"fast, lightweight and extensible",
]
GOLDEN = [
    "", "hello world", "Night shift forklift driver near Chicago", "The quick brown fox jumps over the lazy dog.",
    "A lakehouse keeps files in open formats and answers SQL.", "Crème brûlée à la carte", "北京大学 and 東京大学",
    "unaffable " * 5, "word " * 400, "x", ". . . !", "Registered nurse with five years in intensive care, Dallas TX",
    "[SEP] is text here", "e\u0301" * 101, "SELECT count(*) FROM candidates WHERE city = 'Chicago';",
    "0123456789 " * 30,
]
TINY_TEXTS = ["", "abc", "the cat sat on the mat", "zebra 42!",
              "a b c d e f g h i j k l m n o p q r s t u v w x y z", "Ünïcode", "cats"]
HIDDEN, HEADS, LAYERS, WIDE, POSITIONS, TOKENS_MAX = 48, 3, 2, 80, 40, 24


def write_tokens(model):
    """One record a line: flags, text as hex, then the ids of its tokens."""
    records = embed_texts.nasty(NASTY_COUNT, NASTY_SEED, REAL)
    records = [r for r in records if len(r) < 700] + [r for r in records if len(r) >= 700][:6]
    plain = embed_reference.make_tokenizer(model)
    special = embed_reference.make_tokenizer(model, specials_as_text=False)
    with open(os.path.join(FOLDER, "tokens.txt"), "w", encoding="ascii") as out:
        for record in records:
            text = record.decode("utf-8", "replace")
            for flags, tokenizer in ((0, plain), (1, special)):
                if flags and b"[" not in record:
                    continue
                encoded = tokenizer.encode(text)
                out.write("%d %s %s\n" % (flags, record.hex() or "-", " ".join(map(str, encoded.ids))))


def write_code_points(model):
    """For each block: SHA-256 over the words of "a" + code point + "b", code point by code point."""
    tokenizer = embed_reference.make_tokenizer(model)
    with open(os.path.join(FOLDER, "code_points.txt"), "w", encoding="ascii") as out:
        for start in range(0, 0x110000, BLOCK):
            digest = hashlib.sha256()
            for code in range(start, start + BLOCK):
                if 0xD800 <= code <= 0xDFFF:
                    continue
                normal = tokenizer.normalizer.normalize_str("a" + chr(code) + "b")
                words = [w for w, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]
                digest.update((" ".join(words) + "\n").encode())
            out.write("%06x %s\n" % (start, digest.hexdigest()[:16]))


def write_golden(name, encoder, texts, query=False):
    """texts as hex, one a line; vectors as raw little-endian f32 in the same order."""
    with open(os.path.join(FOLDER, name + ".txt"), "w", encoding="ascii") as out:
        out.writelines((t.encode().hex() or "-") + "\n" for t in texts)
    vectors = np.stack([encoder.embed(t, query) for t in texts])
    with open(os.path.join(FOLDER, name + ".f32"), "wb") as out:
        out.write(vectors.astype("<f4").tobytes())


def tiny_tensors(vocab_size):
    rng = np.random.default_rng(7)
    tensors = {}

    def add(name, *shape, scale=0.3, center=0.0, dtype="F16"):
        tensors[name] = (dtype, (rng.standard_normal(shape) * scale + center).astype(np.float32))

    add("embeddings.word_embeddings.weight", vocab_size, HIDDEN, scale=1.0, dtype="BF16")
    add("embeddings.position_embeddings.weight", POSITIONS, HIDDEN, scale=0.5)
    add("embeddings.token_type_embeddings.weight", 2, HIDDEN, scale=0.5, dtype="F32")
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = "encoder.layer.%d." % layer
        for part in ("query", "key", "value"):
            add(name + "attention.self.%s.weight" % part, HIDDEN, HIDDEN)
            add(name + "attention.self.%s.bias" % part, HIDDEN, dtype="F32")
        add(name + "attention.output.dense.weight", HIDDEN, HIDDEN)
        add(name + "attention.output.dense.bias", HIDDEN)
        add(name + "intermediate.dense.weight", WIDE, HIDDEN)
        add(name + "intermediate.dense.bias", WIDE)
        add(name + "output.dense.weight", HIDDEN, WIDE, dtype="F32" if layer else "F16")
        add(name + "output.dense.bias", HIDDEN)
        norms += [name + "attention.output.LayerNorm", name + "output.LayerNorm"]
    for name in norms:
        add(name + ".weight", HIDDEN, center=1.0, scale=0.1)
        add(name + ".bias", HIDDEN, scale=0.1)
    return tensors


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, values) in tensors.items():
        if dtype == "BF16":
            raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            raw = values.astype("<f4" if dtype == "F32" else "<f2").tobytes()
        header["bert." + name] = {"dtype": dtype, "shape": list(values.shape),
                                  "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text + data)


def write_tiny():
    folder = os.path.join(FOLDER, "tiny")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "1_Pooling"))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters), *".,!?:-'[]",
             "the", "cat", "##s", "sat", "on", "mat", "query", "passage", "##bra", "ze"]
    vocab = list(dict.fromkeys(vocab))
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as out:
        out.writelines(token + "\n" for token in vocab)
    write_safetensors(os.path.join(folder, "model.safetensors"), tiny_tensors(len(vocab) + 3))
    files = {
        "config.json": {"model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN, "num_attention_heads": HEADS,
                        "num_hidden_layers": LAYERS, "intermediate_size": WIDE, "max_position_embeddings": POSITIONS,
                        "vocab_size": len(vocab) + 3, "layer_norm_eps": 1e-6, "type_vocab_size": 2},
        "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": True,
                                  "pooling_mode_mean_tokens": False},
        "sentence_bert_config.json": {"max_seq_length": TOKENS_MAX, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            json.dump(content, out, indent=1)
            out.write("\n")
    encoder = embed_reference.Encoder(folder)
    write_golden("tiny_text", encoder, TINY_TEXTS)
    write_golden("tiny_query", encoder, TINY_TEXTS, query=True)


def main():
    model = sys.argv[1]
    os.makedirs(FOLDER, exist_ok=True)
    write_tokens(model)
    write_code_points(model)
    write_golden("minilm", embed_reference.Encoder(model), GOLDEN)
    write_tiny()


main()
