"""What the library says that trained a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foretold._errors import UnsupportedModel
from foretold.exporting._estimators import kind
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import numpy
    import pandas


@dataclass(frozen=True)
class Said:
    """A row of answers for each row that was asked for."""

    numbers: numpy.ndarray[Any, Any] | None
    """Probabilities, a column for each class, or what a regressor says; None of a classifier without."""
    classes: list[str]
    """The classes as texts, in the order of the columns; none of a regressor."""
    labels: numpy.ndarray[Any, Any] | None
    """The positions of the classes that it decides for."""


def ask(model: Any, frame: pandas.DataFrame, *, named: bool) -> Said:
    """Asks a fitted model; without `named` it was trained on an array, and gets one.

    Raises UnsupportedModel for one that says neither a class nor numbers.
    """
    numpy = need("numpy", "sklearn")
    rows: Any = frame if named else frame.to_numpy()
    if not hasattr(model, "predict"):
        raise UnsupportedModel(f"a {kind(model)} predicts nothing; expected a fitted classifier or regressor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes = _classes(model)
        if not classes:
            numbers = numpy.asarray(model.predict(rows), dtype="float64")
            return Said(numbers.reshape(len(frame), -1), [], None)
        labels = numpy.asarray(model.predict(rows)).reshape(len(frame), -1)[:, 0]
        probabilities = None
        if hasattr(model, "predict_proba"):
            probabilities = numpy.asarray(model.predict_proba(rows), dtype="float64")
    position = {_text(label): i for i, label in enumerate(classes)}
    positions = numpy.array([position[_text(label)] for label in labels.tolist()])
    return Said(probabilities, [_text(label) for label in classes], positions)


def _classes(model: Any) -> Sequence[Any]:
    classes = getattr(model, "classes_", None)
    if classes is None or len(classes) == 0:
        return []
    if isinstance(classes, list) and hasattr(classes[0], "__len__") and not isinstance(classes[0], str):
        raise UnsupportedModel(
            "a classifier of several labels cannot be compared yet; export it yourself and run: "
            "foretold new MODEL.onnx -o DIR --sample FILE.csv"
        )
    return list(getattr(classes, "tolist", lambda: classes)())


def _text(label: Any) -> str:
    """As ONNX files have it: 1 for 1.0 and for true."""
    if isinstance(label, (bool, int)) or (isinstance(label, float) and label.is_integer()):
        return str(int(label))
    return str(label)
