"""Small graphs, one per case of an operator, with what onnxruntime gives for them.

    python component/inference/tests/operators/generate.py           writes cases.json beside this file
    python component/inference/tests/operators/generate.py --check   fails when cases.json is stale
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, NotImplemented, RuntimeException

HERE = Path(__file__).resolve().parent
ML = "ai.onnx.ml"
MICROSOFT = "com.microsoft"
LOCAL = "local_domain"
# How onnxruntime says that it does not do something.
REFUSALS = (Fail, InvalidArgument, InvalidGraph, NotImplemented, RuntimeException)
NAN = float("nan")
INF = float("inf")
TYPES = {"float32": (TensorProto.FLOAT, np.float32), "float64": (TensorProto.DOUBLE, np.float64), "int32": (TensorProto.INT32, np.int32),
         "int64": (TensorProto.INT64, np.int64), "bool": (TensorProto.BOOL, np.bool_), "string": (TensorProto.STRING, object)}
ROWS = [[0.5, -1.25, 3.0], [-2.0, 0.0, 0.25], [1.5, 2.5, -0.75], [0.0, 0.0, 0.0], [7.0, -8.0, 0.1]]
WITH_NAN = ROWS + [[NAN, 1.0, 2.0], [1.0, NAN, NAN]]


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs, outputs, domain=domain, **attributes)


def call(function, inputs, outputs, **attributes):
    """A node that calls a function of the model."""
    return node(function, inputs, outputs, LOCAL, **attributes)


def function(name, inputs, outputs, nodes, attributes=(), defaults=None, opset=17):
    """A function, with attributes that have no default and some that have one."""
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3), helper.make_opsetid(LOCAL, 1)]
    defaults = [helper.make_attribute(key, value) for key, value in (defaults or {}).items()]
    return helper.make_function(LOCAL, name, inputs, outputs, nodes, opsets, list(attributes), defaults)


def refers(op, inputs, outputs, name, attribute, kind, **attributes):
    """A node in a function, one of whose attributes is the function's."""
    made = node(op, inputs, outputs, **attributes)
    made.attribute.append(onnx.AttributeProto(name=name, ref_attr_name=attribute, type=kind))
    return made


def branch(nodes, outputs, initializers=()):
    """A graph inside an `If`."""
    return helper.make_graph(nodes, "branch", [], [helper.make_empty_tensor_value_info(it) for it in outputs], list(initializers))


def constant(name, values, kind="float32"):
    element, dtype = TYPES[kind]
    array = np.array(values, dtype=dtype)
    return helper.make_tensor(name, element, array.shape, [str(v) for v in array.flatten()] if kind == "string" else array.flatten())


def graph(name, nodes, width, kind="float32", initializers=(), opset=17, ml=3, output="Y", optimized=True, shape=None, keys=None,
          functions=()):
    """A model from X [None, width], or of another shape, or from a map, to the tensor `output`, and a session of onnxruntime that runs it."""
    source = helper.make_tensor_value_info("X", TYPES[kind][0], [None, width] if shape is None else shape)
    if keys:
        key = TensorProto.STRING if isinstance(keys[0], str) else TensorProto.INT64
        source = helper.make_value_info("X", helper.make_map_type_proto(key, helper.make_tensor_type_proto(TYPES[kind][0], [])))
    target = helper.make_empty_tensor_value_info(output)
    made = helper.make_graph(nodes, name, [source], [target], list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    if any(it.domain == MICROSOFT for it in nodes):
        opsets.append(helper.make_opsetid(MICROSOFT, 1))
    if functions:
        opsets.append(helper.make_opsetid(LOCAL, 1))
    model = helper.make_model(made, opset_imports=opsets, ir_version=8, functions=functions).SerializeToString(deterministic=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return model, onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def case(name, nodes, rows, kind="float32", output="Y", exact=False, missing=True, **how):
    """A graph with what onnxruntime gives for each row; `null` for a row that it refuses.

    `exact` ones must agree to the bit. Where NaN is not a `missing` number, it is written "nan" instead of `null`: then the
    feature is not optional, and what the model makes of NaN is not judged when it is loaded.
    """
    model, session = graph(name, nodes, len(rows[0]), kind, output=output, **how)

    keys, shape = how.get("keys"), how.get("shape")

    def answer(row):
        x = np.array([row], dtype=TYPES[kind][1])
        if shape is not None:
            x = x.reshape([size if size else 1 for size in shape])
        try:
            found = session.run([output], {"X": dict(zip(keys, row)) if keys else x})[0]
            if isinstance(found, list) and found and isinstance(found[0], dict):
                found = [list(found[0].values())]
            parts = found if isinstance(found, list) else [found]
            return [number(v) for part in parts for v in np.asarray(part).flatten()]
        except REFUSALS:
            return None

    shown = {"name": name, "onnx": model.hex(), "type": kind, "tensor": output, "exact": exact}
    if keys:
        shown["keys"] = [str(key) for key in keys]
    null = missing and not exact and not name.startswith("hard_")
    return {
        **shown,
        "rows": [[None if null and isinstance(v, float) and np.isnan(v) else plain(v) for v in row] for row in rows],
        "outputs": [answer(row) for row in rows],
    }


def plain(value):
    """Strings for what JSON has no number for, or what not every reader of JSON takes to the bit."""
    return str(value) if isinstance(value, float) and (not np.isfinite(value) or "e" in repr(value) or len(repr(value)) > 12) else value


def number(value):
    """A float32 that JSON can hold."""
    return str(float(value)) if not np.isfinite(value) else float(format(float(value), ".9g"))


def trees(modes=("BRANCH_LEQ",), trees=3, missing=0, seed=0):
    """Attributes of `trees` complete trees of depth two over three features, and their leaves."""
    random = np.random.RandomState(seed)
    nodes = {key: [] for key in ["treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"]}
    leaves = []
    for tree in range(trees):
        for identity in range(7):
            leaf = identity >= 3
            nodes["treeids"].append(tree)
            nodes["nodeids"].append(identity)
            nodes["featureids"].append(0 if leaf else int(random.randint(3)))
            nodes["modes"].append("LEAF" if leaf else modes[int(random.randint(len(modes)))])
            nodes["values"].append(0.0 if leaf else float(random.choice([0.0, 0.5, 1.5, -0.75])))
            nodes["truenodeids"].append(0 if leaf else 2 * identity + 1)
            nodes["falsenodeids"].append(0 if leaf else 2 * identity + 2)
            if leaf:
                leaves.append((tree, identity))
    attributes = {f"nodes_{key}": values for key, values in nodes.items()}
    if missing:
        attributes["nodes_missing_value_tracks_true"] = [int(random.randint(2)) for _ in nodes["modes"]]
    return attributes, leaves


def votes(prefix, leaves, targets, low=-1.0, high=1.0, seed=1):
    """Weights of every leaf for each of `targets`."""
    random = np.random.RandomState(seed)
    pairs = [(leaf, target) for leaf in leaves for target in targets]
    return {
        f"{prefix}_treeids": [leaf[0] for leaf, _ in pairs], f"{prefix}_nodeids": [leaf[1] for leaf, _ in pairs],
        f"{prefix}_ids": [target for _, target in pairs],
        f"{prefix}_weights": [float(np.float32(random.uniform(low, high))) for _ in pairs],
    }


def tree_cases():
    for modes in [("BRANCH_LEQ",), ("BRANCH_LT",), ("BRANCH_GTE",), ("BRANCH_GT",), ("BRANCH_EQ",), ("BRANCH_NEQ",),
                  ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_EQ")]:
        for missing in (0, 1):
            attributes, leaves = trees(modes, missing=missing)
            name = f"regressor_{'_'.join(mode[7:].lower() for mode in modes)}{'_missing' * missing}"
            yield regressor(name, attributes, votes("target", leaves, [0]), n_targets=1)
    attributes, leaves = trees()
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for targets in (1, 2):
            for base in ([], [0.25] * targets):
                chosen = votes("target", leaves, range(targets))
                yield regressor(f"regressor_{aggregate}_{targets}_base{len(base)}".lower(), attributes, chosen,
                                n_targets=targets, aggregate_function=aggregate, **({"base_values": base} if base else {}))
    for transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
        for targets in (1, 2):
            if (transform, targets) in (("PROBIT", 1), ("PROBIT", 2)):
                low, high = 0.05, 0.25
            else:
                low, high = -1.0, 1.0
            chosen = votes("target", leaves, range(targets), low, high)
            yield regressor(f"regressor_{transform}_{targets}".lower(), attributes, chosen,
                            n_targets=targets, post_transform=transform)
    few = {key: values[::2] for key, values in votes("target", leaves, [0, 1], 0.05, 0.25).items()}
    few["target_ids"] = [leaf % 2 for _, leaf in leaves]
    for transform in ("NONE", "LOGISTIC", "SOFTMAX_ZERO"):
        yield regressor(f"regressor_without_votes_{transform}".lower(), attributes, few, n_targets=3, base_values=[0.25, -0.5, 0.75], post_transform=transform)
    yield case("regressor_float64", [node("TreeEnsembleRegressor", ["X"], ["Y"], ML, n_targets=1, **attributes, **votes("target", leaves, [0]))],
               ROWS, kind="float64")
    for ids in ([0], [1], [0, 1]):
        for low in (0.0, -1.0):
            for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
                for base in ([], [0.3], [0.1, -0.2]):
                    if ids == [0, 1] and len(base) == 1:
                        continue  # a row without a vote for class 1 leaves memory undefined
                    name = f"classifier_{''.join(map(str, ids))}_{'mixed' if low else 'positive'}_{transform}_base{len(base)}".lower()
                    yield classifier(name, attributes, votes("class", leaves, ids, low, 0.4), 2, transform, base)
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for base in ([], [0.1, -0.2, 0.3]):
            name = f"classifier_three_{transform}_base{len(base)}".lower()
            yield classifier(name, attributes, votes("class", leaves, [0, 1, 2]), 3, transform, base)
    yield classifier("classifier_three_probit", attributes, votes("class", leaves, [0, 1, 2], 0.05, 0.3), 3, "PROBIT", [])
    half = [leaf for leaf in leaves if leaf[1] < 5]
    yield classifier("classifier_leaves_without_votes", attributes, votes("class", half, [0, 1]), 2, "LOGISTIC", [])


def regressor(name, attributes, chosen, **more):
    rows = WITH_NAN if "missing" in name else ROWS
    return case(name, [node("TreeEnsembleRegressor", ["X"], ["Y"], ML, **attributes, **chosen, **more)], rows)


def classifier(name, attributes, chosen, classes, transform, base):
    more = {"base_values": base} if base else {}
    return case(name, [node("TreeEnsembleClassifier", ["X"], ["label", "Y"], ML, **attributes, **chosen, **more,
                            classlabels_int64s=list(range(classes)), post_transform=transform)], ROWS)


def linear_cases():
    random = np.random.RandomState(2)
    weights = [float(np.float32(v)) for v in random.uniform(-0.5, 0.5, 9)]
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for classes in (1, 2, 3):
            labels = max(classes, 2)
            yield case(f"linear_classifier_{classes}_{transform}".lower(), [node(
                "LinearClassifier", ["X"], ["label", "Y"], ML, coefficients=weights[: 3 * classes],
                intercepts=[0.1, -0.2, 0.3][:classes], classlabels_ints=list(range(labels)), post_transform=transform)], ROWS)
        for targets in (1, 2):
            yield case(f"linear_regressor_{targets}_{transform}".lower(), [node(
                "LinearRegressor", ["X"], ["Y"], ML, coefficients=weights[: 3 * targets],
                intercepts=[0.1, -0.2][:targets], targets=targets, post_transform=transform)], ROWS)
    yield case("linear_regressor_no_intercepts", [node("LinearRegressor", ["X"], ["Y"], ML, coefficients=weights[:3], targets=1)], ROWS)
    yield case("linear_classifier_int64", [node("LinearClassifier", ["X"], ["label", "Y"], ML, coefficients=weights[:6],
               intercepts=[0.1, 0.2], classlabels_strings=["a", "b"], post_transform="SOFTMAX")], [[1, 2, 3], [-4, 0, 6]], kind="int64")


def ml_cases():
    yield case("scaler", [node("Scaler", ["X"], ["Y"], ML, offset=[0.1, 0.2, 0.3], scale=[2.0, 0.3, 0.7])], WITH_NAN)
    yield case("scaler_one", [node("Scaler", ["X"], ["Y"], ML, offset=[0.1], scale=[0.3])], ROWS)
    yield case("scaler_float64", [node("Scaler", ["X"], ["Y"], ML, offset=[0.1], scale=[0.3])], ROWS, kind="float64")
    yield case("scaler_int64", [node("Scaler", ["X"], ["Y"], ML, offset=[0.1], scale=[0.3])], [[1, 2, 1 << 40]], kind="int64")
    for norm in ("MAX", "L1", "L2"):
        yield case(f"normalizer_{norm}".lower(), [node("Normalizer", ["X"], ["Y"], ML, norm=norm)], ROWS)
    yield case("imputer_nan", [node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN)], WITH_NAN)
    yield case("imputer_zero", [node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[9.0], replaced_value_float=0.0)], WITH_NAN)
    yield case("binarizer", [node("Binarizer", ["X"], ["Y"], ML, threshold=0.25)], ROWS)
    yield case("feature_vectorizer", [node("FeatureVectorizer", ["X", "X", "X"], ["Y"], ML, inputdimensions=[3, 3, 3])], ROWS)
    yield case("array_feature_extractor", [node("ArrayFeatureExtractor", ["X", "I"], ["Y"], ML)], ROWS, initializers=[constant("I", [2, 0], "int64")])
    for zeros in (0, 1):
        rows = [["a", "b"], ["c", "a"]] + [["?", "b"]] * zeros
        yield case(f"one_hot_encoder_zeros_{zeros}", [node("OneHotEncoder", ["X"], ["H"], ML, cats_strings=["b", "a", "c"], zeros=zeros),
                   node("Reshape", ["H", "S"], ["Y"])], rows, kind="string", initializers=[constant("S", [1, -1], "int64")])
    for kind, rows in (("int64", [[3, 5], [9, 3]]), ("float32", [[3.7, 5.0], [-3.0, 9.2]])):
        yield case(f"one_hot_encoder_{kind}", [node("OneHotEncoder", ["X"], ["H"], ML, cats_int64s=[5, 3, 9], zeros=1),
                   node("Flatten", ["H"], ["Y"])], rows, kind=kind)
    yield case("label_encoder_strings", [node("LabelEncoder", ["X"], ["Y"], ML, keys_strings=["b", "a", "b"], values_floats=[1.5, 2.5, 3.5],
               default_float=-7.0)], [["a", "b"], ["?", "a"]], kind="string")
    yield case("label_encoder_int64s", [node("LabelEncoder", ["X"], ["I"], ML, keys_int64s=[5, 3], values_int64s=[50, 30]),
               node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], [[5, 3], [4, 5]], kind="int64")
    yield case("label_encoder_nan", [node("LabelEncoder", ["X"], ["Y"], ML, keys_floats=[NAN, 0.5], values_floats=[1.0, 2.0])],
               [[0.5, NAN], [-0.0, 1.0]])
    yield case("label_encoder_tensors", [node("LabelEncoder", ["X"], ["Y"], ML, keys_tensor=constant("K", [NAN, 0.5]),
               values_tensor=constant("V", [1.0, 2.0]), default_tensor=constant("D", [-3.0]))], [[0.5, NAN, 8.0]], ml=4)


def cast_cases():
    yield case("cast_to_string", [node("Cast", ["X"], ["T"], to=TensorProto.STRING), node("LabelEncoder", ["T"], ["Y"], ML,
               keys_strings=["0.5", "-3", "1e+10", "1.2345679e-07", "NaN", "0.1"], values_floats=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])],
               [[0.5, -3.0, 1e10], [1.23456789e-7, NAN, 0.1]])
    yield case("cast_int64_to_string", [node("Cast", ["X"], ["T"], to=TensorProto.STRING), node("OneHotEncoder", ["T"], ["H"], ML,
               cats_strings=["7", "-2"]), node("Flatten", ["H"], ["Y"])], [[7], [-2]], kind="int64")
    yield case("cast_from_string", [node("Cast", ["X"], ["Y"], to=TensorProto.FLOAT)], [["1.5", "-2"], ["1e3", "0.1"]], kind="string")
    yield case("cast_to_int64", [node("Cast", ["X"], ["I"], to=TensorProto.INT64), node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)],
               [[0.9, -1.9, 3.0]])
    yield case("cast_to_bool", [node("Cast", ["X"], ["B"], to=TensorProto.BOOL), node("Cast", ["B"], ["Y"], to=TensorProto.FLOAT)], ROWS)
    yield case("cast_to_float64", [node("Cast", ["X"], ["Y"], to=TensorProto.DOUBLE)], ROWS)


def standard_cases():
    positive = [[abs(v) + 0.1 for v in row] for row in ROWS]
    for op in ("Abs", "Neg", "Exp", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "Softplus", "Erf", "Softmax", "LogSoftmax", "Identity"):
        yield case(f"unary_{op}".lower(), [node(op, ["X"], ["Y"])], ROWS)
    yield case("softplus_large", [node("Softplus", ["X"], ["Y"])], [[100.0, -100.0, 30.0]])
    yield case("softmax_large", [node("Softmax", ["X"], ["Y"])], [[500.0, 100.0, 499.0]])
    yield case("log_softmax_large", [node("LogSoftmax", ["X"], ["Y"])], [[500.0, 100.0, 499.0]])
    yield case("softmax_12", [node("Softmax", ["X"], ["Y"])], ROWS, opset=12)
    for op in ("Log", "Reciprocal", "Sqrt"):
        yield case(f"unary_{op}".lower(), [node(op, ["X"], ["Y"])], positive)
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
        yield case(f"binary_{op}".lower(), [node(op, ["X", "C"], ["Y"])], ROWS, initializers=[constant("C", [2.0, -0.5, 4.0])])
        yield case(f"binary_{op}_scalar".lower(), [node(op, ["C", "X"], ["Y"])], positive, initializers=[constant("C", 0.75)])
    yield case("sum_three", [node("Sum", ["X", "X", "C"], ["Y"])], ROWS, initializers=[constant("C", [1.0])])
    for exponent, kind in ((2.0, "float32"), (2, "int64"), (0.5, "float32")):
        yield case(f"pow_{exponent}_{kind}", [node("Pow", ["X", "C"], ["Y"])], positive, initializers=[constant("C", exponent, kind)])
    yield case("clip", [node("Clip", ["X", "L", "H"], ["Y"])], ROWS, initializers=[constant("L", -1.0), constant("H", 1.0)])
    yield case("clip_high", [node("Clip", ["X", "", "H"], ["Y"])], ROWS, initializers=[constant("H", 1.0)])
    matrix = [[0.5, -1.0], [0.25, 0.75], [-0.3, 0.9]]
    yield case("mat_mul", [node("MatMul", ["X", "W"], ["Y"])], ROWS, initializers=[constant("W", matrix)])
    yield case("gemm", [node("Gemm", ["X", "W", "B"], ["Y"], transB=1, alpha=0.5, beta=2.0)], ROWS,
               initializers=[constant("W", np.array(matrix).T), constant("B", [0.1, -0.2])])
    yield case("gemm_plain", [node("Gemm", ["X", "W"], ["Y"])], ROWS, initializers=[constant("W", matrix)])
    for op in ("ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"):
        for keep in (0, 1):
            yield case(f"{op}_{keep}".lower(), [node(op, ["X"], ["Y"], axes=[1], keepdims=keep)], ROWS)
    yield case("reducelogsumexp_large", [node("ReduceLogSumExp", ["X"], ["Y"], axes=[1])], [[-1000.0, -1001.0, -1003.0]])
    yield case("reducesum", [node("ReduceSum", ["X", "A"], ["Y"])], ROWS, initializers=[constant("A", [-1], "int64")])
    for op in ("ArgMax", "ArgMin"):
        yield case(op.lower(), [node(op, ["X"], ["I"], axis=1), node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], ROWS)
    for op in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"):
        yield case(op.lower(), [node(op, ["X", "C"], ["B"]), node("Cast", ["B"], ["Y"], to=TensorProto.FLOAT)], WITH_NAN,
                   initializers=[constant("C", [0.5, 0.0, 0.25])])
    logic = [node("Less", ["X", "C"], ["L"]), node("IsNaN", ["X"], ["N"]), node("Or", ["L", "N"], ["O"]), node("Not", ["O"], ["P"]),
             node("And", ["P", "P"], ["Q"]), node("Where", ["Q", "X", "C"], ["Y"])]
    yield case("logic_where", logic, WITH_NAN, initializers=[constant("C", [0.25])])
    indices = [constant("I", [2, 0], "int64")]
    yield case("gather", [node("Gather", ["X", "I"], ["Y"], axis=1)], ROWS, initializers=indices)
    yield case("gather_embedding", [node("Gather", ["T", "X"], ["G"], axis=0), node("Flatten", ["G"], ["Y"])], [[0, 2], [1, -1]], kind="int64",
               initializers=[constant("T", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])])
    yield case("slice", [node("Slice", ["X", "S", "E", "A"], ["Y"])], ROWS,
               initializers=[constant("S", [-2], "int64"), constant("E", [1 << 40], "int64"), constant("A", [1], "int64")])
    yield case("split_sizes", [node("Split", ["X", "S"], ["A", "B"], axis=-1), node("Concat", ["B", "A"], ["Y"], axis=1)], ROWS,
               initializers=[constant("S", [2, 1], "int64")])
    yield case("split_equal", [node("Split", ["X"], ["A", "B", "C"], axis=1), node("Sub", ["C", "B"], ["D"]), node("Mul", ["A", "D"], ["Y"])], ROWS)
    yield case("split_attribute", [node("Split", ["X"], ["A", "Y"], axis=1, split=[1, 2])], ROWS, opset=11)
    yield case("split_unequal", [node("Split", ["X"], ["A", "B"], axis=1, num_outputs=2), node("Concat", ["B", "A"], ["Y"], axis=1)], ROWS, opset=18)
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.25])
    yield case("constant_of_shape", [node("Shape", ["X"], ["S"]), node("ConstantOfShape", ["S"], ["C"], value=value), node("Add", ["X", "C"], ["Y"])], ROWS)
    yield case("constant_of_shape_zeros", [node("ConstantOfShape", ["S"], ["C"]), node("Concat", ["X", "C"], ["Y"], axis=1)], ROWS,
               initializers=[constant("S", [1, 2], "int64")])
    yield case("transpose", [node("Transpose", ["X"], ["T"], perm=[1, 0]), node("Reshape", ["T", "S"], ["Y"])], ROWS,
               initializers=[constant("S", [1, 3], "int64")])
    yield case("squeeze_unsqueeze", [node("Unsqueeze", ["X", "A"], ["U"]), node("Squeeze", ["U", "A"], ["Y"])], ROWS,
               initializers=[constant("A", [1], "int64")])
    yield case("expand", [node("Slice", ["X", "S", "E", "A"], ["P"]), node("Expand", ["P", "W"], ["Y"])], ROWS,
               initializers=[constant("S", [0], "int64"), constant("E", [1], "int64"), constant("A", [1], "int64"), constant("W", [1, 4], "int64")])
    shape = [node("Shape", ["X"], ["S"]), node("Gather", ["S", "I"], ["D"]), node("Cast", ["D"], ["F"], to=TensorProto.FLOAT),
             node("Mul", ["X", "F"], ["Y"])]
    yield case("shape_of_input", shape, ROWS, initializers=[constant("I", [1], "int64")])
    yield case("constant", [node("Constant", [], ["C"], value_floats=[1.0, 2.0, 3.0]), node("Add", ["X", "C"], ["Y"])], ROWS)
    yield case("concat", [node("Concat", ["X", "X"], ["Y"], axis=-1)], ROWS)
    for p in (1, 2):
        yield case(f"lp_normalization_{p}", [node("LpNormalization", ["X"], ["Y"], axis=1, p=p)], ROWS)


# What models meet that are not asked only for what they were trained on. Of each kind, every value stands at several places,
# since kernels treat the first elements, whole vectors of them and the rest apart.
HARD = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, NAN, INF, -INF, 3.4028234663852886e38, -3.4028234663852886e38, 1.1754943508222875e-38,
        1e-45, -1e-45, 1e-40, 16777216.0, 16777217.0, 2147483648.0, -2147483649.0, 9.223372036854776e18, -9.3e18, 88.8, -104.0, 1e-7, 2.5, -2.5]
HARD_VALUES = {
    "float32": HARD,
    "float64": [*HARD, 0.1, 1e300, -1e300, 5e-324, 9007199254740993.0, 4294967296.5, 3.4028235677973366e38],
    "int32": [0, 1, -1, 7, -7, 16777217, 2**31 - 1, -(2**31)],
    "int64": [0, 1, -1, 7, -7, 16777217, 2**31, -(2**31) - 1, 2**32 + 5, 2**53 + 1, 2**63 - 1, -(2**63)],
    "bool": [True, False, True],
}
TEXTS = ["0", "-0", "1.5", "1e3", " 1", "1 ", "+1", "inf", "-inf", "nan", "NaN", "INF", "Infinity", "1e400", "1e-400", "16777217",
         "9007199254740993", "-1", "9223372036854775807", "1_0", "", "abc", "1,5", "1.", "   2.5 ", ".5", "2147483648", "true", "1e39", "-", "1e", "é1"]
FLOATS = ("float32", "float64")
NEWEST = 26


def versions(op, domain="", oldest=7, newest=NEWEST):
    """Each version of an operator that onnxruntime has, as the first operator set that has it, and the newest set."""
    since = {onnx.defs.get_schema(op, version, domain).since_version for version in range(oldest, newest + 1)
             if onnx.defs.has(op, version, domain)}
    return sorted({max(version, oldest) for version in since} | {newest})


def rotated(kind):
    values = HARD_VALUES[kind]
    return [values[shift:] + values[:shift] for shift in (0, 1, 5, 11)]


def exactly(name, kind, integers=False):
    """Nodes that make float32 of a tensor, and of integers four floats each, since float32 does not hold them."""
    if not integers:
        return [node("Cast", [name], ["Y"], to=TensorProto.FLOAT)] if kind != "float32" or name != "Y" else [], []
    nodes, limbs, rest = [], [], name
    for limb in range(4):
        nodes += [node("Div", [rest, "base"], [f"q{limb}"]), node("Mul", [f"q{limb}", "base"], [f"m{limb}"]),
                  node("Sub", [rest, f"m{limb}"], [f"l{limb}"])]
        limbs.append(f"l{limb}")
        rest = f"q{limb}"
    return [*nodes, node("Concat", limbs, ["limbs"], axis=1), node("Cast", ["limbs"], ["Y"], to=TensorProto.FLOAT)], \
        [constant("base", 65536, kind)]


# The last node of a graph whose result has other dimensions, and what it needs.
FLAT = constant("flat_shape", [1, -1], "int64")


def flat():
    return node("Reshape", ["Z", "flat_shape"], ["Y"])


def attempt(*arguments, **named):
    """A case, unless onnxruntime has no such kernel: then nobody has compared with it."""
    try:
        made = case(*arguments, **named)
    except REFUSALS:
        return []
    return [made] if any(answer is not None for answer in made["outputs"]) else []


def hard_unary():
    exact = {"Abs", "Neg", "Reciprocal", "Relu", "Sqrt", "Identity", "IsNaN", "Not"}
    for op in ("Abs", "Neg", "Reciprocal", "Sqrt", "Exp", "Log", "Erf", "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus", "Identity", "IsNaN",
               "Dropout"):
        for kind in FLOATS:
            for opset in versions(op):
                finish, more = exactly("Z", kind)
                yield from attempt(f"hard_{op}_{kind}_{opset}".lower(), [node(op, ["X"], ["Z"]), *finish], rotated(kind), kind,
                                   exact=op in exact, opset=opset, initializers=more)
    yield from attempt("hard_leaky_relu_slope", [node("LeakyRelu", ["X"], ["Y"], alpha=-0.3)], rotated("float32"))
    yield from attempt("hard_elu_size", [node("Elu", ["X"], ["Y"], alpha=2.5)], rotated("float32"))


def hard_binary():
    """All pairs of hard values, as a column of constants against the row."""
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Sum"):
        for kind in ("float32", "float64", "int32", "int64"):
            if op == "Pow" and "int" in kind:
                continue
            # Which of two zeros is the larger one depends on where they stand, and from 2^31 on onnxruntime compares int64 wrongly.
            is_order = op in ("Max", "Min")
            values = [v for v in HARD_VALUES[kind] if not (is_order and (str(v) == "-0.0" or kind == "int64" and abs(v) >= 2**30))]
            constants = [v for v in values if not (op == "Div" and "int" in kind and v in (0, -1))]
            for opset in versions(op):
                compares = op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
                finish, more = exactly("flat", kind, "int" in kind and not compares)
                nodes = [node(op, ["X", "C"], ["Z"]), node("Reshape", ["Z", "S"], ["flat"]), *finish]
                initializers = [constant("C", [[v] for v in constants], kind), constant("S", [1, -1], "int64"), *more]
                exact = op not in ("Pow", "Div") or op == "Div" and kind == "float32"
                yield from attempt(f"hard_{op}_{kind}_{opset}".lower(), nodes, [values], kind, exact=exact, opset=opset, initializers=initializers)
    for op in ("And", "Or"):
        nodes = [node(op, ["X", "C"], ["Z"]), node("Reshape", ["Z", "S"], ["flat"]), *exactly("flat", "bool")[0]]
        yield from attempt(f"hard_{op}".lower(), nodes, [[True, False]], "bool", exact=True,
                           initializers=[constant("C", [[True], [False]], "bool"), constant("S", [1, -1], "int64")])
    yield from attempt("hard_not", [node("Not", ["X"], ["Z"]), *exactly("Z", "bool")[0]], [[True, False]], "bool", exact=True)
    yield from attempt("hard_equal_bool", [node("Equal", ["X", "C"], ["Z"]), *exactly("Z", "bool")[0]], [[True, False]], "bool", exact=True,
                       initializers=[constant("C", True, "bool")])
    for kind, exponent, power in (("float32", 3, "int64"), ("float32", -2, "int32"), ("float64", 0.5, "float32"), ("float32", 2.0, "float64")):
        yield from attempt(f"hard_pow_{kind}_{power}", [node("Pow", ["X", "C"], ["Z"]), *exactly("Z", kind)[0]], rotated(kind), kind,
                           initializers=[constant("C", exponent, power)])
    for kind in ("float32", "float64", "int64", "int32", "bool"):
        for opset in versions("Where"):
            width = len(HARD_VALUES[kind])
            finish, more = exactly("Z", kind, "int" in kind)
            initializers = [constant("B", [i % 3 != 0 for i in range(width)], "bool"), constant("C", HARD_VALUES[kind][1], kind),
                            constant("V", HARD_VALUES[kind], kind), *more]
            for name, inputs in (("one", ["X", "C"]), ("all", ["X", "V"]), ("swapped", ["C", "X"])):
                yield from attempt(f"hard_where_{name}_{kind}_{opset}", [node("Where", ["B", *inputs], ["Z"]), *finish], rotated(kind)[:width], kind,
                                   exact=True, opset=opset, initializers=initializers)


def hard_clip():
    bounds = [(-1.0, 1.0), (None, 1.0), (-1.0, None), (None, None), (1.0, -1.0), (NAN, 1.0), (-1.0, NAN), (-0.0, 0.0), (0.0, -0.0), (0.0, INF)]
    for kind in FLOATS:
        for opset in versions("Clip"):
            for low, high in bounds:
                if opset < 11:
                    attributes = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
                    clip, initializers = node("Clip", ["X"], ["Z"], **attributes), []
                else:
                    names = ["X", "L" if low is not None else "", "H" if high is not None else ""]
                    clip = node("Clip", names, ["Z"])
                    initializers = [constant(name, bound, kind) for name, bound in (("L", low), ("H", high)) if bound is not None]
                yield from attempt(f"hard_clip_{kind}_{opset}_{low}_{high}", [clip, *exactly("Z", kind)[0]], rotated(kind), kind, exact=low != 0,
                                   opset=opset, initializers=initializers)


TRIPLES = [[NAN, 1.0, 2.0], [1.0, NAN, 2.0], [1.0, 2.0, NAN], [NAN, NAN, NAN], [INF, 1.0, 2.0], [-INF, 1.0, 2.0], [INF, -INF, 1.0], [-INF, -INF, -INF],
           [3.4e38, 3.4e38, -3.4e38], [0.0, -0.0, 0.0], [-0.0, -0.0, -0.0], [-0.0, 0.0, 0.0], [1e-45, 1e-45, 0.0], [1e20, 1e20, 1.0], [INF, INF, INF],
           [INF, NAN, -INF], [88.9, 89.0, 1.0], [-1e38, 1.0, 2.0], [1e-30, 1e-30, 1e-30], [2.0, 2.0, 1.0], [-3.0, -3.0, -3.0], [0.0, 0.0, 0.0]]


def hard_reductions():
    wide = [[v for v in row if v != 0 or str(v) != "-0.0"] for row in rotated("float32")]
    finite = [row for row in TRIPLES if not np.isnan(row).any()]
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd", "ReduceSumSquare", "ReduceLogSumExp"):
        # Where NaN is one of several, onnxruntime has no one answer.
        triples = finite if op in ("ReduceMax", "ReduceMin", "ReduceLogSumExp") else TRIPLES
        for kind in FLOATS:
            for opset in versions(op):
                as_input = opset >= (13 if op == "ReduceSum" else 18)
                for keep in (0, 1):
                    inputs, attributes = (["X", "A"], {}) if as_input else (["X"], {"axes": [-1]})
                    if opset < 11 and not as_input:
                        attributes = {"axes": [1]}
                    nodes = [node(op, inputs, ["Z"], keepdims=keep, **attributes), *exactly("Z", kind)[0]]
                    yield from attempt(f"hard_{op}_{kind}_{opset}_{keep}".lower(), nodes, triples, kind, opset=opset,
                                       initializers=[constant("A", [-1], "int64")] if as_input else [])
        # Of a tensor of three dimensions, along the one in the middle, and along all.
        shape = [constant("S", [1, 2, -1, 5], "int64"), constant("A", [2], "int64"), FLAT]
        yield from attempt(f"hard_{op}_middle".lower(), [node("Reshape", ["X", "S"], ["R"]), node(op, ["R", "A"], ["Z"]), flat()],
                           [[(i * 37 % 19) / 4 - 2 for i in range(40)]], opset=18, initializers=shape)
        yield from attempt(f"hard_{op}_all".lower(), [node(op, ["X"], ["Z"], keepdims=0), flat()], triples, opset=18, initializers=[FLAT])
        numbers = wide if triples is TRIPLES else [[v for v in row if v == v] for row in wide]
        yield from attempt(f"hard_{op}_wide".lower(), [node(op, ["X", "A"], ["Y"])], numbers, opset=18, initializers=[constant("A", [1], "int64")])
    yield from attempt("hard_reducesum_noop", [node("ReduceSum", ["X", "A"], ["Y"], noop_with_empty_axes=1)], TRIPLES,
                       initializers=[constant("A", [], "int64")])
    for op in ("ArgMax", "ArgMin"):
        for kind in ("float32", "float64", "int32", "int64"):
            rows = TRIPLES if kind in FLOATS else [[1, 3, 3], [2**31 - 1, -(2**31), 2**31 - 1], [0, 0, 0], [-5, -5, 2]]
            for opset in versions(op):
                for last in (0, 1) if opset >= 12 else (0,):
                    more = {"select_last_index": 1} if last else {}
                    nodes = [node(op, ["X"], ["Z"], axis=-1 if opset >= 11 else 1, **more), *exactly("Z", "int64")[0]]
                    yield from attempt(f"hard_{op}_{kind}_{opset}_{last}".lower(), nodes, rows, kind, exact=True, opset=opset)
        nodes = [node("Reshape", ["X", "S"], ["R"]), node(op, ["R"], ["I"], axis=1, keepdims=0), node("Cast", ["I"], ["Z"], to=TensorProto.FLOAT), flat()]
        yield from attempt(f"hard_{op}_middle".lower(), nodes, [[float(i * 7 % 5) for i in range(24)]], exact=True,
                           initializers=[constant("S", [2, 3, 4], "int64"), FLAT])
        nodes = [node(op, ["X"], ["Z"], axis=1), *exactly("Z", "int64")[0]]
        yield from attempt(f"hard_{op}_wide".lower(), nodes, rotated("float32"), exact=True)


def hard_normalizing():
    wide = [[1.0] * 9 + [NAN] + [2.0] * 9, [1.0] * 17 + [NAN, INF], [5.0] * 19, [NAN] + [1.0] * 18, [1.0] * 18 + [-INF]]
    for op in ("Softmax", "LogSoftmax"):
        for kind in FLOATS:
            # What NaN gives in this one depends on where it stands.
            is_open = (op, kind) == ("LogSoftmax", "float64")
            triples, rows = ([row for row in rows if not (is_open and np.isnan(row).any())] for rows in (TRIPLES, wide))
            for opset in versions(op):
                for axis in (1, -1) if opset >= 11 else (1,):
                    nodes = [node(op, ["X"], ["Z"], axis=axis), *exactly("Z", kind)[0]]
                    yield from attempt(f"hard_{op}_{kind}_{opset}_{axis}".lower(), nodes, triples, kind, opset=opset)
            yield from attempt(f"hard_{op}_{kind}_wide".lower(), [node(op, ["X"], ["Z"]), *exactly("Z", kind)[0]], rows, kind)
        for opset in (11, 13):
            nodes = [node("Reshape", ["X", "S"], ["R"]), node(op, ["R"], ["Z"], axis=1), flat()]
            yield from attempt(f"hard_{op}_middle_{opset}".lower(), nodes, [[(i * 37 % 19) / 4 - 2 for i in range(24)]], opset=opset,
                               initializers=[constant("S", [2, 3, 4], "int64"), FLAT])
    for p in (1, 2):
        for kind in FLOATS:
            for opset in versions("LpNormalization"):
                yield from attempt(f"hard_lpnormalization_{p}_{kind}_{opset}", [node("LpNormalization", ["X"], ["Z"], axis=-1, p=p), *exactly("Z", kind)[0]],
                                   TRIPLES, kind, opset=opset)


def hard_cast():
    element = {kind: TYPES[kind][0] for kind in TYPES}
    for source in ("float32", "float64", "int32", "int64", "bool", "string"):
        rows = rotated(source) if source != "string" else [[text] for text in TEXTS]
        for target in TYPES:
            if target == source:
                continue
            for opset in versions("Cast"):
                cast = node("Cast", ["X"], ["Z"], to=element[target])
                if target == "string":
                    # Which of all texts that there are it is.
                    texts = sorted({text for row in rows for text in session_texts(cast, row, source, opset)})
                    nodes = [cast, node("LabelEncoder", ["Z"], ["I"], ML, keys_strings=texts, values_int64s=list(range(len(texts)))),
                             node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)]
                    more = []
                else:
                    finish, more = exactly("Z", target, "int" in target)
                    nodes = [cast, *finish]
                    if target == "float32":
                        nodes = [node("Cast", ["X"], ["Y"], to=element[target])]
                yield from attempt(f"hard_cast_{source}_to_{target}_{opset}", nodes, rows, source, exact=True, opset=opset, initializers=more)


def session_texts(cast, row, kind, opset):
    return graph("texts", [cast], len(row), kind, opset=opset, output="Z")[1].run(None, {"X": np.array([row], dtype=TYPES[kind][1])})[0].flatten()


def hard_ml():
    floats = [[NAN, 1.0, 2.0], [1.0, NAN, NAN], [INF, 1.0, -INF], [-0.0, 0.0, 1e-45], [3.4e38, -3.4e38, 1e20], [16777217.0, 2147483648.0, -9.3e18],
              [0.0, 0.0, 0.0], [-1.0, -2.0, -3.0], [0.25, -0.25, 0.5], [9.3e18, 0.5, 88.8]]
    rows = {"float32": floats, "float64": [*floats, [1e300, 0.1, -1e300], [5e-324, 16777217.0, 0.3]],
            "int64": [[16777217, 2**53 + 1, 2**63 - 1], [-(2**63), 0, 5], [1, 2, 3], [0, 0, 0]], "int32": [[16777217, -5, 2**31 - 1], [-(2**31), 0, 5], [0, 0, 0]]}
    attributes, leaves = trees(("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_GTE"), trees=9, missing=1, seed=3)
    plain_trees, plain_leaves = trees(trees=4, seed=5)
    for kind in rows:
        nodes = {
            "scaler": node("Scaler", ["X"], ["Y"], ML, offset=[0.1, 0.2, 0.3], scale=[2.0, 0.3, 0.7]),
            "scaler_none": node("Scaler", ["X"], ["Y"], ML, offset=[0.0], scale=[1.0]),
            "normalizer_max": node("Normalizer", ["X"], ["Y"], ML, norm="MAX"),
            "normalizer_l1": node("Normalizer", ["X"], ["Y"], ML, norm="L1"),
            "normalizer_l2": node("Normalizer", ["X"], ["Y"], ML, norm="L2"),
            "binarizer": node("Binarizer", ["X"], ["Y"], ML, threshold=0.25),
            "imputer_nan": node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=NAN),
            "imputer_zero": node("Imputer", ["X"], ["Y"], ML, imputed_value_floats=[9.0], replaced_value_float=0.0),
            "feature_vectorizer": node("FeatureVectorizer", ["X"], ["Y"], ML, inputdimensions=[3]),
            "linear_regressor": node("LinearRegressor", ["X"], ["Y"], ML, coefficients=[1.0, 0.5, 0.0], intercepts=[0.1], targets=1),
            "regressor": node("TreeEnsembleRegressor", ["X"], ["Y"], ML, **attributes, **votes("target", leaves, [0]), n_targets=1),
            "regressor_plain": node("TreeEnsembleRegressor", ["X"], ["Y"], ML, **plain_trees, **votes("target", plain_leaves, [0, 1]), n_targets=2),
            "classifier_two": node("TreeEnsembleClassifier", ["X"], ["label", "Y"], ML, **attributes, **votes("class", leaves, [0]),
                                   classlabels_int64s=[0, 1], post_transform="LOGISTIC"),
            "classifier_three": node("TreeEnsembleClassifier", ["X"], ["label", "Y"], ML, **plain_trees, **votes("class", plain_leaves, [0, 1, 2]),
                                     classlabels_int64s=[0, 1, 2], post_transform="SOFTMAX"),
        }
        for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
            if transform != "PROBIT":
                nodes[f"linear_classifier_pair_{transform}".lower()] = node(
                    "LinearClassifier", ["X"], ["label", "Y"], ML, coefficients=[1.0, 0.5, 0.0], intercepts=[0.1], classlabels_ints=[0, 1],
                    post_transform=transform)
            nodes[f"linear_classifier_three_{transform}".lower()] = node(
                "LinearClassifier", ["X"], ["label", "Y"], ML, coefficients=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], intercepts=[0.0, 0.0, 0.0],
                classlabels_ints=[0, 1, 2], post_transform=transform)
        for name, made in nodes.items():
            for ml in versions(made.op_type, ML, 1, 5 if not made.op_type.startswith("Tree") else 3):
                yield from attempt(f"hard_{name}_{kind}_{ml}", [made], rows[kind], kind, ml=ml)
        # The label that is left when scores are NaN or tie.
        for name in ("classifier_two", "classifier_three", "linear_classifier_pair_none", "linear_classifier_three_none"):
            yield from attempt(f"hard_label_{name}_{kind}", [nodes[name], node("Cast", ["label"], ["Z"], to=TensorProto.FLOAT)], rows[kind], kind,
                               exact=True, output="Z")
        encoder = node("OneHotEncoder", ["X"], ["H"], ML, cats_int64s=[0, 1, 16777217, 2147483648, 5, -9], zeros=1)
        yield from attempt(f"hard_one_hot_{kind}", [encoder, node("Flatten", ["H"], ["Y"])], rows[kind], kind, exact=True)
        smallest = node("OneHotEncoder", ["X"], ["H"], ML, cats_int64s=[-(2**63), 0, 1], zeros=1)
        yield from attempt(f"hard_one_hot_smallest_{kind}", [smallest, node("Flatten", ["H"], ["Y"])], rows[kind], kind, exact=True)
        strict = node("OneHotEncoder", ["X"], ["H"], ML, cats_int64s=[0, 1, 2], zeros=0)
        yield from attempt(f"hard_one_hot_strict_{kind}", [strict, node("Flatten", ["H"], ["Y"])], rows[kind], kind, exact=True)
    yield from attempt("hard_imputer_int64", [node("Imputer", ["X"], ["I"], ML, imputed_value_int64s=[9], replaced_value_int64=5),
                       node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], rows["int64"], "int64")
    texts = ["a", "", " a", "A", "é", "e\u0301", "\U0001f642", "a\u0000b"]
    yield from attempt("hard_one_hot_strings", [node("OneHotEncoder", ["X"], ["H"], ML, cats_strings=["a", "", "é", "\U0001f642"]),
                       node("Flatten", ["H"], ["Y"])], [[text] for text in texts[:-1]], "string", exact=True)
    for ml in (1, 2, 4):
        keys = {"classes_strings": ["a", "", "é"], "default_int64": -7} if ml == 1 else {
            "keys_strings": ["a", "", "é"], "values_int64s": [1, 2, 3], "default_int64": -7}
        yield from attempt(f"hard_label_encoder_strings_{ml}", [node("LabelEncoder", ["X"], ["I"], ML, **keys),
                           node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], [[text] for text in texts[:-1]], "string", ml=ml, exact=True)
    hard = [[v] for v in HARD_VALUES["float32"]]
    for ml in (2, 4):
        for name, keys in (("plain", [0.0, 0.5, INF, 16777216.0]), ("nan", [NAN, 0.5]), ("zero", [-0.0, 1.0])):
            yield from attempt(f"hard_label_encoder_{name}_{ml}", [node("LabelEncoder", ["X"], ["Y"], ML, keys_floats=keys,
                               values_floats=[float(i + 1) for i in range(len(keys))], default_float=-7.0)], hard, ml=ml, exact=True)
    yield from attempt("hard_label_encoder_int64s", [node("LabelEncoder", ["X"], ["Y"], ML, keys_int64s=[2**53 + 1, 2**63 - 1, -(2**63), 0],
                       values_floats=[1.0, 2.0, 3.0, 4.0], default_float=-7.0)], [[v] for v in HARD_VALUES["int64"]] + [[2**53]], "int64", exact=True)


def hard_moving():
    """Operators that only move elements: hard values stay as they are, with negative axes, in every version."""
    def size(values, kind="int64"):
        return constant(f"S{len(values)}_{values[0]}", values, kind)

    for kind in ("float32", "float64", "int64", "int32", "bool"):
        row = [HARD_VALUES[kind] * 2][0][:6] if kind != "bool" else [True, False, True, True, False, False]
        rows = [row, row[::-1], HARD_VALUES[kind][-6:] if kind != "bool" else row[2:] + row[:2]]
        integers = "int" in kind

        def moved(name, nodes, initializers=(), opset=17):
            finish, more = exactly("flat", kind, integers)
            flat = node("Reshape", ["Z", "flat_shape"], ["flat"])
            return attempt(f"hard_{name}_{kind}_{opset}", [*nodes, flat, *finish], rows, kind, exact=True, opset=opset,
                           initializers=[*initializers, *more, constant("flat_shape", [1, -1], "int64")])

        shape = constant("S", [1, 2, 3], "int64")
        to_cube = node("Reshape", ["X", "S"], ["R"])
        for opset in versions("Reshape"):
            yield from moved("reshape", [node("Reshape", ["X", "W"], ["Z"])], [constant("W", [0, -1, 2], "int64")], opset)
        for opset in versions("Transpose"):
            yield from moved("transpose", [to_cube, node("Transpose", ["R"], ["Z"], perm=[2, 0, 1])], [shape], opset)
            yield from moved("transpose_all", [to_cube, node("Transpose", ["R"], ["Z"])], [shape], opset)
        for opset in versions("Concat"):
            axis = -1 if opset >= 11 else 2
            yield from moved("concat", [to_cube, node("Concat", ["R", "R"], ["Z"], axis=axis)], [shape], opset)
        for opset in versions("Flatten"):
            yield from moved("flatten", [to_cube, node("Flatten", ["R"], ["Z"], axis=-2 if opset >= 11 else 1)], [shape], opset)
        for opset in versions("Squeeze"):
            if opset < 13:
                axes = [-3] if opset >= 11 else [0]
                yield from moved("squeeze", [to_cube, node("Squeeze", ["R"], ["Q"], axes=axes), node("Unsqueeze", ["Q"], ["Z"], axes=axes)], [shape], opset)
            else:
                yield from moved("squeeze", [to_cube, node("Squeeze", ["R", "A"], ["Q"]), node("Unsqueeze", ["Q", "A"], ["Z"])],
                                 [shape, constant("A", [-3], "int64")], opset)
        for opset in versions("Slice"):
            if opset < 10:
                yield from moved("slice", [node("Slice", ["X"], ["Z"], axes=[1], starts=[-5], ends=[1000])], [], opset)
            else:
                yield from moved("slice", [node("Slice", ["X", "B", "E", "A"], ["Z"])], [constant("B", [-5], "int64"), constant("E", [-1], "int64"),
                                 constant("A", [-1], "int64")], opset)
        for opset in versions("Split"):
            inputs, attributes, more = (["X"], {"split": [2, 4]}, []) if opset < 13 else (["X", "P"], {}, [constant("P", [2, 4], "int64")])
            yield from moved("split", [node("Split", inputs, ["P1", "P2"], axis=-1 if opset >= 11 else 1, **attributes),
                                       node("Concat", ["P2", "P1"], ["Z"], axis=1)], more, opset)
        for opset in versions("Gather"):
            yield from moved("gather", [node("Gather", ["X", "I"], ["Z"], axis=-1 if opset >= 11 else 1)],
                             [constant("I", [5, 0, 3] + ([-1] if opset >= 11 else []), "int64")], opset)
        for opset in versions("Expand"):
            yield from moved("expand", [to_cube, node("Expand", ["R", "W"], ["Z"])], [shape, constant("W", [2, 1, 1, 3], "int64")], opset)
        yield from moved("array_feature_extractor", [node("ArrayFeatureExtractor", ["X", "I"], ["Z"], ML)], [constant("I", [5, 0], "int64")])
        for opset in versions("Shape"):
            nodes = [to_cube, node("Shape", ["R"], ["D"]), node("Reshape", ["X", "D"], ["Z"])]
            yield from moved("shape", nodes, [shape], opset)
        yield from moved("shape_part", [to_cube, node("Shape", ["R"], ["D"], start=-2, end=3), node("Reshape", ["X", "D"], ["Z"])], [shape])
    for opset in versions("ConstantOfShape"):
        value = helper.make_tensor("value", TensorProto.FLOAT, [1], [-0.0])
        yield from attempt(f"hard_constant_of_shape_{opset}", [node("ConstantOfShape", ["W"], ["C"], value=value), node("Mul", ["X", "C"], ["Y"])],
                           rotated("float32"), exact=True, opset=opset, initializers=[constant("W", [1, 1], "int64")])
    for opset in versions("Constant"):
        value = helper.make_tensor("value", TensorProto.FLOAT, [], [NAN])
        yield from attempt(f"hard_constant_{opset}", [node("Constant", [], ["C"], value=value), node("Max", ["X", "C"], ["Y"])], rotated("float32"),
                           exact=True, opset=opset)


def hard_products():
    rows = [[NAN, 1.0, 2.0, 0.0], [INF, 1.0, -INF, 0.0], [3.4e38, 3.4e38, -3.4e38, 1.0], [-0.0, -0.0, -0.0, -0.0], [1e-45, 1e-40, 1e-38, 1.0],
            [16777217.0, -16777216.0, 1.0, 0.5]]
    weights = [[0.0, 1.0, -1.0], [1.0, 0.0, 2.0], [1.0, 0.0, 0.5], [0.0, 0.0, -3.0]]
    for kind in FLOATS:
        for opset in versions("MatMul"):
            yield from attempt(f"hard_matmul_{kind}_{opset}", [node("MatMul", ["X", "W"], ["Z"]), *exactly("Z", kind)[0]], rows, kind, opset=opset,
                               initializers=[constant("W", weights, kind)])
        for opset in versions("Gemm"):
            if opset < 11:
                inputs, initializers = ["X", "W", "B"], [constant("W", weights, kind), constant("B", [0.0, NAN, INF], kind)]
                yield from attempt(f"hard_gemm_{kind}_{opset}", [node("Gemm", inputs, ["Z"], alpha=0.5, beta=-1.0), *exactly("Z", kind)[0]], rows, kind,
                                   opset=opset, initializers=initializers)
                continue
            for b in (0, 1):
                matrix = np.array(weights).T.tolist() if b else weights
                yield from attempt(f"hard_gemm_{kind}_{opset}_{b}", [node("Gemm", ["X", "W"], ["Z"], transB=b, alpha=-2.0), *exactly("Z", kind)[0]], rows,
                                   kind, opset=opset, initializers=[constant("W", matrix, kind)])
        cube = [constant("S", [2, 1, 2], "int64"), constant("W", [[[1.0, -2.0], [0.5, 0.25]]], kind), constant("F", [1, -1], "int64")]
        yield from attempt(f"hard_matmul_cubes_{kind}", [node("Reshape", ["X", "S"], ["R"]), node("MatMul", ["R", "W"], ["P"]), node("Reshape", ["P", "F"], ["Z"]),
                           *exactly("Z", kind)[0]], rows, kind, initializers=cube)
        both = [constant("S", [2, 2], "int64"), constant("F", [1, -1], "int64")]
        for a in (0, 1):
            for b in (0, 1):
                yield from attempt(f"hard_gemm_both_{kind}_{a}{b}", [node("Reshape", ["X", "S"], ["R"]), node("Gemm", ["R", "R", "R"], ["P"], transA=a, transB=b),
                                   node("Reshape", ["P", "F"], ["Z"]), *exactly("Z", kind)[0]], [rows[0], rows[5], [0.5, -1.0, 2.0, 3.0]], kind, initializers=both)
        vector = [constant("F", [4], "int64"), constant("V", [1.0, 0.5, -1.0, 0.0], kind), constant("O", [1, 1], "int64")]
        yield from attempt(f"hard_matmul_vectors_{kind}", [node("Reshape", ["X", "F"], ["R"]), node("MatMul", ["R", "V"], ["P"]), node("Reshape", ["P", "O"], ["Z"]),
                           *exactly("Z", kind)[0]], rows, kind, initializers=vector)


def hard_functions():
    exact = {"Ceil", "Floor", "Round", "Sign", "ThresholdedRelu", "Shrink"}
    for op in ("Ceil", "Floor", "Round", "Sign", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "HardSigmoid",
               "HardSwish", "Mish", "Selu", "Celu", "Softsign", "ThresholdedRelu", "Gelu", "Swish", "Shrink"):
        for kind in FLOATS:
            for opset in versions(op):
                yield from attempt(f"hard_{op}_{kind}_{opset}".lower(), [node(op, ["X"], ["Z"]), *exactly("Z", kind)[0]], rotated(kind), kind,
                                   exact=op in exact, opset=opset)
    for op, attributes in (("HardSigmoid", {"alpha": 0.5, "beta": 0.25}), ("Selu", {"alpha": 2.0, "gamma": 0.5}), ("Celu", {"alpha": 2.5}),
                           ("ThresholdedRelu", {"alpha": -0.5}), ("Gelu", {"approximate": "tanh"}), ("Shrink", {"lambd": 1.5, "bias": 0.25})):
        yield from attempt(f"hard_{op}_attributes".lower(), [node(op, ["X"], ["Y"], **attributes)], rotated("float32"), opset=20)
    yield from attempt("hard_gelu_microsoft", [node("Gelu", ["X"], ["Y"], MICROSOFT)], rotated("float32"))
    for op in ("Abs", "Neg", "Sign", "Relu"):
        for kind in ("int32", "int64"):
            finish, more = exactly("Z", kind, True)
            # From 2^31 on, onnxruntime has the sign of another int64.
            rows = [[v for v in row if op != "Sign" or abs(v) < 2**30] for row in rotated(kind)]
            yield from attempt(f"hard_{op}_{kind}".lower(), [node(op, ["X"], ["Z"]), *finish], rows, kind, exact=True, initializers=more)
    for kind in FLOATS:
        for attributes in ({}, {"detect_negative": 0}, {"detect_positive": 0}, {"detect_negative": 0, "detect_positive": 0}):
            name = "_".join(attributes) or "both"
            yield from attempt(f"hard_isinf_{name}_{kind}", [node("IsInf", ["X"], ["Z"], **attributes), *exactly("Z", "bool")[0]], rotated(kind), kind,
                               exact=True, opset=20)
    yield from attempt("hard_xor", [node("Xor", ["X", "C"], ["Z"]), node("Reshape", ["Z", "S"], ["F"]), *exactly("F", "bool")[0]], [[True, False]], "bool",
                       exact=True, initializers=[constant("C", [[True], [False]], "bool"), constant("S", [1, -1], "int64")])
    yield from attempt("hard_equal_strings", [node("Equal", ["X", "C"], ["Z"]), *exactly("Z", "bool")[0]], [["a", "b"], ["b", ""]], "string", exact=True,
                       opset=19, initializers=[constant("C", ["a", "b"], "string")])
    for kind in ("float32", "float64", "int32", "int64"):
        constants = [v for v in HARD_VALUES[kind] if not ("int" in kind and v in (0, -1))]
        for fmod in (0, 1):
            finish, more = exactly("F", kind, "int" in kind)
            yield from attempt(f"hard_mod_{fmod}_{kind}", [node("Mod", ["X", "C"], ["Z"], fmod=fmod), node("Reshape", ["Z", "S"], ["F"]), *finish],
                               [[v for v in HARD_VALUES[kind] if kind != "int64" or abs(v) < 2**53]], kind, exact=True,
                               initializers=[constant("C", [[v] for v in constants if kind != "int64" or abs(v) < 2**53], kind),
                                             constant("S", [1, -1], "int64"), *more])
        slopes = HARD_VALUES[kind][1:5]
        yield from attempt(f"hard_prelu_{kind}", [node("PRelu", ["X", "C"], ["Z"]), *exactly("Z", kind, "int" in kind)[0]],
                           [row[:4] for row in rotated(kind)], kind, exact=True,
                           initializers=[constant("C", slopes, kind), *exactly("Z", kind, "int" in kind)[1]])
    for kind in FLOATS:
        yield from attempt(f"hard_mean_{kind}", [node("Mean", ["X", "X", "C"], ["Z"]), *exactly("Z", kind)[0]], rotated(kind), kind,
                           initializers=[constant("C", 0.5, kind)])
    for kind in ("int32", "int64"):
        finish, more = exactly("Z", kind, True)
        small = [[3, -3, 0, 1, 7, -7]]
        for power, exponent in ((kind, 2), ("float32", 3.0), (kind, 0)):
            yield from attempt(f"hard_pow_{kind}_{power}_{exponent}", [node("Pow", ["X", "C"], ["Z"]), *finish], small, kind, exact=True,
                               initializers=[constant("C", exponent, power), *more])
        # It also compares int64 wrongly from 2^31 on.
        clipped = [[v for v in row if abs(v) < 2**30] for row in rotated(kind)]
        yield from attempt(f"hard_clip_{kind}", [node("Clip", ["X", "L", "H"], ["Z"]), *finish], clipped, kind, exact=True,
                           initializers=[constant("L", -5, kind), constant("H", 100, kind), *more])
        yield from attempt(f"hard_clip_low_{kind}", [node("Clip", ["X", "L"], ["Z"]), *finish], clipped, kind, exact=True,
                           initializers=[constant("L", -5, kind), *more])
        rows = [[1, 3, 3], [20000, 5, 1], [0, 0, 0], [-5, -5, 2], [7, -9, 11]]
        for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
            yield from attempt(f"hard_{op}_{kind}".lower(), [node(op, ["X", "A"], ["Z"]), *finish], rows, kind, exact=True, opset=18,
                               initializers=[constant("A", [1], "int64"), *more])
    for op in ("ReduceL1", "ReduceLogSum"):
        for kind in FLOATS:
            for keep in (0, 1):
                yield from attempt(f"hard_{op}_{kind}_{keep}".lower(), [node(op, ["X", "A"], ["Z"], keepdims=keep), *exactly("Z", kind)[0]], TRIPLES, kind,
                                   opset=18, initializers=[constant("A", [-1], "int64")])


def cube(name, nodes, rows, kind="float32", initializers=(), integers=None, shape=(2, 3, 4), **how):
    """A case whose nodes read the row as R, a tensor of another shape, and write Z of any shape."""
    is_integer = "int" in kind if integers is None else integers
    finish, more = exactly("flat", kind, is_integer)
    given = [constant("cube_shape", shape, "int64"), constant("flat_shape", [1, -1], "int64"), *more, *initializers]
    if not is_integer and kind == "float32":
        finish = [node("Identity", ["flat"], ["Y"])]
    return attempt(f"hard_{name}_{kind}", [node("Reshape", ["X", "cube_shape"], ["R"]), *nodes, node("Reshape", ["Z", "flat_shape"], ["flat"]), *finish],
                   rows, kind, initializers=given, **how)


def hard_places():
    """Operators that put elements elsewhere, on tensors of three dimensions."""
    def integers(name, values):
        return constant(name, values, "int64")

    for kind in ("float32", "float64", "int64", "int32"):
        values = (HARD_VALUES[kind] * 3)[:24]
        rows = [values, values[::-1]]
        for name, nodes, more in (
            ("tile", [node("Tile", ["R", "N"], ["Z"])], [integers("N", [1, 2, 2])]),
            ("pad", [node("Pad", ["R", "P"], ["Z"])], [integers("P", [0, 1, 2, 1, 0, 1])]),
            ("pad_negative", [node("Pad", ["R", "P"], ["Z"])], [integers("P", [0, -1, 2, 0, 0, -1])]),
            ("pad_value", [node("Pad", ["R", "P", "V"], ["Z"])], [integers("P", [0, 1, 2, 1, 0, 1]), constant("V", HARD_VALUES[kind][1], kind)]),
            ("pad_axes", [node("Pad", ["R", "P", "", "A"], ["Z"])], [integers("P", [2, 1]), integers("A", [-1])]),
            ("pad_reflect", [node("Pad", ["R", "P"], ["Z"], mode="reflect")], [integers("P", [0, 1, 2, 1, 2, 3])]),
            ("pad_edge", [node("Pad", ["R", "P"], ["Z"], mode="edge")], [integers("P", [1, 4, 2, 1, 0, 1])]),
            ("pad_wrap", [node("Pad", ["R", "P"], ["Z"], mode="wrap")], [integers("P", [0, 1, 2, 1, 0, 1])]),
            ("gather_elements", [node("GatherElements", ["R", "I"], ["Z"], axis=1)], [integers("I", [[[0, 2, -1, 1]], [[1, 1, 0, -3]]])]),
            ("gather_nd", [node("GatherND", ["R", "I"], ["Z"])], [integers("I", [[0, 1], [1, -1]])]),
            ("gather_nd_batch", [node("GatherND", ["R", "I"], ["Z"], batch_dims=1)], [integers("I", [[1], [2]])]),
            ("gather_nd_all", [node("GatherND", ["R", "I"], ["Z"])], [integers("I", [[[0, 1, 2]], [[1, 0, 3]]])]),
            ("slice_steps", [node("Slice", ["R", "S", "E", "A", "T"], ["Z"])],
             [integers("S", [5, 0]), integers("E", [-6, 3]), integers("A", [2, 1]), integers("T", [-2, 2])]),
            ("trilu", [node("Trilu", ["R"], ["Z"])], []),
            ("trilu_lower", [node("Trilu", ["R", "K"], ["Z"], upper=0)], [integers("K", 1)]),
            ("compress", [node("Compress", ["R", "C"], ["Z"], axis=1)], [constant("C", [True, False, True], "bool")]),
            ("compress_flat", [node("Compress", ["R", "C"], ["Z"])], [constant("C", [False, True, True, False, True], "bool")]),
            ("reverse_sequence", [node("ReverseSequence", ["R", "L"], ["Z"], batch_axis=0, time_axis=1)], [integers("L", [3, 2])]),
            ("scatter_elements", [node("ScatterElements", ["R", "I", "U"], ["Z"], axis=1)],
             [integers("I", [[[0, 2, -1, 1]]]), constant("U", [[HARD_VALUES[kind][:4]]], kind)]),
            ("scatter_nd", [node("ScatterND", ["R", "I", "U"], ["Z"])], [integers("I", [[0, 1], [1, -1]]), constant("U", [HARD_VALUES[kind][:4]] * 2, kind)]),
        ):
            yield from cube(name, nodes, rows, kind, more, exact=True, opset=20)
        small = [[(i * 37 % 19) - 9 for i in range(24)]] if "int" in kind else [[(i * 37 % 19) / 4 - 2 for i in range(24)]]
        for reduction in ("add", "mul", "max", "min"):
            updates = [[[3, -2, 5, 0]]]
            yield from cube(f"scatter_elements_{reduction}", [node("ScatterElements", ["R", "I", "U"], ["Z"], axis=1, reduction=reduction)], small, kind,
                            [integers("I", [[[0, 2, -1, 1]]]), constant("U", updates, kind)], exact=True, opset=18)
            yield from cube(f"scatter_nd_{reduction}", [node("ScatterND", ["R", "I", "U"], ["Z"], reduction=reduction)], small, kind,
                            [integers("I", [[0, 1], [0, 1]]), constant("U", [[3, -2, 5, 0], [1, 1, 1, 1]], kind)], exact=True, opset=18)
        for attributes in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
            name = "_".join(attributes) or "plain"
            yield from cube(f"cumsum_{name}", [node("CumSum", ["R", "A"], ["Z"], **attributes)], small, kind, [integers("A", 1)])
        ties = [[float(v) if "float" in kind else v for v in (1, 3, 3, 0, -2, 3, 7, 7, 7, -1, 0, 0, 5, 5, 1, 2, 2, 2, 9, 8, 9, 8, 0, 1)]]
        for largest in (0, 1):
            for axis in (-1, 1):
                top = node("TopK", ["R", "K"], ["V", "I"], axis=axis, largest=largest)
                yield from cube(f"topk_{largest}_{axis}", [top, node("Identity", ["V"], ["Z"])], [*small, *ties], kind, [integers("K", [2])], exact=True)
                yield from cube(f"topk_index_{largest}_{axis}", [top, node("Cast", ["I"], ["Z"], to=TYPES[kind][0])], [*small, *ties], kind,
                                [integers("K", [2])], exact=True)
    hot = [[0, 2, -1], [5, -4, 3], [1, 1, -3]]
    for axis in (-1, 0, 1):
        for kind, rows in (("int64", hot), ("float32", [[float(v) + 0.5 * (v > 0) for v in row] for row in hot])):
            yield from attempt(f"hard_onehot_{kind}_{axis}", [node("OneHot", ["X", "D", "V"], ["H"], axis=axis), node("Flatten", ["H"], ["F"], axis=0),
                               node("Identity", ["F"], ["Y"])], rows, kind, exact=True,
                               initializers=[integers("D", 4), constant("V", [-1.0, 2.5])])
    constants = [node("Range", ["B", "E", "T"], ["G"]), node("Size", ["X"], ["N"]), node("Cast", ["N"], ["F"], to=TensorProto.FLOAT),
                 node("Mul", ["X", "G"], ["M"]), node("Add", ["M", "F"], ["Y"])]
    yield from attempt("hard_range_size", constants, [[1.0, 2.0, 3.0]], initializers=[constant("B", 0.5), constant("E", 2.0), constant("T", 0.5)])
    yield from attempt("hard_nonzero", [node("NonZero", ["C"], ["I"]), node("Squeeze", ["I", "A"], ["J"]), node("Gather", ["X", "J"], ["Y"], axis=1)],
                       ROWS, exact=True, initializers=[constant("C", [0.0, 2.0, NAN]), integers("A", [0])])
    yield from attempt("hard_eyelike", [node("EyeLike", ["C"], ["E"], k=1), node("MatMul", ["X", "E"], ["Y"])], ROWS, exact=True,
                       initializers=[constant("C", [[0.0] * 4] * 3)])
    yield from attempt("hard_castlike", [node("CastLike", ["X", "C"], ["I"]), node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], [[1.7, -2.3, 1e9]],
                       exact=True, initializers=[integers("C", [0])])


def hard_networks():
    values = [[(i * 37 % 19) / 4 - 2 for i in range(24)], [NAN, 1.0, INF] + [0.5] * 21, [float(i) for i in range(24)]]
    finite = [values[0], values[2], [1.0] * 24]
    # onnxruntime squares float32 before it takes off the mean.
    centred = [values[0], [1.0] * 24]
    for kind in FLOATS:
        four = [[0.5, -1.0, 2.0], [0.1, 0.2, -0.3], [1.0, -2.0, 0.0], [1.0, 4.0, 0.25]]
        initializers = [constant(name, value, kind) for name, value in zip("SBMV", four)]
        for opset in versions("BatchNormalization"):
            yield from cube(f"batchnormalization_{opset}", [node("BatchNormalization", ["R", "S", "B", "M", "V"], ["Z"], epsilon=1e-3)], values, kind,
                            initializers, opset=opset)
        scale, bias = constant("S", [0.5, -1.0, 2.0, 1.5], kind), constant("B", [0.1, 0.2, -0.3, 0.0], kind)
        yield from cube("layernormalization", [node("LayerNormalization", ["R", "S", "B"], ["Z"])], finite, kind, [scale, bias])
        yield from cube("layernormalization_plain", [node("LayerNormalization", ["R", "S"], ["Z"], epsilon=0.5)], finite, kind, [scale])
        yield from cube("rmsnormalization", [node("RMSNormalization", ["R", "S"], ["Z"])], finite, kind, [scale], opset=23)
        three = [constant("S", [0.5, -1.0, 2.0], kind), constant("B", [0.1, 0.2, -0.3], kind)]
        yield from cube("instancenormalization", [node("InstanceNormalization", ["R", "S", "B"], ["Z"])], centred[:1], kind, three)
        yield from cube("groupnormalization", [node("GroupNormalization", ["R", "S", "B"], ["Z"], num_groups=2)], centred, kind,
                        [constant("S", [0.5, -1.0, 2.0, 1.0], kind), constant("B", [0.1, 0.2, -0.3, 0.0], kind)], opset=21, shape=(1, 4, 6))
        yield from cube("globalaveragepool", [node("GlobalAveragePool", ["R"], ["Z"])], finite, kind)
        yield from cube("globalmaxpool", [node("GlobalMaxPool", ["R"], ["Z"])], finite, kind, exact=True)
        for opset in (11, 13):
            yield from cube(f"hardmax_{opset}", [node("Hardmax", ["R"], ["Z"], axis=1)], finite, kind, opset=opset, exact=True)
        other = constant("W", np.arange(12).reshape(3, 4) / 4 - 1, kind)
        for name, equation in (("product", "bij,ij->bi"), ("sum", "bij,ij->"), ("outer", "bij,kl->bk"), ("implicit", "bij,ij"), ("ellipsis", "...ij,ij->...j")):
            yield from cube(f"einsum_{name}", [node("Einsum", ["R", "W"], ["Z"], equation=equation)], finite, kind, [other])
        yield from cube("einsum_transpose", [node("Einsum", ["R"], ["Z"], equation="bij->jib")], values, kind)
        points = constant("P", [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [3.0, 1.0, -2.0], [0.5, -1.25, 2.0]], kind)
        for metric in ("euclidean", "sqeuclidean"):
            yield from attempt(f"hard_cdist_{metric}_{kind}", [node("CDist", ["X", "P"], ["Z"], MICROSOFT, metric=metric), *exactly("Z", kind)[0]], ROWS[:2], kind,
                               initializers=[points])
        # As skl2onnx writes distances.
        element = TYPES[kind][0]
        body = helper.make_graph(
            [node("Sub", ["next_in", "next"], ["diff"]), node("Identity", ["next_in"], ["next_out"]),
             node("ReduceSumSquare", ["diff"], ["norm"], axes=[1], keepdims=0), node("Identity", ["norm"], ["scan_out"])],
            "distances", [helper.make_tensor_value_info(name, element, None) for name in ("next_in", "next")],
            [helper.make_tensor_value_info(name, element, None) for name in ("next_out", "scan_out")])
        scan = [node("Scan", ["X", "P"], ["last", "D"], body=body, num_scan_inputs=1), node("Transpose", ["D"], ["Z"], perm=[1, 0])]
        yield from attempt(f"hard_scan_{kind}", [*scan, *exactly("Z", kind)[0]], ROWS, kind, initializers=[points])
        value = helper.make_tensor_value_info
        body = helper.make_graph(
            [node("Sub", ["next_in", "next"], ["diff"]), node("Identity", ["next_in"], ["next_out"]), node("Abs", ["diff"], ["size"]),
             node("ReduceSum", ["size", "axes"], ["scan_out"], keepdims=0)],
            "distances", [value(name, element, None) for name in ("next_in", "next")], [value(name, element, None) for name in ("next_out", "scan_out")],
            [constant("axes", [1], "int64")])
        scan = [node("Scan", ["X", "P"], ["last", "D"], body=body, num_scan_inputs=1), node("Transpose", ["D"], ["Z"], perm=[1, 0])]
        yield from attempt(f"hard_scan_manhattan_{kind}", [*scan, *exactly("Z", kind)[0]], WITH_NAN, kind, initializers=[points])
        backwards = helper.make_graph([node("Add", ["sum", "x"], ["next"]), node("Identity", ["next"], ["out"])], "sums",
                                      [helper.make_tensor_value_info(name, element, None) for name in ("sum", "x")],
                                      [helper.make_tensor_value_info(name, element, None) for name in ("next", "out")])
        for inward in (0, 1):
            for outward in (0, 1):
                yield from cube(f"scan_{inward}{outward}", [node("Scan", ["start", "R"], ["last", "Z"], body=backwards, num_scan_inputs=1, scan_input_axes=[1],
                                scan_input_directions=[inward], scan_output_axes=[-1], scan_output_directions=[outward])], finite, kind,
                                [constant("start", np.zeros((2, 4)), kind)])
    split = [node("SplitToSequence", ["X", "W"], ["Q"], axis=1), node("SequenceInsert", ["Q", "X", "I"], ["Q2"]), node("SequenceAt", ["Q2", "L"], ["A"]),
             node("SequenceErase", ["Q2", "I"], ["Q3"]), node("ConcatFromSequence", ["Q3"], ["C"], axis=1), node("SequenceLength", ["Q2"], ["N"]),
             node("Cast", ["N"], ["F"], to=TensorProto.FLOAT), node("Concat", ["A", "C"], ["B"], axis=1), node("Add", ["B", "F"], ["Y"])]
    yield from attempt("hard_sequences", split, ROWS, exact=True, initializers=[constant("W", [1, 2], "int64"), constant("I", 1, "int64"), constant("L", -1, "int64")])
    yield from attempt("hard_sequence_output", [node("Neg", ["X"], ["N"]), node("SequenceConstruct", ["X", "N"], ["Y"])], ROWS, exact=True)
    joined = [node("StringConcat", ["X", "E"], ["J"]), node("LabelEncoder", ["J"], ["Y"], ML, keys_strings=["a!", "b!", "!"], values_floats=[1.0, 2.0, 3.0])]
    yield from attempt("hard_string_concat", joined, [["a", "b"], ["", "c"]], "string", opset=20, exact=True, initializers=[constant("E", ["!"], "string")])
    for action in ("NONE", "LOWER", "UPPER"):
        for sensitive in (0, 1):
            known = ["Ab", "ab", "AB", "stop", "STOP", "", "\u00e9", "\u00c9"]
            normalized = [node("StringNormalizer", ["X"], ["J"], case_change_action=action, is_case_sensitive=sensitive, stopwords=["stop"], locale="C"),
                          node("LabelEncoder", ["J"], ["Y"], ML, keys_strings=known, values_floats=[float(i) for i in range(len(known))])]
            yield from attempt(f"hard_string_normalizer_{action}_{sensitive}".lower(), normalized, [[text] for text in ("Ab", "ab", "stop", "Stop", "x", "\u00e9")],
                               "string", exact=True, shape=[1])


def hard_machines():
    """Support vector machines, and trees of version 5."""
    random = np.random.RandomState(7)

    def numbers(count, low=-1.0, high=1.0):
        return [float(np.float32(v)) for v in random.uniform(low, high, count)]

    rows = [[0.5, -1.25, 3.0], [-2.0, 0.0, 0.25], [1.5, 2.5, -0.75], [0.0, 0.0, 0.0], [0.3, -0.8, 0.1]]
    for kernel, parameters in (("LINEAR", [0.0, 0.0, 0.0]), ("POLY", [0.5, 0.25, 3.0]), ("POLY", [0.5, 0.25, 2.0]), ("RBF", [0.4, 0.0, 3.0]), ("SIGMOID", [0.2, 0.1, 3.0])):
        name = f"{kernel}_{parameters[2]:.0f}".lower()
        vectors = numbers(12)
        for one_class in (0, 1):
            for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
                yield from attempt(f"hard_svm_regressor_{name}_{one_class}_{transform}".lower(), [node("SVMRegressor", ["X"], ["Y"], ML, kernel_type=kernel,
                    kernel_params=parameters, n_supports=4, support_vectors=vectors, coefficients=numbers(4), rho=[0.1], one_class=one_class, post_transform=transform)],
                    rows)
        for classes, counts in ((2, [2, 3]), (3, [2, 1, 2]), (4, [1, 2, 1, 2])):
            supports, pairs = sum(counts), classes * (classes - 1) // 2
            chosen, weights, rho = numbers(3 * supports), numbers(supports * (classes - 1)), numbers(pairs)
            for probabilities in (0, 1):
                sigmoids = {"prob_a": numbers(pairs, -2.0, -0.5), "prob_b": numbers(pairs)} if probabilities else {}
                for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
                    for sign in ("mixed", "positive"):
                        made = node("SVMClassifier", ["X"], ["label", "Y"], ML, kernel_type=kernel, kernel_params=parameters, support_vectors=chosen,
                                    vectors_per_class=counts, coefficients=[abs(w) if sign == "positive" else w for w in weights], rho=rho,
                                    classlabels_ints=list(range(10, 10 + classes)), post_transform=transform, **sigmoids)
                        full = f"hard_svm_classifier_{name}_{classes}_{probabilities}_{transform}_{sign}".lower()
                        if kernel == "RBF" or (transform == "NONE" and sign == "mixed"):
                            yield from attempt(full, [made], rows)
                            yield from attempt(f"{full}_label", [made, node("Cast", ["label"], ["Z"], to=TensorProto.FLOAT)], rows, exact=True, output="Z")
    for classes in (2, 3):
        for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
            for sign in ("mixed", "positive"):
                weights = numbers(3 * classes) if sign == "mixed" else numbers(3 * classes, 0.0, 1.0)
                made = node("SVMClassifier", ["X"], ["label", "Y"], ML, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=weights, rho=[0.2], classlabels_ints=list(range(classes)),
                            post_transform=transform)
                yield from attempt(f"hard_svm_linear_{classes}_{transform}_{sign}".lower(), [made], rows)
                yield from attempt(f"hard_svm_linear_{classes}_{transform}_{sign}_label".lower(), [made, node("Cast", ["label"], ["Z"], to=TensorProto.FLOAT)], rows,
                                   exact=True, output="Z")
    yield from attempt("hard_svm_regressor_linear", [node("SVMRegressor", ["X"], ["Y"], ML, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=numbers(3), rho=[0.1])], rows)
    for kind in ("float64", "int64", "int32"):
        given = rows if kind == "float64" else [[1, -2, 3], [0, 0, 0], [5, 1, -1]]
        yield from attempt(f"hard_svm_regressor_{kind}", [node("SVMRegressor", ["X"], ["Y"], ML, kernel_type="RBF", kernel_params=[0.4, 0.0, 3.0], n_supports=4,
                           support_vectors=numbers(12), coefficients=numbers(4), rho=[0.1])], given, kind)
        yield from attempt(f"hard_svm_classifier_{kind}", [node("SVMClassifier", ["X"], ["label", "Y"], ML, kernel_type="RBF", kernel_params=[0.4, 0.0, 3.0],
                           support_vectors=numbers(15), vectors_per_class=[2, 3], coefficients=numbers(5), rho=[0.1], classlabels_ints=[0, 1])], given, kind)
    texts = node("SVMClassifier", ["X"], ["label", "Y"], ML, kernel_type="RBF", kernel_params=[0.4, 0.0, 3.0], support_vectors=numbers(15), vectors_per_class=[2, 3],
                 coefficients=numbers(5), rho=[0.1], classlabels_strings=["no", "yes"])
    yield from attempt("hard_svm_strings", [texts, node("LabelEncoder", ["label"], ["Z"], ML, keys_strings=["no", "yes"], values_floats=[1.0, 2.0])], rows, exact=True,
                       output="Z")

    def ensemble(kind, trees=3, members=False, targets=1, only=None, **more):
        """Trees of depth two, of which the second has a set to be a member of, and the last is a leaf."""
        element = TYPES[kind][0]
        modes, features, splits, yes, yes_leaf, no, no_leaf, missing, roots = [], [], [], [], [], [], [], [], []
        leaves, values = 0, []
        for tree in range(trees):
            first = len(modes)
            roots.append(first)
            for i in range(3):
                mode = 6 if members and tree == 1 and i < 2 else int(random.randint(6)) if only is None else only
                if mode == 6:
                    values += [0.5, -2.0, 1.5, NAN]
                modes.append(mode)
                features.append(int(random.randint(3)))
                splits.append(0.0 if mode == 6 else float(random.choice([0.0, 0.5, 1.5, -0.75])))
                missing.append(int(random.randint(2)))
                if i == 0:
                    yes.append(first + 1), no.append(first + 2), yes_leaf.append(0), no_leaf.append(0)
                else:
                    yes.append(leaves), no.append(leaves + 1), yes_leaf.append(1), no_leaf.append(1)
                    leaves += 2
        roots.append(len(modes))
        modes.append(0), features.append(0), splits.append(0.0), missing.append(0), yes.append(leaves), no.append(leaves), yes_leaf.append(1), no_leaf.append(1)
        leaves += 1
        tensor = lambda name, data, type_: helper.make_tensor(name, type_, [len(data)], data)
        attributes = {"membership_values": tensor("m", values, element)} if members else {}
        return node("TreeEnsemble", ["X"], ["Z"], ML, n_targets=targets, tree_roots=roots, nodes_modes=tensor("modes", modes, TensorProto.UINT8),
                    nodes_featureids=features, nodes_splits=tensor("splits", splits, element), nodes_truenodeids=yes, nodes_trueleafs=yes_leaf,
                    nodes_falsenodeids=no, nodes_falseleafs=no_leaf, nodes_missing_value_tracks_true=missing,
                    leaf_targetids=[int(random.randint(targets)) for _ in range(leaves)], leaf_weights=tensor("weights", numbers(leaves), element), **attributes, **more)

    for kind in FLOATS:
        for members in (False, True):
            for aggregate in (0, 1, 2, 3):
                for targets in (1, 2):
                    made = ensemble(kind, members=members, targets=targets, aggregate_function=aggregate)
                    yield from attempt(f"hard_tree_ensemble_{kind}_{int(members)}_{aggregate}_{targets}", [made, *exactly("Z", kind)[0]], WITH_NAN, kind, ml=5, opset=21)
        for targets, transform in ((1, 1), (1, 2), (3, 3)):
            made = ensemble(kind, targets=targets, post_transform=transform)
            yield from attempt(f"hard_tree_ensemble_{kind}_transform_{transform}", [made, *exactly("Z", kind)[0]], ROWS, kind, ml=5, opset=21)
    for mode in (0, 1):
        for targets in (1, 2):
            made = ensemble("float32", trees=9, targets=targets, only=mode)
            yield from attempt(f"hard_tree_ensemble_only_{mode}_{targets}", [made, *exactly("Z", "float32")[0]], WITH_NAN, ml=5, opset=21)


def hard_graphs():
    """Functions of the model, graphs inside nodes, and shapes that depend on the values."""
    float_, ints = onnx.AttributeProto.FLOAT, onnx.AttributeProto.INTS
    scaled = function("scaled", ["x", "shift"], ["y"], [
        refers("Constant", [], ["factor"], "value_float", "factor", float_), node("Mul", ["x", "factor"], ["z"]), node("Add", ["z", "shift"], ["y"])],
        defaults={"factor": 2.0})
    twice = function("twice", ["x"], ["y"], [
        refers("Constant", [], ["shift"], "value_floats", "shifts", onnx.AttributeProto.FLOATS), call("scaled", ["x", "shift"], ["z"], factor=-0.5),
        call("scaled", ["z", "shift"], ["y"])], attributes=["shifts"])
    yield from attempt("hard_function", [call("scaled", ["X", "C"], ["z"]), call("scaled", ["z", "X"], ["y"], factor=3.5), node("Neg", ["y"], ["Y"])], WITH_NAN,
                       exact=True, initializers=[constant("C", [0.25])], functions=[scaled])
    yield from attempt("hard_function_of_functions", [call("twice", ["X"], ["z"], shifts=[1.0, 2.0, 3.0]), call("twice", ["z"], ["Y"], shifts=[0.5])], WITH_NAN,
                       exact=True, functions=[twice, scaled])
    # What a call leaves out is left out inside.
    bounded = function("bounded", ["x", "low", "high"], ["y"], [node("Clip", ["x", "low", "high"], ["y"])])
    yield from attempt("hard_function_left_out", [call("bounded", ["X", "", "H"], ["y"]), call("bounded", ["y", "L"], ["z"]), node("Neg", ["z"], ["Y"])], ROWS,
                       exact=True, initializers=[constant("L", -1.0), constant("H", 2.0)], functions=[bounded])
    shaped = function("shaped", ["x"], ["y"], [refers("ReduceMean", ["x"], ["y"], "axes", "axes", ints, keepdims=1)], attributes=["axes"])
    for name, attributes in (("given", {"axes": [1]}), ("not_given", {})):
        yield from attempt(f"hard_function_attribute_{name}", [call("shaped", ["X"], ["Y"], **attributes)], ROWS, functions=[shaped])
    # Of an earlier operator set than the model.
    older = function("older", ["x"], ["y"], [node("Abs", ["x"], ["a"]), node("Sqrt", ["a"], ["y"])], opset=14)
    yield from attempt("hard_function_operator_set", [call("older", ["X"], ["z"]), node("ReduceSum", ["z", "A"], ["Y"])], ROWS, initializers=[constant("A", [1], "int64")],
                       functions=[older])

    attributes, leaves = trees()
    forest = function("forest", ["x"], ["y"], [node("TreeEnsembleRegressor", ["x"], ["y"], ML, **attributes, **votes("target", leaves, [0]), n_targets=1)])
    yield from attempt("hard_function_forest", [call("forest", ["X"], ["Y"])], ROWS, functions=[forest])

    positive = [node("ReduceSum", ["X"], ["S"], keepdims=0), node("Greater", ["S", "O"], ["B"])]
    zero = constant("O", 0.0)
    double, negative = branch([node("Add", ["X", "X"], ["t"])], ["t"]), branch([node("Neg", ["X"], ["t"])], ["t"])
    yield from attempt("hard_if", [*positive, node("If", ["B"], ["Y"], then_branch=double, else_branch=negative)], WITH_NAN, exact=True, initializers=[zero])
    as_it_is = branch([node("Identity", ["X"], ["t"])], ["t"])
    yield from attempt("hard_if_around", [*positive, node("If", ["B"], ["Y"], then_branch=double, else_branch=as_it_is)], WITH_NAN, exact=True, initializers=[zero])
    inner = branch([node("Less", ["S", "F"], ["C"]), node("If", ["C"], ["u"], then_branch=branch([node("Mul", ["X", "F"], ["v"])], ["v"]),
                                                          else_branch=branch([node("Sub", ["X", "S"], ["v"])], ["v"]))], ["u"], [constant("F", 3.0)])
    yield from attempt("hard_if_in_if", [*positive, node("If", ["B"], ["Y"], then_branch=inner, else_branch=negative)], WITH_NAN, exact=True, initializers=[zero])
    several = [branch([node("Abs", ["X"], ["p"]), node("Cast", ["X"], ["i"], to=TensorProto.INT64)], ["p", "i"]),
               branch([node("Neg", ["X"], ["p"]), node("Shape", ["X"], ["s"]), node("ConstantOfShape", ["s"], ["i"], value=constant("v", [7], "int64"))], ["p", "i"])]
    yield from attempt("hard_if_outputs", [*positive, node("If", ["B"], ["P", "I"], then_branch=several[0], else_branch=several[1]),
                                           node("Cast", ["I"], ["F"], to=TensorProto.FLOAT), node("Add", ["P", "F"], ["Y"])], ROWS, exact=True, initializers=[zero])
    for known in (True, False):
        chosen = [node("If", ["K"], ["Z"], then_branch=double, else_branch=branch([node("Concat", ["X", "X"], ["t"], axis=1)], ["t"])), node("Abs", ["Z"], ["Y"])]
        yield from attempt(f"hard_if_known_{known}".lower(), chosen, WITH_NAN, exact=True, initializers=[constant("K", known, "bool")])
    called = [branch([call("scaled", ["x", "x"], ["t"], factor=4.0)], ["t"]), branch([call("scaled", ["x", "s"], ["t"])], ["t"])]
    chooses = function("chooses", ["x", "s", "b"], ["y"], [node("If", ["b"], ["y"], then_branch=called[0], else_branch=called[1])])
    yield from attempt("hard_if_in_function", [*positive, call("chooses", ["X", "S", "B"], ["y"]), call("chooses", ["y", "X", "B"], ["Y"])], WITH_NAN, exact=True,
                       initializers=[zero], functions=[chooses, scaled])

    deep = double
    for _ in range(24):
        deep = branch([node("If", ["B"], ["t"], then_branch=deep, else_branch=negative)], ["t"])
    yield from attempt("hard_if_deep", [*positive, node("If", ["B"], ["Y"], then_branch=deep, else_branch=negative)], ROWS, exact=True, initializers=[zero])

    # Elements that something holds for, changed: how many there are depends on the values.
    rows = [*WITH_NAN, [NAN, NAN, NAN], [5.0, 6.0, 7.0]]
    picked = [node("NonZero", ["N"], ["P"]), node("Transpose", ["P"], ["I"], perm=[1, 0]), node("GatherND", ["X", "I"], ["V"]), node("Shape", ["V"], ["L"]),
              node("ConstantOfShape", ["L"], ["U"], value=constant("v", [9.0])), node("ScatterND", ["X", "I", "U"], ["Z"])]
    yield from attempt("hard_late_missing", [node("IsNaN", ["X"], ["N"]), *picked, node("Neg", ["Z"], ["Y"])], rows, exact=True)
    yield from attempt("late_missing", [node("IsNaN", ["X"], ["N"]), *picked, node("Neg", ["Z"], ["Y"])], rows)
    few = [node("Greater", ["X", "O"], ["N"]), node("Squeeze", ["N", "A"], ["M"]), node("Compress", ["X", "M"], ["C"], axis=1), node("ReduceSum", ["C"], ["R"], keepdims=0),
           node("Sub", ["C", "R"], ["D"]), node("NonZero", ["N"], ["P"]), node("Transpose", ["P"], ["I"], perm=[1, 0]), node("Reshape", ["D", "W"], ["F"]),
           node("ScatterND", ["X", "I", "F"], ["Z"]), node("Mul", ["Z", "X"], ["Y"])]
    numbers = [zero, constant("A", [0], "int64"), constant("W", [-1], "int64")]
    yield from attempt("hard_late_compress", few, ROWS + [[5.0, 6.0, 7.0]], initializers=numbers)
    # Two such parts, with what lies between them, beside an `If` whose graphs give other shapes.
    again = [node("Less", ["Y1", "O"], ["N2"]), node("NonZero", ["N2"], ["P2"]), node("Transpose", ["P2"], ["I2"], perm=[1, 0]), node("GatherND", ["Y1", "I2"], ["V2"]),
             node("Abs", ["V2"], ["U2"]), node("ScatterND", ["Y1", "I2", "U2"], ["Y"])]
    yield from attempt("hard_late_twice", [node("IsNaN", ["X"], ["N"]), *picked, node("Sub", ["Z", "T"], ["Y1"]), *again], rows, exact=True,
                       initializers=[zero, constant("T", [1.0])])
    short, long = branch([node("Slice", ["X", "A0", "A1", "A1"], ["t"])], ["t"]), branch([node("Identity", ["X"], ["t"])], ["t"])
    uneven = [*positive, node("If", ["B"], ["Q"], then_branch=short, else_branch=long), node("ReduceMax", ["Q"], ["R"], keepdims=0), node("Reshape", ["R", "W"], ["F"]),
              node("ScatterND", ["X", "I", "F"], ["Y"])]
    yield from attempt("hard_late_if", uneven, ROWS, exact=True,
                       initializers=[zero, constant("A0", [0], "int64"), constant("A1", [1], "int64"), constant("W", [1], "int64"), constant("I", [[0, 2]], "int64")])


def hard_maps():
    mapper = {"cats_strings": ["a", "b", "a", ""], "cats_int64s": [1, 2, 3, 2**53 + 1]}
    yield from attempt("hard_category_mapper_strings", [node("CategoryMapper", ["X"], ["I"], ML, **mapper, default_int64=-7), node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)],
                       [["a", "b"], ["", "?"]], "string", exact=True)
    yield from attempt("hard_category_mapper_integers", [node("CategoryMapper", ["X"], ["T"], ML, **mapper, default_string="?"), node("LabelEncoder", ["T"], ["Y"], ML,
                       keys_strings=["a", "b", "", "?"], values_floats=[1.0, 2.0, 3.0, 4.0])], [[1, 2], [3, 2**53 + 1], [9, -1]], "int64", exact=True)
    for kind, rows in (("float32", [[1.5, -2.0], [0.0, 3.0]]), ("float64", [[1.5, -2.0]]), ("int64", [[7, -9]])):
        yield from attempt(f"hard_dict_vectorizer_{kind}", [node("DictVectorizer", ["X"], ["Z"], ML, string_vocabulary=["c", "a", "b"]), *exactly("Z", kind)[0]], rows, kind,
                           keys=["a", "c"])
    yield from attempt("hard_dict_vectorizer_integers", [node("DictVectorizer", ["X"], ["Y"], ML, int64_vocabulary=[5, -3, 9])], [[1.5, -2.0]], keys=[-3, 5])
    for form, more in (("DENSE", {}), ("SPARSE", {"max_map": 6})):
        yield from attempt(f"hard_cast_map_{form}".lower(), [node("CastMap", ["X"], ["Y"], ML, map_form=form, cast_to="TO_FLOAT", **more)], [[1.5, -2.0, 4.0]], keys=[3, 1, 5])
        yield from attempt(f"hard_cast_map_integers_{form}".lower(), [node("CastMap", ["X"], ["I"], ML, map_form=form, cast_to="TO_INT64", **more),
                           node("Cast", ["I"], ["Y"], to=TensorProto.FLOAT)], [[1.5, -2.0, 4.0]], keys=[3, 1, 5])
    yield from attempt("hard_zip_map", [node("ZipMap", ["X"], ["Y"], ML, classlabels_int64s=[0, 1, 2])], ROWS, exact=True)
    yield from attempt("hard_zip_map_strings", [node("ZipMap", ["X"], ["Y"], ML, classlabels_strings=["a", "b", "c"])], ROWS, exact=True)


def hard_inputs():
    """Inputs of other shapes than rows and columns."""
    for name, shape in (("fixed", [1, 3]), ("vector", [3]), ("deep", [None, 3, 1]), ("deep_fixed", [1, 1, 3])):
        nodes = [node("Reshape", ["X", "S"], ["R"]), node("Scaler", ["R"], ["Y"], ML, offset=[0.1, 0.2, 0.3], scale=[2.0, 0.3, 0.7])]
        yield from attempt(f"hard_input_{name}", nodes, ROWS, shape=shape, initializers=[constant("S", [1, 3], "int64")])
    yield from attempt("hard_input_scalar", [node("Abs", ["X"], ["Y"])], [[-1.5], [2.0]], shape=[], exact=True)


def hard_cases():
    for cases in (hard_unary, hard_binary, hard_clip, hard_reductions, hard_normalizing, hard_cast, hard_ml, hard_moving, hard_products,
                  hard_functions, hard_places, hard_networks, hard_machines, hard_maps, hard_inputs, hard_graphs):
        yield from cases()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    cases = [*tree_cases(), *linear_cases(), *ml_cases(), *cast_cases(), *standard_cases(), *hard_cases()]
    assert len({it["name"] for it in cases}) == len(cases), "two cases of one name"
    text = "[\n" + ",\n".join(json.dumps(it, separators=(",", ":")) for it in cases) + "\n]\n"
    path = HERE / "cases.json"
    if not check:
        path.write_text(text, "utf-8")
    elif not path.exists() or path.read_text("utf-8") != text:
        sys.exit(f"{path.name} is stale: run {Path(__file__).name} and review the diff")


if __name__ == "__main__":
    main()
