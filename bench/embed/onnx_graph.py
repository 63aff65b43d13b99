"""The peer's graphs: the same weights as ONNX, once with standard operators, once with the runtime's own fused ones.

The fused form (Attention, SkipLayerNormalization, BiasGelu of com.microsoft) is what the runtime's optimiser makes of a
transformer when it recognises one; written directly, nothing depends on whether it does.
"""
import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self, config, tensors):
        self.config = config
        self.tensors = tensors
        self.nodes = []
        self.constants = {}
        self.serial = 0

    def constant(self, values):
        name = "c%d" % len(self.constants)
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def op(self, kind, *inputs, domain="", **attributes):
        self.serial += 1
        out = "v%d" % self.serial
        self.nodes.append(helper.make_node(kind, list(inputs), [out], domain=domain, **attributes))
        return out

    def weight(self, name):
        return self.constant(self.tensors[name + ".weight"].T)

    def vector(self, name):
        return self.constant(self.tensors[name])

    def linear(self, x, name):
        return self.op("Add", self.op("MatMul", x, self.weight(name)), self.vector(name + ".bias"))

    def norm(self, x, name):
        return self.op("LayerNormalization", x, self.vector(name + ".weight"), self.vector(name + ".bias"), axis=-1,
                       epsilon=self.config["layer_norm_eps"])

    def embeddings(self):
        t = self.tensors
        positions = t["embeddings.position_embeddings.weight"] + t["embeddings.token_type_embeddings.weight"][0]
        zero, one = self.constant(np.array([0])), self.constant(np.array([1]))
        length = self.op("Gather", self.op("Shape", "input_ids"), one)
        rows = self.op("Slice", self.constant(positions), zero, length, zero)
        words = self.op("Gather", self.constant(t["embeddings.word_embeddings.weight"]), "input_ids")
        return self.norm(self.op("Add", words, rows), "embeddings.LayerNorm")

    def plain_layer(self, x, name, mask):
        heads = self.config["num_attention_heads"]
        width = self.config["hidden_size"] // heads
        split = self.constant(np.array([0, 0, heads, width]))
        join = self.constant(np.array([0, 0, heads * width]))
        order = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        part = {}
        for p in order:
            rows = self.op("Reshape", self.linear(x, name + "attention.self." + p), split)
            part[p] = self.op("Transpose", rows, perm=order[p])
        scale = self.constant(np.float32(1 / math.sqrt(width)))
        scores = self.op("Add", self.op("Mul", self.op("MatMul", part["query"], part["key"]), scale), mask)
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), part["value"])
        mixed = self.op("Reshape", self.op("Transpose", mixed, perm=[0, 2, 1, 3]), join)
        mixed = self.op("Add", self.linear(mixed, name + "attention.output.dense"), x)
        x = self.norm(mixed, name + "attention.output.LayerNorm")
        wide = self.op("Gelu", self.linear(x, name + "intermediate.dense"))
        return self.norm(self.op("Add", self.linear(wide, name + "output.dense"), x), name + "output.LayerNorm")

    def skip_norm(self, x, skip, dense, norm):
        return self.op("SkipLayerNormalization", x, skip, self.vector(norm + ".weight"), self.vector(norm + ".bias"),
                       self.vector(dense + ".bias"), domain="com.microsoft", epsilon=self.config["layer_norm_eps"])

    def fused_layer(self, x, name, mask):
        parts = [name + "attention.self." + p for p in ("query", "key", "value")]
        weight = self.constant(np.concatenate([self.tensors[p + ".weight"].T for p in parts], axis=1))
        bias = self.constant(np.concatenate([self.tensors[p + ".bias"] for p in parts]))
        mixed = self.op("Attention", x, weight, bias, mask, domain="com.microsoft",
                        num_heads=self.config["num_attention_heads"])
        dense = name + "attention.output.dense"
        mixed = self.op("MatMul", mixed, self.weight(dense))
        x = self.skip_norm(mixed, x, dense, name + "attention.output.LayerNorm")
        wide = self.op("MatMul", x, self.weight(name + "intermediate.dense"))
        wide = self.op("BiasGelu", wide, self.vector(name + "intermediate.dense.bias"), domain="com.microsoft")
        dense = name + "output.dense"
        return self.skip_norm(self.op("MatMul", wide, self.weight(dense)), x, dense, name + "output.LayerNorm")

    def plain_mask(self):
        mask = self.op("Unsqueeze", "attention_mask", self.constant(np.array([1, 2])))
        mask = self.op("Cast", mask, to=TensorProto.FLOAT)
        return self.op("Mul", self.op("Sub", self.constant(np.float32(1)), mask), self.constant(np.float32(-1e30)))


def build(config, tensors, fused):
    graph = Graph(config, tensors)
    x = graph.embeddings()
    mask = graph.op("Cast", "attention_mask", to=TensorProto.INT32) if fused else graph.plain_mask()
    for layer in range(config["num_hidden_layers"]):
        step = graph.fused_layer if fused else graph.plain_layer
        x = step(x, "encoder.layer.%d." % layer, mask)
    graph.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    shape = ["texts", "tokens"]
    body = helper.make_graph(
        graph.nodes, "encoder",
        [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, shape + [config["hidden_size"]])],
        list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(body, opset_imports=opsets)
    model.ir_version = 9
    if not fused:
        onnx.checker.check_model(model)  # it does not know the runtime's own operators
    return model.SerializeToString()
