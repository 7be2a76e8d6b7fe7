"""What the library says that trained a model."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from foretold._errors import UnsupportedModel
from foretold.exporting._estimators import final, kind, package
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import numpy
    import pandas

# The clusterings that skl2onnx writes: a cluster, and the distances to all.
_CLUSTERINGS = ("KMeans", "MiniBatchKMeans")
_MIXTURES = ("GaussianMixture", "BayesianGaussianMixture")


@dataclass(frozen=True)
class Label:
    """One of several labels that a classifier gives at once."""

    name: str
    classes: list[str]
    positions: numpy.ndarray[Any, Any]
    """Of each row the class that it decides for."""
    columns: list[int]
    """Where the classes' probabilities are among the numbers."""


@dataclass(frozen=True)
class Said:
    """A row of answers for each row that was asked for."""

    numbers: numpy.ndarray[Any, Any] | None
    """Probabilities or scores, a column for each class, or what a regressor says; None of a classifier without."""
    classes: list[str]
    """The classes as texts, in the order of the columns; none of a regressor."""
    labels: numpy.ndarray[Any, Any] | None
    """The positions of the classes that it decides for."""
    several: tuple[Label, ...] = ()
    """Where it gives several labels, each of them; `classes` and `labels` are of none then."""
    otherwise: tuple[Said, ...] = ()
    """The same as some files have it: of two classes a score for each and not one for both, say."""
    decided: numpy.ndarray[Any, Any] | None = None
    """What a detector or a clustering decides, as an integer."""
    margin: numpy.ndarray[Any, Any] | None = None
    """How far its numbers are from another decision."""

    def in_columns(self, widths: Collection[int]) -> list[Said]:
        """With those numbers that are as wide as one of a file's outputs, in each order that a file may have; at least one."""
        ways = [self, *self.otherwise]
        return [each for each in ways if each.numbers is None or each.numbers.shape[1] in widths] or [self]


def ask(model: Any, frame: pandas.DataFrame, targets: Sequence[str], *, named: bool) -> Said:
    """Asks a fitted model; without `named` it was trained on an array, and gets one. Several labels are called as
    their targets are.

    Raises UnsupportedModel for one that says neither a class nor numbers.
    """
    numpy = need("numpy", "sklearn")
    rows: Any = frame if named else frame.to_numpy()
    last = final(model)
    if kind(last) == "LocalOutlierFactor" and not last.novelty:
        raise UnsupportedModel(
            "a LocalOutlierFactor predicts nothing of new rows unless it is made with novelty=True; make it so, and fit it again"
        )
    if not hasattr(model, "predict"):
        raise UnsupportedModel(f"a {kind(last)} predicts nothing of new rows; expected a fitted classifier or regressor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes = _classes(model)
        if not classes and not _is_regressor(model):
            return _unsupervised(model, rows, len(frame))
        if not classes:
            numbers = numpy.asarray(model.predict(rows), dtype="float64")
            return Said(numbers.reshape(len(frame), -1), [], None)
        found = numpy.asarray(model.predict(rows)).reshape(len(frame), -1)
        if found.shape[1] > 1:
            return _several(model, rows, found, classes, targets)
        labels = found[:, 0]
        numbers, otherwise = None, None
        if hasattr(model, "predict_proba"):
            numbers = numpy.asarray(model.predict_proba(rows), dtype="float64")
        elif hasattr(model, "decision_function"):
            numbers = numpy.asarray(model.decision_function(rows), dtype="float64").reshape(len(frame), -1)
            otherwise = numpy.hstack([-numbers, numbers]) if numbers.shape[1] == 1 else None
    said = Said(numbers, _names(classes), _positions(labels, classes))
    if otherwise is None:
        return said
    # Support vector machines have the second class's first.
    return replace(said, otherwise=tuple(replace(said, numbers=each) for each in (otherwise, -otherwise)))


def _several(
    model: Any, rows: Any, found: numpy.ndarray[Any, Any], classes: Sequence[Any], targets: Sequence[str]
) -> Said:
    """Of a classifier of several labels; files have their probabilities in one of several orders."""
    numpy = need("numpy", "sklearn")
    count = found.shape[1]
    last = final(model)
    if package(last) in ("xgboost", "catboost"):
        use = "MultiOutputClassifier(XGBClassifier(…)) of scikit-learn, or " if package(last) == "xgboost" else ""
        raise UnsupportedModel(
            f"the file of a {kind(last)} of several labels does not have their probabilities; use {use}a model for each label"
        )
    if not hasattr(model, "predict_proba"):
        raise UnsupportedModel(
            f"a {kind(last)} of several labels has no probabilities, without which its file cannot be compared: use a "
            "model that has some, or fit and export a model for each label"
        )
    if targets and len(targets) != count:
        raise ValueError(f"target: the model gives {count} labels, and target= names {len(targets)}: {', '.join(targets)}")
    names = list(targets) or [f"label_{index}" for index in range(count)]
    probabilities = model.predict_proba(rows)
    is_list = isinstance(probabilities, list)
    of_each = [_listed(each) for each in classes] if is_list else [[0, 1]] * count
    for name, known in zip(names, of_each):
        if len(known) < 2:
            raise UnsupportedModel(
                f"the label {name!r} has one class in training, {known[0]!r}; leave it out, and fit the model again"
            )

    def made(columns: Sequence[Sequence[int]], width: int) -> Said:
        numbers = numpy.zeros((len(found), width))
        for i, places in enumerate(columns):
            for j, place in enumerate(places):
                second = None if is_list else probabilities[:, i]
                numbers[:, place] = probabilities[i][:, j] if second is None else second if j == 1 else 1.0 - second
        labels = [
            Label(name, _names(known), _positions(found[:, i], known), list(places))
            for i, (name, known, places) in enumerate(zip(names, of_each, columns))
        ]
        return Said(numbers, [], None, tuple(labels))

    widths = [len(known) for known in of_each]
    starts = [sum(widths[:i]) for i in range(count)]
    # One label's after the other's; a forest's fewer classes have zeros behind them.
    ways = [(starts, widths, sum(widths)), ([i * max(widths) for i in range(count)], widths, count * max(widths))]
    said = [made([list(range(start, start + each)) for start, each in zip(*way[:2])], way[2]) for way in ways]
    if not is_list:
        # The first class of all labels, then the second; or the second alone.
        said = [made([[i, count + i] for i in range(count)], 2 * count), _second_alone(said[0], probabilities)]
    return replace(said[0], otherwise=tuple(said[1:]))


def _second_alone(said: Said, probabilities: Any) -> Said:
    labels = tuple(replace(label, columns=[i]) for i, label in enumerate(said.several))
    return replace(said, numbers=need("numpy", "sklearn").asarray(probabilities, dtype="float64"), several=labels)


def _unsupervised(model: Any, rows: Any, count: int) -> Said:
    """Of a detector of outliers, a clustering or a mixture."""
    numpy = need("numpy", "sklearn")
    name = kind(final(model))
    if need("sklearn.base", "sklearn").is_outlier_detector(model):
        scores = numpy.asarray(model.decision_function(rows), dtype="float64").reshape(count, 1)
        return Said(scores, [], None, decided=numpy.asarray(model.predict(rows)), margin=numpy.abs(scores[:, 0]))
    if name in _CLUSTERINGS:
        distances = numpy.asarray(model.transform(rows), dtype="float64")
        nearest = numpy.sort(distances, axis=1)
        margin = nearest[:, 1] - nearest[:, 0] if nearest.shape[1] > 1 else numpy.full(count, numpy.inf)
        return Said(distances, [], None, decided=numpy.asarray(model.predict(rows)), margin=margin)
    if name in _MIXTURES and final(model).n_components > 1:
        numbers = numpy.asarray(model.predict_proba(rows), dtype="float64")
        return Said(numbers, [str(i) for i in range(numbers.shape[1])], numpy.asarray(model.predict(rows)))
    raise UnsupportedModel(
        f"a {name} is no classifier, regressor, detector of outliers, clustering by KMeans or mixture of Gaussians; export it "
        "yourself and run: foretold new MODEL.onnx -o DIR --sample FILE.csv"
    )


def _is_regressor(model: Any) -> bool:
    if package(model) == "catboost":
        return kind(model) == "CatBoostRegressor"
    return bool(need("sklearn.base", "sklearn").is_regressor(model))


def _classes(model: Any) -> Sequence[Any]:
    classes = getattr(model, "classes_", None)
    return [] if classes is None else _listed(classes)


def _listed(classes: Any) -> list[Any]:
    return list(getattr(classes, "tolist", lambda: classes)())


def _names(classes: Sequence[Any]) -> list[str]:
    return [str(label) if isinstance(label, bool) else _text(label) for label in classes]


def _positions(labels: numpy.ndarray[Any, Any], classes: Sequence[Any]) -> numpy.ndarray[Any, Any]:
    position = {_text(label): i for i, label in enumerate(classes)}
    made: numpy.ndarray[Any, Any] = need("numpy", "sklearn").array([position[_text(label)] for label in labels.tolist()])
    return made


def _text(label: Any) -> str:
    """As ONNX files have it: 1 for 1.0 and for true."""
    if isinstance(label, (bool, int)) or (isinstance(label, float) and label.is_integer()):
        return str(int(label))
    return str(label)
