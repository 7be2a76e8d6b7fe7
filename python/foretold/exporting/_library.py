"""What the library says that trained a model."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from foretold._errors import UnsupportedModel
from foretold.exporting._estimators import kind, package
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import numpy
    import pandas


@dataclass(frozen=True)
class Said:
    """A row of answers for each row that was asked for."""

    numbers: numpy.ndarray[Any, Any] | None
    """Probabilities or scores, a column for each class, or what a regressor says; None of a classifier without."""
    classes: list[str]
    """The classes as texts, in the order of the columns; none of a regressor."""
    labels: numpy.ndarray[Any, Any] | None
    """The positions of the classes that it decides for."""
    otherwise: numpy.ndarray[Any, Any] | None = None
    """The same numbers as some files have them: of two classes a score for each, and not one for both."""

    def in_columns(self, widths: Collection[int]) -> Said:
        """With those numbers that are as wide as one of a file's outputs."""
        if self.otherwise is None or self.numbers is None or self.numbers.shape[1] in widths:
            return self
        return replace(self, numbers=self.otherwise, otherwise=None)


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
            _check_regressor(model)
            numbers = numpy.asarray(model.predict(rows), dtype="float64")
            return Said(numbers.reshape(len(frame), -1), [], None)
        labels = numpy.asarray(model.predict(rows)).reshape(len(frame), -1)[:, 0]
        numbers, otherwise = None, None
        if hasattr(model, "predict_proba"):
            numbers = numpy.asarray(model.predict_proba(rows), dtype="float64")
        elif hasattr(model, "decision_function"):
            numbers = numpy.asarray(model.decision_function(rows), dtype="float64").reshape(len(frame), -1)
            otherwise = numpy.hstack([-numbers, numbers]) if numbers.shape[1] == 1 else None
    position = {_text(label): i for i, label in enumerate(classes)}
    positions = numpy.array([position[_text(label)] for label in labels.tolist()])
    names = [str(label) if isinstance(label, bool) else _text(label) for label in classes]
    return Said(numbers, names, positions, otherwise)


def _check_regressor(model: Any) -> None:
    """What a clustering or a detector of outliers predicts is not what its file has."""
    if package(model) == "catboost":
        is_regressor = kind(model) == "CatBoostRegressor"
    else:
        is_regressor = need("sklearn.base", "sklearn").is_regressor(model)
    if not is_regressor:
        raise UnsupportedModel(
            f"a {kind(model)} is neither a classifier nor a regressor; export it yourself and run: "
            "foretold new MODEL.onnx -o DIR --sample FILE.csv"
        )


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
