"""Compares library, onnxruntime and Foretold, answer by answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union

from foretold._errors import RowError
from foretold._predictor import Endpoint, Output
from foretold.exporting._library import Said
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import numpy
    import pandas

Value = Union[float, str, None]
Between = Literal["library and onnxruntime", "onnxruntime and Foretold", "refused"]


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may be apart that count as the same: absolute + relative × the larger of the expected one
    and the mean of all, without signs."""

    absolute: float
    relative: float

    def of(self, expected: numpy.ndarray[Any, Any]) -> Any:
        numpy = need("numpy", "sklearn")
        size = numpy.abs(expected)
        mean = numpy.nanmean(size) if size.size else 0.0
        return self.absolute + self.relative * numpy.fmax(size, mean)


@dataclass(frozen=True)
class Difference:
    """A row for which not all say the same."""

    row: Hashable
    """Its label in the frame's index."""
    position: int
    """Its position among the rows that were compared."""
    column: str
    """The answer, e.g. `probability`."""
    between: Between
    library: Value
    onnxruntime: Value
    foretold: Value
    """None where it has refused the row."""
    reason: str
    """Why it has."""
    size: float
    """How far the two are apart, as a multiple of what is allowed; infinite between labels."""


@dataclass(frozen=True)
class Comparison:
    """What came of all rows."""

    rows: int
    differences: list[Difference]
    """The worst first."""
    largest: dict[str, float]
    """The largest difference of each number, between any two."""


def matching(said: Said, tensors: Mapping[str, Any]) -> Any:
    """The tensor that has what the library says; None where it cannot be told."""
    if said.numbers is None:
        return None
    width = said.numbers.shape[1]
    fits = [values for values in tensors.values() if values.dtype.kind == "f" and values.shape[1] == width]
    return fits[0] if fits else None


def expected(said: Said, tensors: Mapping[str, Any], output: Output) -> Any:
    """What the library says where the file has an output; None where it says nothing there."""
    if said.decided is not None and tensors[output.tensor].dtype.kind in "iu":
        return said.decided
    if said.numbers is not None and tensors[output.tensor] is matching(said, tensors):
        return said.numbers[:, output.column]
    return None


def differing(said: Said, tensors: Mapping[str, Any], tolerance: Tolerance) -> int:
    """For how many rows onnxruntime says other numbers than the library."""
    numpy = need("numpy", "sklearn")
    if said.numbers is None:
        return 0
    found = matching(said, tensors)
    if found is None:
        return len(said.numbers)
    far = _distance(said.numbers, found) > tolerance.of(said.numbers)
    return int(numpy.any(far, axis=1).sum())


def settled(said: Said, tensors: Mapping[str, Any], tolerance: Tolerance) -> Said:
    """With the numbers as the file has them."""
    ways = said.in_columns({values.shape[1] for values in tensors.values() if values.dtype.kind == "f"})
    return min(ways, key=lambda way: differing(way, tensors, tolerance))


def is_comparable(said: Said, tensors: Mapping[str, Any], endpoints: Sequence[Endpoint]) -> bool:
    """Whether something that the library says is among the answers."""
    if said.numbers is not None:
        return matching(said, tensors) is not None
    return any(not endpoint.is_number and len(endpoint.labels) == len(said.classes) for endpoint in endpoints)


def compare(
    index: Sequence[Hashable],
    said: Said,
    tensors: Mapping[str, Any],
    answers: pandas.DataFrame,
    refused: Sequence[RowError],
    endpoints: Sequence[Endpoint],
    outputs: Sequence[Output],
    tolerance: Tolerance,
) -> Comparison:
    """Compares all answers to some rows, whose labels are `index`; `refused` has their positions."""
    reasons = {error.row: error.detail for error in reversed(refused) if isinstance(error.row, int)}
    found: list[Difference] = []
    largest: dict[str, float] = {}
    by_name = {output.name: output for output in outputs}
    for endpoint in endpoints:
        if endpoint.is_number:
            differences = _numbers(index, said, tensors, answers, endpoint, by_name, tolerance, reasons, largest)
        else:
            differences = _labels(index, said, tensors, answers, endpoint, by_name, tolerance, reasons)
        found += differences
    found.sort(key=lambda difference: -difference.size)
    return Comparison(len(index), found, largest)


def _numbers(
    index: Sequence[Hashable],
    said: Said,
    tensors: Mapping[str, Any],
    answers: pandas.DataFrame,
    endpoint: Endpoint,
    outputs: Mapping[str, Output],
    tolerance: Tolerance,
    reasons: Mapping[int, str],
    largest: dict[str, float],
) -> Iterator[Difference]:
    numpy = need("numpy", "sklearn")
    output = outputs[endpoint.outputs[0]]
    runtime = tensors[output.tensor][:, output.column].astype("float64")
    ours = answers[endpoint.field].to_numpy(dtype="float64", na_value=numpy.nan)
    library = expected(said, tensors, output)
    pairs: list[tuple[Between, Any, Any]] = [("onnxruntime and Foretold", runtime, ours)]
    if library is not None:
        pairs.insert(0, ("library and onnxruntime", library, runtime))
    answered = numpy.ones(len(index), dtype=bool)
    answered[list(reasons)] = False
    seen = 0.0
    for between, one, other in pairs:
        distance = _distance(one, other)
        considered = answered if between == "onnxruntime and Foretold" else numpy.ones(len(index), dtype=bool)
        if one is said.decided and said.margin is not None and said.numbers is not None:
            considered = considered & (said.margin > 2 * numpy.max(tolerance.of(said.numbers), axis=1))
        sizes = numpy.where(considered, distance / tolerance.of(one), 0.0)
        finite = distance[considered & numpy.isfinite(distance)]
        seen = max(seen, float(finite.max(initial=0.0)))
        for i in numpy.flatnonzero(~(sizes <= 1.0)).tolist():
            values = (None if library is None else float(library[i])), float(runtime[i]), float(ours[i])
            yield Difference(index[i], i, endpoint.field, between, *values, reasons.get(i, ""), float(sizes[i]))
    # Of many rows the first ones are told more of.
    for i, reason in sorted(reasons.items()):
        value = None if library is None else float(library[i])
        yield Difference(index[i], i, endpoint.field, "refused", value, float(runtime[i]), None, reason, float("inf"))
    largest[endpoint.field] = seen


def _labels(
    index: Sequence[Hashable],
    said: Said,
    tensors: Mapping[str, Any],
    answers: pandas.DataFrame,
    endpoint: Endpoint,
    outputs: Mapping[str, Output],
    tolerance: Tolerance,
    reasons: Mapping[int, str],
) -> Iterator[Difference]:
    """The class that each decides for. Where two are as likely as can be told, either is right."""
    numpy = need("numpy", "sklearn")
    numbers = _scores(tensors, endpoint, outputs, lambda output: tensors[output.tensor][:, output.column])
    if numbers is None:
        return
    likely = _scores(tensors, endpoint, outputs, lambda output: expected(said, tensors, output))
    classes, decided = _decided(said, tensors, endpoint, outputs)
    if endpoint.threshold not in (None, 0.0, 0.5) or decided is None and endpoint.threshold is not None:
        # Not the library's own decision, but one by its number.
        decided = None if likely is None else likely.argmax(axis=1)
    labels = [label for _, label in endpoint.classes] or list(endpoint.labels)
    if decided is None:
        return
    likely = numbers if likely is None else likely
    runtime = numbers.argmax(axis=1)
    ours = answers[endpoint.field].tolist()
    allowed = tolerance.of(likely)
    for i in range(len(index)):
        if i in reasons:
            continue
        three = int(decided[i]), int(runtime[i]), _position(labels, ours[i])
        margins = [abs(likely[i, three[0]] - likely[i, each]) for each in three]
        if all(margin <= 2 * numpy.max(allowed[i]) for margin in margins):
            continue
        between: Between = "library and onnxruntime" if three[0] != three[1] else "onnxruntime and Foretold"
        values = (classes or labels)[three[0]], labels[three[1]], ours[i]
        yield Difference(index[i], i, endpoint.field, between, *values, "", float("inf"))


def _decided(
    said: Said, tensors: Mapping[str, Any], endpoint: Endpoint, outputs: Mapping[str, Output]
) -> tuple[list[str], Any]:
    """The classes that the library knows, in the endpoint's order, and the positions of those that it decides for;
    None where they are not the endpoint's."""
    numpy = need("numpy", "sklearn")
    places = [outputs[name] for name, _ in endpoint.classes] or [outputs[endpoint.outputs[0]]]
    columns = [place.column for place in places]
    classes, decided = said.classes, said.labels
    for label in said.several:
        same = sorted(columns) == sorted(label.columns) if endpoint.classes else columns == label.columns[-1:]
        if same and tensors[places[0].tensor] is matching(said, tensors):
            classes, decided = label.classes, label.positions
    labels = [label for _, label in endpoint.classes] or list(endpoint.labels)
    if decided is None or len(classes) != len(labels):
        return [], None
    if set(labels) == set(classes):
        places_of_classes = numpy.array([labels.index(name) for name in classes])
    else:
        # They have other names in the manifest: the classes are in the order of the file's columns.
        places_of_classes = numpy.argsort(columns, kind="stable") if endpoint.classes else numpy.arange(len(labels))
    return [classes[each] for each in numpy.argsort(places_of_classes)], places_of_classes[decided]


def _scores(
    tensors: Mapping[str, Any], endpoint: Endpoint, outputs: Mapping[str, Output], of: Callable[[Output], Any]
) -> Any:
    """A number for each label of an endpoint, the largest of the one that it answers; None where that is not so."""
    numpy = need("numpy", "sklearn")
    if endpoint.classes:
        columns = [of(outputs[output]) for output, _ in endpoint.classes]
    elif endpoint.threshold is not None:
        above = of(outputs[endpoint.outputs[0]])
        columns = [None if above is None else numpy.full(len(above), endpoint.threshold), above]
    else:
        # The class that the file says itself, if it does.
        said = of(outputs[endpoint.outputs[0]])
        if said is None or said.dtype.kind == "f":
            return None
        names = numpy.array([str(value) for value in said.tolist()], dtype=object)
        columns = [names == label for label in endpoint.labels]
    return None if any(column is None for column in columns) else numpy.stack(columns, axis=1).astype("float64")


def _position(labels: Sequence[str], label: object) -> int:
    return labels.index(str(label)) if str(label) in labels else 0


def _distance(one: Any, other: Any) -> Any:
    """How far numbers are apart; infinite where one is none and the other is."""
    numpy = need("numpy", "sklearn")
    with numpy.errstate(invalid="ignore"):
        distance = numpy.abs(numpy.asarray(one, dtype="float64") - numpy.asarray(other, dtype="float64"))
    same = (numpy.isnan(one) & numpy.isnan(other)) | (one == other)
    return numpy.where(same, 0.0, numpy.nan_to_num(distance, nan=numpy.inf))
