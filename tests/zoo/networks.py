"""Small networks as PyTorch and Keras export them, written operator by operator."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from case import ROWS, Case, rows_like
from data import HOLES, X, random

ELEMENTS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL, "str": TensorProto.STRING}


class Net:
    """A graph in the making. Layers take the names of tensors and give those of others."""

    def __init__(self, opset=17, dtype=np.float32, producer="pytorch"):
        self.opset, self.dtype, self.producer = opset, dtype, producer
        self.nodes, self.inputs, self.outputs, self.constants, self.count = [], [], [], [], 0

    def input(self, name, columns, element="float32", rows="batch_size"):
        shape = [rows] if columns is None else [rows, *columns] if isinstance(columns, list) else [rows, columns]
        self.inputs.append(helper.make_tensor_value_info(name, ELEMENTS[element], shape))
        return name

    def constant(self, values):
        self.count += 1
        name = f"layers.{self.count}.weight"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weights(self, *shape, scale=None):
        return self.constant((random.normal(size=shape) * (scale or shape[0] ** -0.5)).astype(self.dtype))

    def op(self, operator, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"/layers/{self.count}/{operator}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"/layers/{self.count}/{operator}", **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, x, before, after):
        """As PyTorch's Linear: the weights are transposed."""
        return self.op("Gemm", x, self.weights(after, before, scale=before ** -0.5), self.weights(after), alpha=1.0, beta=1.0, transB=1)

    def dense(self, x, before, after):
        """As Keras' Dense."""
        return self.op("Add", self.op("MatMul", x, self.weights(before, after)), self.weights(after))

    def batch_norm(self, x, width):
        variance = self.constant(random.uniform(0.5, 2, size=width).astype(self.dtype))
        return self.op("BatchNormalization", x, self.weights(width), self.weights(width), self.weights(width), variance, epsilon=1e-5)

    def layer_norm(self, x, width):
        return self.op("LayerNormalization", x, self.weights(width), self.weights(width), axis=-1, epsilon=1e-5)

    def embedding(self, x, rows, width):
        return self.op("Gather", self.weights(rows, width, scale=1), x)

    def output(self, name, tensor, shape, element=None):
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        element = ELEMENTS[element or np.dtype(self.dtype).name]
        self.outputs.append(helper.make_tensor_value_info(name, element, ["batch_size", *shape] if shape is not None else ["batch_size"]))

    def file(self):
        graph = helper.make_graph(self.nodes, "main_graph", self.inputs, self.outputs, self.constants)
        imports = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10, producer_name=self.producer)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def numbers(data=X, dtype=np.float32):
    return rows_like(data, random).astype(dtype)


def classifier(activation, opset=17, layer="linear", **attributes):
    """Two hidden layers and the probabilities of three classes."""
    net = Net(opset, producer="pytorch" if layer == "linear" else "tf2onnx")
    x = net.input("input", 6)
    for before, after in ((6, 16), (16, 8)):
        x = net.op(activation, getattr(net, layer)(x, before, after), **attributes)
    net.output("probabilities", net.op("Softmax", getattr(net, layer)(x, 8, 3), axis=-1), [3])
    return net.file(), {"input": numbers()}


def silu():
    """As PyTorch writes it: x · sigmoid(x)."""
    net = Net()
    x = net.linear(net.input("x", 6), 6, 32)
    x = net.op("Mul", x, net.op("Sigmoid", x))
    net.output("y", net.linear(x, 32, 1), [1])
    return net.file(), {"x": numbers()}


def gelu_by_erf():
    net = Net(opset=14)
    x = net.linear(net.input("x", 6), 6, 32)
    half = net.op("Mul", x, net.constant(np.float32(0.5)))
    x = net.op("Mul", half, net.op("Add", net.op("Erf", net.op("Div", x, net.constant(np.float32(2 ** 0.5)))), net.constant(np.float32(1))))
    net.output("y", net.linear(x, 32, 1), [1])
    return net.file(), {"x": numbers()}


def batch_normalization(dropout=True):
    net = Net()
    x = net.input("input.1", 6)
    for before, after in ((6, 32), (32, 16)):
        x = net.op("Relu", net.batch_norm(net.linear(x, before, after), after))
        x = net.op("Dropout", x, net.constant(np.float32(0.3))) if dropout else x
    net.output("33", net.op("Sigmoid", net.linear(x, 16, 1)), [1])
    return net.file(), {"input.1": numbers()}


def residual():
    """As ResNet for tables: layer normalization, and each block's input added to its output."""
    net = Net()
    x = net.linear(net.input("x_num", 6), 6, 24)
    for _ in range(3):
        inner = net.linear(net.op("Relu", net.linear(net.layer_norm(x, 24), 24, 48)), 48, 24)
        x = net.op("Add", x, inner)
    net.output("logits", net.linear(net.op("Relu", net.layer_norm(x, 24)), 24, 2), [2])
    return net.file(), {"x_num": numbers()}


def embeddings(element="int64", separate=True, keras=False):
    """Categories by position, looked up, beside numbers."""
    net = Net(producer="tf2onnx" if keras else "pytorch")
    sizes = [(7, 4), (3, 2), (50, 8)]
    codes = {}
    if separate:
        names = [net.input(f"cat_{i}", 1 if keras else None, element) for i in range(3)]
        codes = {name: random.randint(size, size=(ROWS, 1) if keras else ROWS) for name, (size, _) in zip(names, sizes)}
        columns = names
    else:
        name = net.input("x_cat", 3, element)
        codes = {name: np.stack([random.randint(size, size=ROWS) for size, _ in sizes], axis=1)}
        columns = [net.op("Gather", name, net.constant(np.int64(i)), axis=1) for i in range(3)]
    parts = []
    for column, (size, width) in zip(columns, sizes):
        if element.startswith("float"):
            column = net.op("Cast", column, to=TensorProto.INT32 if keras else TensorProto.INT64)
        looked_up = net.embedding(column, size, width)
        parts.append(net.op("Reshape", looked_up, net.constant(np.array([-1, width], np.int64))) if keras else looked_up)
    x = net.op("Concat", *parts, net.input("x_num", 6), axis=1)
    x = net.op("Relu", net.linear(x, 20, 16))
    net.output("probabilities", net.op("Softmax", net.linear(x, 16, 3), axis=1), [3])
    return net.file(), {**{name: values.astype(element) for name, values in codes.items()}, "x_num": numbers()}


def keras_functional():
    """An input for each feature, as Keras makes them of a data frame."""
    net = Net(opset=15, producer="tf2onnx")
    names = [net.input(name, 1) for name in ("age", "fare per mile", "größe:0", "dense_input/x:0")]
    x = net.op("Concat", *names, axis=-1)
    mean, deviation = net.weights(1, 4), net.constant(random.uniform(0.5, 2, size=(1, 4)).astype(np.float32))
    x = net.op("Div", net.op("Sub", x, mean), net.op("Max", net.op("Sqrt", deviation), net.constant(np.float32(1e-7))))
    x = net.op("Relu", net.dense(x, 4, 16))
    net.output("dense_1", net.op("Sigmoid", net.dense(x, 16, 1)), [1])
    rows = numbers()
    return net.file(), {name: rows[:, i:i + 1] for i, name in enumerate(names)}


def wide_and_deep(swapped=False):
    """Two inputs of numbers, one to each part."""
    net = Net()
    wide, deep = net.input("wide", 4), net.input("deep", 6)
    deep = net.op("Relu", net.linear(net.op("Relu", net.linear(deep, 6, 16)), 16, 8))
    x = net.op("Concat", *((deep, wide) if swapped else (wide, deep)), axis=1)
    net.output("out", net.linear(x, 12, 1), [1])
    return net.file(), {"wide": numbers(X[:, :4]), "deep": numbers()}


def named_alike():
    """An input whose name is that of another's column."""
    net = Net()
    left, right = net.input("x", 3), net.input("x_1", 1)
    net.output("y", net.linear(net.op("Concat", left, right, axis=1), 4, 2), [2])
    return net.file(), {"x": numbers(X[:, :3]), "x_1": numbers(X[:, :1])}


def several_outputs():
    net = Net()
    x = net.op("Relu", net.linear(net.input("features", 6), 6, 16))
    net.output("price", net.linear(x, 16, 1), [1])
    net.output("quantiles", net.linear(x, 16, 5), [5])
    net.output("class_probabilities", net.op("Softmax", net.linear(x, 16, 4), axis=1), [4])
    net.output("risk", net.op("Squeeze", net.op("Sigmoid", net.linear(x, 16, 1)), net.constant(np.array([1], np.int64))), None)
    return net.file(), {"features": numbers()}


def label_beside():
    """Probabilities, and the position of the largest."""
    net = Net()
    x = net.op("Softmax", net.linear(net.op("Tanh", net.linear(net.input("x", 6), 6, 16)), 16, 4), axis=1)
    net.output("scores", x, [4])
    net.output("label", net.op("ArgMax", x, axis=1, keepdims=0), None, "int64")
    return net.file(), {"x": numbers()}


def decision_beside():
    """Two probabilities, and a class that is not that of the larger."""
    net = Net()
    x = net.op("Softmax", net.linear(net.op("Tanh", net.linear(net.input("x", 6), 6, 16)), 16, 2), axis=1)
    net.output("probabilities", x, [2])
    second = net.op("Gather", x, net.constant(np.int64(1)), axis=1)
    net.output("label", net.op("Cast", net.op("Greater", second, net.constant(np.float32(0.3))), to=TensorProto.INT64), None, "int64")
    return net.file(), {"x": numbers()}


def label_alone():
    net = Net()
    x = net.linear(net.op("Tanh", net.linear(net.input("x", 6), 6, 16)), 16, 4)
    net.output("label", net.op("ArgMax", x, axis=1, keepdims=0), None, "int64")
    return net.file(), {"x": numbers()}


def decision_alone():
    """A threshold inside the graph."""
    net = Net()
    x = net.op("Sigmoid", net.linear(net.input("x", 6), 6, 1))
    net.output("approved", net.op("Greater", x, net.constant(np.float32(0.5))), [1], "bool")
    return net.file(), {"x": numbers()}


def float64():
    net = Net(dtype=np.float64)
    x = net.op("Relu", net.linear(net.input("x", 6, "float64"), 6, 16))
    net.output("y", net.linear(x, 16, 1), [1])
    return net.file(), {"x": numbers(X.astype(np.float64), np.float64)}


def float64_inside():
    """Numbers of 32 bits, computed with in 64."""
    net = Net(dtype=np.float64)
    x = net.op("Cast", net.input("x", 6), to=TensorProto.DOUBLE)
    x = net.linear(net.op("Tanh", net.linear(x, 6, 16)), 16, 1)
    net.output("y", net.op("Cast", x, to=TensorProto.FLOAT), [1], "float32")
    return net.file(), {"x": numbers()}


def missing_inside():
    """NaN is replaced, and whether it was there is a number of its own."""
    net = Net()
    x = net.input("x", 6)
    is_missing = net.op("IsNaN", x)
    filled = net.op("Where", is_missing, net.weights(1, 6), x)
    x = net.op("Concat", filled, net.op("Cast", is_missing, to=TensorProto.FLOAT), axis=1)
    net.output("y", net.linear(net.op("Relu", net.linear(x, 12, 16)), 16, 1), [1])
    return net.file(), {"x": numbers(HOLES)}


def attention():
    """As FT-Transformer: each number becomes a token, and tokens look at each other."""
    net, tokens, width = Net(), 6, 8
    x = net.op("Unsqueeze", net.input("x", tokens), net.constant(np.array([2], np.int64)))
    x = net.op("Add", net.op("Mul", x, net.weights(1, tokens, width)), net.weights(1, tokens, width))
    normed = net.layer_norm(x, width)
    query, key, value = (net.dense(normed, width, width) for _ in range(3))
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 2, 1]))
    scores = net.op("Softmax", net.op("Div", scores, net.constant(np.float32(width ** 0.5))), axis=-1)
    x = net.op("Add", x, net.dense(net.op("MatMul", scores, value), width, width))
    x = net.op("ReduceMean", x, axes=[1], keepdims=0)
    net.output("y", net.linear(net.op("Relu", net.layer_norm(x, width)), width, 1), [1])
    return net.file(), {"x": numbers()}


def window():
    """The last days of several series, as a table in each row."""
    net = Net()
    x = net.op("Flatten", net.input("window", [3, 4]), axis=1)
    net.output("y", net.linear(net.op("Relu", net.linear(x, 12, 16)), 16, 1), [1])
    values = np.concatenate([numbers(), numbers()], axis=1)
    return net.file(), {"window": values.reshape(ROWS, 3, 4)}


def cross():
    """Deep & Cross: the input times what it became, layer by layer."""
    net = Net()
    start = x = net.input("x", 6)
    for _ in range(3):
        x = net.op("Add", net.op("Mul", start, net.dense(x, 6, 6)), x)
    net.output("y", net.linear(x, 6, 1), [1])
    return net.file(), {"x": numbers()}


def autoencoder():
    """How far a row is from what the network makes of it."""
    net = Net()
    x = net.input("x", 6)
    again = net.linear(net.op("Tanh", net.linear(x, 6, 3)), 3, 6)
    error = net.op("Sub", x, again)
    net.output("anomaly", net.op("ReduceMean", net.op("Mul", error, error), axes=[1], keepdims=0), None)
    return net.file(), {"x": numbers()}


def fixed_rows():
    """Exported for one row."""
    net = Net()
    x = net.input("x", 6, rows=1)
    net.output("y", net.linear(net.op("Relu", net.linear(x, 6, 8)), 8, 1), [1])
    return net.file(), {"x": numbers()}


def no_width():
    """Neither rows nor columns have a size."""
    net = Net()
    x = net.input("x", "features")
    net.output("y", net.linear(net.op("Relu", net.linear(x, 6, 8)), 8, 1), [1])
    return net.file(), {"x": numbers()}


def lookup_of_texts():
    """A text's position by `ai.onnx.ml`, then an embedding."""
    net = Net()
    words = net.input("word", 1, "str")
    net.nodes.append(helper.make_node("LabelEncoder", [words], ["code"], domain="ai.onnx.ml", keys_strings=["red", "green", "blue"], values_int64s=[1, 2, 3], default_int64=0))
    x = net.op("Reshape", net.embedding("code", 4, 5), net.constant(np.array([-1, 5], np.int64)))
    x = net.op("Concat", x, net.input("x", 6), axis=1)
    net.output("y", net.linear(x, 11, 1), [1])
    graph = helper.make_graph(net.nodes, "g", net.inputs, net.outputs, net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=10)
    chosen = np.array(["red", "green", "blue"], object)[random.randint(3, size=(ROWS, 1))]
    return model.SerializeToString(), {"word": chosen, "x": numbers()}


def cases():
    for activation, opset in [("Relu", 17), ("LeakyRelu", 17), ("Elu", 17), ("Selu", 17), ("Celu", 17), ("Tanh", 17), ("Sigmoid", 17), ("Softplus", 17), ("Softsign", 17), ("HardSigmoid", 17),
                              ("HardSwish", 17), ("Mish", 18), ("Gelu", 20)]:
        yield Case(f"PyTorch-like, 2 hidden layers, {activation}", lambda activation=activation, opset=opset: classifier(activation, opset))
    yield Case("PyTorch-like, 2 hidden layers, Gelu by tanh", lambda: classifier("Gelu", 20, approximate="tanh"))
    yield Case("Keras-like, 2 hidden layers, Relu", lambda: classifier("Relu", 13, "dense"))
    yield Case("Keras-like, 2 hidden layers, Tanh, operator set 9", lambda: classifier("Tanh", 9, "dense"))
    yield Case("PyTorch-like, SiLU", silu)
    yield Case("PyTorch-like, GELU by Erf", gelu_by_erf)
    yield Case("PyTorch-like, batch normalization and dropout", batch_normalization)
    yield Case("PyTorch-like, residual blocks with layer normalization", residual, extreme=False)
    yield Case("PyTorch-like, embeddings of int64 vectors, and numbers", embeddings)
    yield Case("PyTorch-like, embeddings of int64 columns, and numbers", lambda: embeddings(separate=False))
    yield Case("PyTorch-like, embeddings of float columns, and numbers", lambda: embeddings("float32", separate=False), extreme=False)
    yield Case("Keras-like, embeddings of int64, an input each, and numbers", lambda: embeddings(keras=True))
    yield Case("Keras-like, embeddings of int32, an input each, and numbers", lambda: embeddings("int32", keras=True))
    yield Case("Keras-like, embeddings of float32, an input each, and numbers", lambda: embeddings("float32", keras=True), extreme=False)
    yield Case("Keras-like, an input for each number", keras_functional)
    yield Case("PyTorch-like, wide and deep, two inputs", wide_and_deep)
    yield Case("PyTorch-like, wide and deep, two inputs, the other way round", lambda: wide_and_deep(swapped=True))
    yield Case("PyTorch-like, inputs named alike", named_alike)
    yield Case("PyTorch-like, several outputs", several_outputs)
    yield Case("PyTorch-like, probabilities and ArgMax", label_beside)
    yield Case("PyTorch-like, probabilities and a decision at 0.3", decision_beside)
    yield Case("PyTorch-like, ArgMax alone", label_alone)
    yield Case("PyTorch-like, a decision alone", decision_alone)
    yield Case("PyTorch-like, float64", float64)
    yield Case("PyTorch-like, float64 inside", float64_inside)
    yield Case("PyTorch-like, missing values inside", missing_inside, sampled=True)
    yield Case("PyTorch-like, attention of tokens", attention)
    yield Case("PyTorch-like, a window of 3 × 4 numbers", window)
    yield Case("PyTorch-like, deep and cross", cross)
    yield Case("PyTorch-like, autoencoder", autoencoder)
    yield Case("PyTorch-like, exported for one row", fixed_rows)
    yield Case("PyTorch-like, no sizes", no_width)
    yield Case("a text's embedding beside numbers", lookup_of_texts)
