"""The standard's own tests of operators, as the package onnx makes them: each is run, or left out for a reason.

    python component/inference/tests/operators/conformance.py -- target/release/examples/conformance
    python component/inference/tests/operators/conformance.py --list -- ...   names those that are left out

What follows `--` is given a file of graphs and inputs, and the name of the file that it is to write.
"""
import collections
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

HERE = Path(__file__).resolve().parent
REGISTER = HERE.parents[1] / "src" / "ops.rs"
TYPES = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
NEWEST, NEWEST_ML = 26, 5

# What the standard lets a backend leave out, or what has no meaning for a row of a table: the part of the message that says so, and why.
REFUSALS = {
    "depends on the request": "a shape, an axis or a count is computed from an input; all shapes are fixed when a model is loaded",
    "expected a constant": "a shape, an axis or a count is computed from an input; all shapes are fixed when a model is loaded",
    "not one constant": "a bound or a count is computed from an input",
    "division of integers": "integers are divided by an input, which may be 0, for which the standard defines no result",
    "'training_mode'": "training, not inference",
    "floats without the attribute 'fmod'": "Mod of floats with the sign of the divisor, which the standard has since operator set 28 only",
    "operator set 8, expected at least 9": "Scan of operator set 8, which the standard replaced",
}
# Inputs that say a shape, an axis or a count, which a model has as constants; their positions by operator.
CONSTANTS = {
    "Clip": (1, 2), "Compress": (1,), "ConstantOfShape": (0,), "CumProd": (1,), "CumSum": (1,), "Div": (1,), "Dropout": (2,), "Expand": (1,), "Mod": (1,),
    "NonZero": (0,), "OneHot": (1,), "Pad": (1, 3), "Range": (0, 1, 2), "Reshape": (1,), "ReverseSequence": (1,), "SequenceAt": (1,),
    "SequenceErase": (1,), "SequenceInsert": (2,), "Slice": (1, 2, 3, 4), "Split": (1,), "SplitToSequence": (1,), "Squeeze": (1,), "Tile": (1,),
    "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,), "StringNormalizer": (0,),
}
# Graphs whose inputs of these names are such, whatever reads them.
NAMED = {"test_affine_grid": {"size"}, "test_if_seq": {"cond"}}
REDUCTIONS = re.compile("Reduce")


def operators():
    """Domain and name of all that are registered."""
    domains = {"ONNX": "", "ML": "ai.onnx.ml", "MICROSOFT": "com.microsoft"}
    found = re.findall(r'\((ONNX|ML|MICROSOFT), "(\w+)", ', REGISTER.read_text("utf-8"))
    return {(domains[domain], name) for domain, name in found}


def nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


def used(case):
    return {("" if node.domain == "ai.onnx" else node.domain, node.op_type) for node in nodes(case.model.graph)}


def reason(case):
    """Why a case is left out before it is tried; `None` for most."""
    graph = case.model.graph
    versions = {it.domain: it.version for it in case.model.opset_import}
    if any(not onnx.defs.has(name, NEWEST_ML if domain else NEWEST, domain) for domain, name in used(case) if domain in ("", "ai.onnx.ml")):
        return f"an operator that is not in operator set {NEWEST}, the last that onnxruntime runs, or in {NEWEST_ML} of ai.onnx.ml"
    if versions.get("", 7) < 7:
        return f"of operator set {versions['']}, which onnxruntime does not run"
    for value in [*graph.input, *graph.output]:
        if not value.type.HasField("tensor_type") and value in graph.input:
            return "an input that is a sequence or an optional value, which no request has"
        if value.type.HasField("tensor_type") and value.type.tensor_type.elem_type not in TYPES:
            return f"element type {TensorProto.DataType.Name(value.type.tensor_type.elem_type)}, which models of tables do not have"
        if value.type.HasField("optional_type"):
            return "an optional value, which no output is"
    for tensor in graph.initializer:
        if tensor.data_type not in TYPES:
            return f"element type {TensorProto.DataType.Name(tensor.data_type)}, which models of tables do not have"
    for node in nodes(graph):
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i not in TYPES:
                return f"element type {TensorProto.DataType.Name(attribute.i)}, which models of tables do not have"
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type not in TYPES and attribute.name != "nodes_modes":
                return f"element type {TensorProto.DataType.Name(attribute.t.data_type)}, which models of tables do not have"
    return None


def prepared(case, inputs):
    """The model with the inputs that say a shape as constants, and the other inputs."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for it in model.opset_import:
        # Later versions of these operators have more element types, and else the same results.
        it.version = min(it.version, NEWEST_ML if it.domain == "ai.onnx.ml" else NEWEST)
    graph = model.graph
    wanted = set().union(*(names for start, names in NAMED.items() if case.name.startswith(start)))
    for node in graph.node:
        positions = (1,) if REDUCTIONS.match(node.op_type) else CONSTANTS.get(node.op_type, ())
        wanted |= {node.input[i] for i in positions if i < len(node.input)}
    given = []
    for info, value in zip(case.model.graph.input, inputs):
        tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), info.name)
        tensor.name = info.name
        if info.name in wanted:
            graph.initializer.append(tensor)
        else:
            given.append(tensor)
    kept = [info for info in graph.input if info.name not in wanted]
    del graph.input[:]
    graph.input.extend(kept)
    return model, given


def differs(found, expected, case):
    """What is wrong with an output; `None` where nothing is."""
    if isinstance(expected, list):
        if len(found) != len(expected):
            return f"{len(found)} tensors, expected {len(expected)}"
        return next((it for it in (differs([a], b, case) for a, b in zip(found, expected)) if it), None)
    array = numpy_helper.to_array(TensorProto.FromString(bytes.fromhex(found[0])))
    expected = numpy_helper.to_array(expected) if isinstance(expected, TensorProto) else np.asarray(expected)
    if array.shape != expected.shape:
        return f"of shape {array.shape}, expected {expected.shape}"
    if expected.dtype == object or expected.dtype.kind in "US":
        same = [str(a) for a in array.flatten()] == [str(b) for b in expected.flatten()]
        return None if same else f"{array}, expected {expected}"
    if array.dtype != expected.dtype:
        return f"of type {array.dtype}, expected {expected.dtype}"
    if np.allclose(array, expected, rtol=case.rtol, atol=case.atol, equal_nan=True):
        return None
    return f"{array.flatten()[:8]}, expected {expected.flatten()[:8]}"


def main():
    split = sys.argv.index("--")
    listed, command = "--list" in sys.argv[:split], sys.argv[split + 1:]
    known = operators()
    left_out, tried, payload = collections.defaultdict(list), [], []
    for case in collect_testcases(None):
        if not used(case) <= known:
            continue
        why = reason(case)
        if why:
            left_out[why].append(case.name)
            continue
        for inputs, outputs in case.data_sets:
            model, given = prepared(case, inputs)
            tried.append((case, outputs))
            payload.append({"model": model.SerializeToString().hex(), "inputs": [it.SerializeToString().hex() for it in given]})
    with tempfile.TemporaryDirectory(dir=".") as folder:
        cases, answers = Path(folder) / "cases.json", Path(folder) / "answers.json"
        cases.write_text(json.dumps(payload), "utf-8")
        subprocess.run([*command, str(cases), str(answers)], check=True)
        answers = json.loads(answers.read_text("utf-8"))
    faults, passed, covered = [], 0, set()
    for (case, expected), answer in zip(tried, answers, strict=True):
        error = answer.get("error")
        if error:
            why = next((why for part, why in REFUSALS.items() if part in error), None)
            if why:
                left_out[why].append(case.name)
            else:
                faults.append(f"{case.name}: {error[:300]}")
            continue
        wrong = next((it for it in (differs(a, b, case) for a, b in zip(answer["outputs"], expected)) if it), None)
        if wrong:
            faults.append(f"{case.name}: {wrong}")
        else:
            passed += 1
            covered |= used(case)
    for fault in faults:
        print(fault)
    for why, names in sorted(left_out.items(), key=lambda it: -len(it[1])):
        print(f"{len(names)} left out: {why}" + (": " + ", ".join(names) if listed else ""))
    print(f"{passed} of the standard's tests pass, of {len(covered)} operators; {len(faults)} fail, "
          f"{sum(len(names) for names in left_out.values())} left out")
    sys.exit(1 if faults or not passed else 0)


if __name__ == "__main__":
    main()
