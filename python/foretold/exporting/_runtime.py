"""What onnxruntime says of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foretold.exporting._packages import need

if TYPE_CHECKING:
    import numpy
    import pandas

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


def tensors(model: bytes, rows: pandas.DataFrame) -> dict[str, numpy.ndarray[Any, Any]]:
    """What a model gives for rows as it takes them, by its outputs: a row and a column for each."""
    runtime = need("onnxruntime", "sklearn")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()
    if len(wanted) == 1 and wanted[0].shape[-1] in (None, rows.shape[1]):
        inputs = {wanted[0].name: _array(rows, wanted[0].type)}
    else:
        inputs = {each.name: _array(rows[[each.name]], each.type) for each in wanted}
    found = session.run(None, inputs)
    matrices = {output.name: _matrix(values) for output, values in zip(session.get_outputs(), found)}
    return {name: values for name, values in matrices.items() if values is not None}


def _array(frame: pandas.DataFrame, tensor: str) -> numpy.ndarray[Any, Any]:
    kind: Any = _TYPES[tensor]
    if kind == "object":
        return frame.astype(str).to_numpy(dtype=object)
    return frame.astype("float64" if kind.startswith("float") else kind).to_numpy(dtype=kind)


def _matrix(values: Any) -> numpy.ndarray[Any, Any] | None:
    """An output as a matrix; none where it is neither of numbers nor of texts."""
    if isinstance(values, list) and values and hasattr(values[0], "ndim"):
        # A matrix for each of several labels.
        values = need("numpy", "sklearn").hstack(values)
    elif isinstance(values, list):
        # Maps from classes to probabilities, in the order of the classes.
        values = need("numpy", "sklearn").array([list(row.values()) for row in values])
    if getattr(values, "dtype", None) is None or values.dtype.kind not in "fiubOU":
        return None
    if values.ndim == 3:
        # The same in one tensor, the labels first.
        values = values.transpose(1, 0, 2)
    matrix: numpy.ndarray[Any, Any] = values.reshape(len(values), -1)
    return matrix
