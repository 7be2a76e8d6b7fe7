"""Small graphs, one per case of an operator, with what onnxruntime gives for them.

    python component/inference/tests/operators/generate.py           writes cases.json beside this file
    python component/inference/tests/operators/generate.py --check   fails when cases.json is stale
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parent
ML = "ai.onnx.ml"
NAN = float("nan")
TYPES = {"float32": (TensorProto.FLOAT, np.float32), "float64": (TensorProto.DOUBLE, np.float64),
         "int64": (TensorProto.INT64, np.int64), "string": (TensorProto.STRING, object)}
ROWS = [[0.5, -1.25, 3.0], [-2.0, 0.0, 0.25], [1.5, 2.5, -0.75], [0.0, 0.0, 0.0], [7.0, -8.0, 0.1]]
WITH_NAN = ROWS + [[NAN, 1.0, 2.0], [1.0, NAN, NAN]]


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs, outputs, domain=domain, **attributes)


def constant(name, values, kind="float32"):
    element, dtype = TYPES[kind]
    array = np.array(values, dtype=dtype)
    return helper.make_tensor(name, element, array.shape, [str(v) for v in array.flatten()] if kind == "string" else array.flatten())


def case(name, nodes, rows, kind="float32", initializers=(), opset=17, ml=3, output="Y"):
    """A graph from X [None, width] to the float tensor `output`, run row by row."""
    element, dtype = TYPES[kind]
    source = helper.make_tensor_value_info("X", element, [None, len(rows[0])])
    target = helper.make_empty_tensor_value_info(output)
    graph = helper.make_graph(nodes, name, [source], [target], list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(deterministic=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answers = [session.run([output], {"X": np.array([row], dtype=dtype)})[0] for row in rows]
    return {
        "name": name, "onnx": model.hex(), "type": kind, "tensor": output,
        "rows": [[None if isinstance(v, float) and np.isnan(v) else v for v in row] for row in rows],
        "outputs": [[number(v) for v in np.asarray(answer).flatten()] for answer in answers],
    }


def number(value):
    """Strings for what JSON has no number for."""
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
    yield case("feature_vectorizer", [node("FeatureVectorizer", ["X", "X", "X"], ["Y"], ML, inputdimensions=[3, 2, 4])], ROWS)
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


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    check = arguments.parse_args().check
    cases = [*tree_cases(), *linear_cases(), *ml_cases(), *cast_cases(), *standard_cases()]
    assert len({it["name"] for it in cases}) == len(cases), "two cases of one name"
    text = "[\n" + ",\n".join(json.dumps(it, separators=(",", ":")) for it in cases) + "\n]\n"
    path = HERE / "cases.json"
    if not check:
        path.write_text(text, "utf-8")
    elif not path.exists() or path.read_text("utf-8") != text:
        sys.exit(f"{path.name} is stale: run {Path(__file__).name} and review the diff")


if __name__ == "__main__":
    main()
