"""Export a scikit-learn pipeline to ONNX, run it, and list what its graph is made of."""
import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

OPSET = {"": 17, "ai.onnx.ml": 3}
TENSOR_TYPE = {"float32": FloatTensorType, "int64": Int64TensorType, "string": StringTensorType}
NUMPY_TYPE = {"float32": np.float32, "int64": np.int64, "string": object}

Input = tuple[str, str, list[int | None]]  # name, element type, shape; the first dimension is None


def export(pipeline, inputs: list[Input], name: str) -> bytes:
    """The pipeline as ONNX bytes. The same pipeline gives the same bytes."""
    types = [(column, TENSOR_TYPE[kind](shape)) for column, kind, shape in inputs]
    classifier = pipeline.steps[-1][1]
    options = {id(classifier): {"zipmap": False}}  # probabilities as one tensor, not a list of maps
    model = to_onnx(pipeline, initial_types=types, options=options, target_opset=OPSET, name=name)
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)  # skl2onnx keeps them in a set
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model.SerializeToString(deterministic=True)


def predict(model: bytes, inputs: list[Input], rows: list[list], tensor: str = "probabilities") -> np.ndarray:
    """onnxruntime's answers, one row per run.

    A batch, or a second thread, adds up the trees of an ensemble in another order and so changes
    the last bits; one row on one thread is what a request is.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs = np.concatenate([session.run([tensor], feed(inputs, row))[0] for row in rows])
    assert np.isfinite(outputs).all(), "an answer is not a finite number"
    return outputs


def feed(inputs: list[Input], row: list) -> dict[str, np.ndarray]:
    """Split a flat row over the model's inputs: an input of shape [None, F] takes F values."""
    tensors, start = {}, 0
    for name, kind, (_, width) in inputs:
        tensors[name] = np.array([row[start : start + width]], dtype=NUMPY_TYPE[kind])
        start += width
    assert start == len(row), f"the model takes {start} values, the row has {len(row)}"
    return tensors


def describe(model: bytes) -> str:
    """Inputs, outputs, and every node with its attributes, long lists shortened."""
    proto = ModelProto.FromString(model)
    opsets = ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in proto.opset_import)
    lines = [f"{proto.graph.name}: {len(model)} bytes, ir {proto.ir_version}, opsets {opsets}"]
    for role, values in (("input", proto.graph.input), ("output", proto.graph.output)):
        for value in values:
            tensor = value.type.tensor_type
            shape = [dim.dim_value or None for dim in tensor.shape.dim]
            lines.append(f"  {role} {value.name} {TensorProto.DataType.Name(tensor.elem_type)} {shape}")
    for tensor in proto.graph.initializer:
        kind = TensorProto.DataType.Name(tensor.data_type)
        lines.append(f"  initializer {tensor.name} {kind} {list(tensor.dims)}")
    for node in proto.graph.node:
        lines.append(f"  {node.domain + '.' if node.domain else ''}{node.op_type}"
                     f" ({', '.join(node.input)}) -> ({', '.join(node.output)})")
        for attribute in node.attribute:
            lines.append(f"    {attribute.name} = {shorten(helper.get_attribute_value(attribute))}")
    return "\n".join(lines)


def shorten(value) -> str:
    """A value in brief: of a long list its length, its distinct values when they are few, else its start."""
    if isinstance(value, TensorProto):
        return f"tensor {TensorProto.DataType.Name(value.data_type)} {list(value.dims)}"
    if not isinstance(value, (list, tuple)) or len(value) <= 6:
        return str(value)
    distinct = sorted(set(value))
    start = ", ".join(map(str, value[:4]))
    return f"{len(value)} values, distinct {distinct}" if len(distinct) <= 3 else f"{len(value)} values: {start}, …"
