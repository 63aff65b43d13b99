"""An independent reading of a BERT sentence encoder, in numpy: what src/embed is compared with.

Nothing is shared with the C code: weights come from the safetensors file, tokens from the `tokenizers` package, each
text runs alone, and the operations are written as the papers have them.

usage: embed_reference.py FOLDER [query] < lines > raw float32
"""
import json
import math
import os
import sys

import numpy as np


def read_safetensors(path):
    with open(path, "rb") as source:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        data = source.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in ("F32", "F16", "BF16"):
            continue
        raw = data[entry["data_offsets"][0]:entry["data_offsets"][1]]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, "<f4" if entry["dtype"] == "F32" else "<f2").astype(np.float32)
        tensors[name.removeprefix("bert.")] = values.reshape(entry["shape"])
    return tensors


def read_json(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as source:
        return json.load(source)


def make_tokenizer(folder, specials_as_text=True):
    """From vocab.txt alone, so that no setting of tokenizer.json (truncation, padding) comes along."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    with open(os.path.join(folder, "vocab.txt"), encoding="utf-8") as source:
        vocab = {line.rstrip("\n"): i for i, line in enumerate(source)}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None,
                                          lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    if not specials_as_text:
        names = [n for n in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if n in vocab]
        tokenizer.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])
    config = read_json(folder, "config.json")
    length = read_json(folder, "sentence_bert_config.json").get("max_seq_length", config["max_position_embeddings"])
    tokenizer.enable_truncation(min(length, config["max_position_embeddings"]))
    return tokenizer


# erf between grid points by cubic Hermite interpolation of math.erf: exact to about 1e-14.
_STEP = 2.0 ** -9
_GRID = np.array([math.erf(i * _STEP) for i in range(int(6 / _STEP) + 2)])
_SLOPE = 2 / math.sqrt(math.pi) * np.exp(-(np.arange(len(_GRID)) * _STEP) ** 2)


def erf(x):
    size = np.minimum(np.abs(x).astype(np.float64), 6.0)
    i = (size / _STEP).astype(np.int64)
    t = size / _STEP - i
    value = ((1 + 2 * t) * (1 - t) ** 2 * _GRID[i] + t * (1 - t) ** 2 * _STEP * _SLOPE[i]
             + t * t * (3 - 2 * t) * _GRID[i + 1] + t * t * (t - 1) * _STEP * _SLOPE[i + 1])
    return np.sign(x) * value


class Encoder:
    def __init__(self, folder, dtype=np.float32):
        self.dtype = dtype
        self.config = read_json(folder, "config.json")
        tensors = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.tensors = {name: values.astype(dtype) for name, values in tensors.items()}
        self.cls = bool(read_json(folder, "1_Pooling/config.json").get("pooling_mode_cls_token", False))
        prompts = read_json(folder, "config_sentence_transformers.json").get("prompts", {})
        self.query_prefix = prompts.get("query", "")
        self.text_prefix = prompts.get("document", prompts.get("passage", ""))
        self.tokenizer = make_tokenizer(folder)

    def linear(self, x, name):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        unit = (x - mean) / np.sqrt(variance + self.dtype(self.config["layer_norm_eps"]))
        return unit * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def attention(self, x, name):
        heads = self.config["num_attention_heads"]
        split = lambda part: self.linear(x, name + "self." + part).reshape(len(x), heads, -1).transpose(1, 0, 2)
        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 2, 1) / self.dtype(math.sqrt(query.shape[-1]))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self.linear((weights @ value).transpose(1, 0, 2).reshape(len(x), -1), name + "output.dense")

    def hidden(self, ids):
        t = self.tensors
        x = (t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][:len(ids)]
             + t["embeddings.token_type_embeddings.weight"][0])
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            name = "encoder.layer.%d." % layer
            x = self.norm(x + self.attention(x, name + "attention."), name + "attention.output.LayerNorm")
            wide = self.linear(x, name + "intermediate.dense")
            wide = (wide * self.dtype(0.5) * (1 + erf(wide / math.sqrt(2)))).astype(self.dtype)
            x = self.norm(x + self.linear(wide, name + "output.dense"), name + "output.LayerNorm")
        return x

    def embed(self, text, query=False):
        prefix = self.query_prefix if query else self.text_prefix
        ids = self.tokenizer.encode(prefix + text).ids
        x = self.hidden(np.array(ids))
        vector = x[0] if self.cls else x.mean(0)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def main():
    encoder = Encoder(sys.argv[1])
    for line in sys.stdin.buffer.read().split(b"\n")[:-1]:
        vector = encoder.embed(line.decode("utf-8", "replace"), query="query" in sys.argv[2:])
        sys.stdout.buffer.write(vector.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
