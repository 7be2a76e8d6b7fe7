"""The made-up model in kinds/: a feature of every kind in, a probability out.

    python tests/python/generate.py           writes kinds/model.onnx
    python tests/python/generate.py --check   fails when it is stale
"""
import argparse
import sys
import tomllib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent / "kinds"
ML = "ai.onnx.ml"
MISSING = -3.0  # what the model takes a missing number for
WEIGHT = {"amount": 1.1, "count": -0.8, "active": 0.5, "balance": 0.7, "children": -0.6, "note": 2.0}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare with the committed file, write nothing")
    model, path = build(tomllib.loads((FOLDER / "manifest.toml").read_text("utf-8"))), FOLDER / "model.onnx"
    if not arguments.parse_args().check:
        path.write_bytes(model)
    elif path.read_bytes() != model:
        sys.exit("model.onnx is stale: run `python tests/python/generate.py`, and review the diff")
    else:
        print("model.onnx: up to date")


def build(manifest: dict) -> bytes:
    """sigmoid(sum of weight * softsign(feature)): finite and smooth, however large a number is."""
    features = manifest["feature"]
    names = [feature["name"] for feature in features]
    assert names == list(WEIGHT), names
    [categories] = [feature["categories"] for feature in features if feature["type"] == "category"]
    codes = np.linspace(-1, 1, len(categories), dtype=np.float32)
    nodes = [
        helper.make_node("LabelEncoder", ["note"], ["code"], domain=ML,
                         keys_strings=categories, values_floats=codes.tolist(), default_float=0.0),
        helper.make_node("Concat", [*names[:-1], "code"], ["all"], axis=1),
        helper.make_node("Imputer", ["all"], ["known"], domain=ML,
                         imputed_value_floats=[MISSING] * len(names), replaced_value_float=float("nan")),
        helper.make_node("Abs", ["known"], ["size"]),
        helper.make_node("Add", ["size", "one"], ["above_one"]),
        helper.make_node("Div", ["known", "above_one"], ["softsign"]),
        helper.make_node("MatMul", ["softsign", "weight"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["probability"]),
    ]
    constants = {"one": np.float32([1]), "weight": np.float32(list(WEIGHT.values()))[:, None]}
    graph = helper.make_graph(
        nodes, manifest["model"]["name"],
        [value(name, TensorProto.STRING if name == "note" else TensorProto.FLOAT) for name in names],
        [value("probability", TensorProto.FLOAT)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(deterministic=True)


def value(name: str, element: int):
    return helper.make_tensor_value_info(name, element, [None, 1])


if __name__ == "__main__":
    main()
