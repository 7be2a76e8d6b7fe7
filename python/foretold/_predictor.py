"""Predictions in this process."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Hashable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, Union, cast, overload

from foretold import _rows
from foretold._errors import InvalidRows, MissingColumn, RowError
from foretold._native import Model
from foretold._progress import batches
from foretold._stores import Store, store_of

if TYPE_CHECKING:
    import pandas
    import redis

    Entries = Union[MutableMapping[str, bytes], "redis.Redis", Store, None]

Value = Union[float, str]

_PROBLEM = "urn:foretold:problem:"
_PREDICTIONS = "/predictions"
_REFUSED = 422


@dataclass(frozen=True)
class Feature:
    """One input of a model."""

    name: str
    type: Literal["number", "integer", "boolean", "category", "vector"]
    length: int | None
    """How many elements a vector has."""
    expected: str
    """What is accepted, e.g. `an integer from 18 to 127`."""
    optional: bool
    """Whether it may be left out or None."""
    unit: str | None
    description: str


@dataclass(frozen=True)
class Output:
    """One number that a model gives and the cache keeps."""

    name: str
    tensor: str
    """The output of the ONNX model."""
    column: int
    """Its column, from 0."""


@dataclass(frozen=True)
class Endpoint:
    """What is answered at a path, derived from outputs."""

    path: str
    """E.g. `/probabilities`."""
    field: str
    """The member of an answer and the column of a frame, e.g. `probability`."""
    is_number: bool
    """Whether it is an output itself, and not a label."""
    outputs: tuple[str, ...]
    """The outputs that it derives from."""
    classes: tuple[tuple[str, str], ...]
    """Where the likeliest of several is answered: of each its output and its label."""
    threshold: float | None
    """Where one of two labels is answered: the second strictly above it."""
    labels: tuple[str, ...]
    """All labels that there can be."""


@dataclass(frozen=True)
class Counts:
    """What became of the rows that a predictor was asked for."""

    rows: int = 0
    hits: int = 0
    """Answers that derive from an entry of the store."""
    refused: int = 0


class Answer(dict[str, Value]):
    """The answers to one row, by their fields; a dict that also says what the cache did."""

    cache_status: str
    """As the header `Cache-Status` says it, e.g. `foretold; fwd=miss; stored` or `foretold; hit; ttl=3600`."""

    def __init__(self, values: Mapping[str, Value], cache_status: str) -> None:
        super().__init__(values)
        self.cache_status = cache_status

    @property
    def hit(self) -> bool:
        """Whether it derives from an entry of the store."""
        return "; hit" in self.cache_status

    def _repr_html_(self) -> str:
        return _table([*self.items(), ("cache", self.cache_status)])


class Predictor:
    """A model over a store, in this process: the rules, keys and entries are those of the service.

    Threads may share it: calls take turns, and other threads of Python run meanwhile. More predictors of the
    same model compute at the same time.

    >>> predictor = foretold.Predictor("churn/", store={})
    >>> predictor.predict({"months": 12, "monthly_fee": 39.9, "contract": "monthly"})
    {'probability': 0.8503414, 'class': '1'}
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        store: Entries = None,
        *,
        keys: Literal["packed", "digest", "readable"] = "packed",
        ttl_seconds: int | None = None,
        key_secret: bytes | None = None,
        mac_secret: bytes | None = None,
    ) -> None:
        """Loads a model's folder, or a file that `bake` has made for the target `edge`.

        Entries are kept in `store`: a dict, which nothing is ever removed from; a `redis.Redis`, in which hosts
        with `--store redis://…` find them, and the other way round; an object like `Store`; or None, and every
        row is computed. `keys`, `key_secret` and `mac_secret` must be those of the hosts. An entry is served for
        `ttl_seconds`, or what the manifest says. What a store raises costs no prediction: the row is computed,
        and `Answer.cache_status` says so.

        The first model of a user compiles the component, which takes some seconds; its code is kept in the
        user's cache folder.

        Raises ValueError if the model cannot be loaded or a setting is wrong, TypeError for another store.
        """
        entries = store_of(store)
        if keys not in ("packed", "digest", "readable"):
            raise ValueError(f"keys: expected packed, digest or readable, got {keys!r}")
        self._path = os.fspath(model)
        self._model = Model(
            self._path, entries, keys=keys, ttl_seconds=ttl_seconds, key_secret=key_secret, mac_secret=mac_secret
        )
        described = json.loads(self._model.describe())
        self.name: str = described["name"]
        """The model's name."""
        self.model_id: str = described["model_id"]
        """Digest of everything that decides the outputs; it stands in the keys."""
        self.ttl_seconds: int = described["ttl_seconds"]
        """Longest that an entry is served, in seconds."""
        self.features = tuple(Feature(**feature) for feature in described["features"])
        """What a row has."""
        self.outputs = tuple(Output(**output) for output in described["outputs"])
        self.endpoints = tuple(_endpoint(endpoint) for endpoint in described["endpoints"])
        """What is answered."""
        self._lock = threading.Lock()
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """What became of all rows so far."""
        return self._counts

    @overload
    def predict(
        self, rows: pandas.DataFrame, *, errors: Literal["raise", "coerce"] = ..., progress: bool = ...
    ) -> pandas.DataFrame: ...
    @overload
    def predict(
        self, rows: Mapping[str, Any], *, errors: Literal["raise", "coerce"] = ..., progress: bool = ...
    ) -> Answer: ...
    @overload
    def predict(
        self, rows: Iterable[Mapping[str, Any]], *, errors: Literal["raise", "coerce"] = ..., progress: bool = ...
    ) -> list[dict[str, Value | None]]: ...

    def predict(
        self,
        rows: pandas.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]],
        *,
        errors: Literal["raise", "coerce"] = "raise",
        progress: bool = True,
    ) -> pandas.DataFrame | Answer | list[dict[str, Value | None]]:
        """The answers of all endpoints to some rows, by the endpoints' fields.

        Of a DataFrame, or of a row of one, the columns are taken that are features, whatever others there are and
        whether their names are texts or not; a vector is a column of lists or arrays, or columns `NAME[0]`,
        `NAME[1]` and so on. The answer is a DataFrame with the same index and a column for each field. One mapping
        gives one answer, several give a list. None, NaN and pandas' NA are missing values.

        A column of a feature that is optional may be left out, which is warned of: it is missing in every row then.

        Rows that are refused raise InvalidRows with every field that is wrong; with `errors="coerce"` they get
        None (NaN among numbers) instead. Raises TypeError for a value that no row can have, KeyError where a
        frame lacks a column, ValueError where it has one twice, RuntimeError if the component broke down or took
        longer than a minute for a thousand rows. From 10 000 rows on tqdm shows a bar, where it is installed and `progress` is not False.

        >>> predictor.predict(customers)
             probability class
        0       0.047748     0
        1       0.693740     1
        """
        if errors not in ("raise", "coerce"):
            raise ValueError(f"errors: expected raise or coerce, got {errors!r}")
        if isinstance(rows, Mapping):
            return self._predict_one(rows)
        if _is_series(rows):
            names = {feature.name for feature in self.features}
            row = cast("dict[Any, Any]", cast("Any", rows).to_dict())
            return self._predict_one({str(name): value for name, value in row.items() if str(name) in names})
        frame = _frame(rows)
        if frame is not None:
            found, refused = self.answers(frame, progress)
            _raise(refused, errors)
            return found
        several = list(cast("Iterable[Any]", rows))
        for each in several:
            if not isinstance(each, Mapping):
                raise TypeError(f"expected a DataFrame, a mapping of names to values, or several of them, got {type(rows).__name__}")
        plain = [_rows.of_mapping(row) for row in several]
        answers, refused = self._predict_many(plain, range(len(plain)), progress)
        _raise(refused, errors)
        return answers

    def _predict_one(self, row: Mapping[Any, Any]) -> Answer:
        status, body, cache, hits = self._model.post(_PREDICTIONS, _rows.to_json(_rows.of_mapping(row)))
        found = json.loads(body)
        refused = int(status != 200)
        self._count(1, hits, refused)
        if refused:
            raise InvalidRows(_row_errors(found, None)) if status == _REFUSED else _failed(status, found)
        return Answer(found, cache)

    def answers(self, frame: pandas.DataFrame, progress: bool = True) -> tuple[pandas.DataFrame, list[RowError]]:
        """The answers to the rows of a frame, with None for those that are refused, and why they are."""
        import pandas

        widths = {feature.name: feature.length for feature in self.features}
        rows, found_names = _rows.of_frame(frame, widths)
        for feature in self.features:
            if not feature.optional and feature.name not in found_names:
                raise MissingColumn(
                    f"the frame has no column {feature.name!r}; expected {', '.join(widths)}, "
                    f"got {', '.join(map(str, frame.columns))}"
                )
        left_out = [name for name in widths if name not in found_names]
        if left_out:
            warnings.warn(
                f"the frame has no column {', '.join(map(repr, left_out))}, which may be missing, and is in every row", stacklevel=3
            )
        found, refused = self._predict_many(rows, list(frame.index), progress)
        columns = {field: [answer[field] for answer in found] for field in self.fields}
        return pandas.DataFrame(columns, index=frame.index), refused

    @property
    def fields(self) -> list[str]:
        """The names of the answers."""
        return [endpoint.field for endpoint in self.endpoints]

    def _predict_many(
        self, rows: Sequence[_rows.Row], labels: Sequence[Hashable], progress: bool
    ) -> tuple[list[dict[str, Value | None]], list[RowError]]:
        answers: list[dict[str, Value | None]] = []
        refused: list[RowError] = []
        for batch in batches(rows, "predicting", progress=progress):
            for found in self._post(batch):
                if str(found.get("type", "")).startswith(_PROBLEM):
                    refused += _row_errors(found, labels[len(answers)])
                    found = dict.fromkeys(self.fields)
                answers.append(found)
        return answers, refused

    def _post(self, rows: Sequence[_rows.Row]) -> list[dict[str, Any]]:
        """An answer or a problem for each row."""
        status, body, _, hits = self._model.post(_PREDICTIONS, _rows.to_json(rows))
        found = json.loads(body)
        if status == 200:
            self._count(len(rows), hits, sum(str(it.get("type", "")).startswith(_PROBLEM) for it in found))
            return list(found)
        if status != _REFUSED:
            raise _failed(status, found)
        if len(rows) == 1:
            self._count(1, 0, 1)
            return [found]
        # Wrong rows that are much shorter than their problems are refused together.
        half = len(rows) // 2
        return self._post(rows[:half]) + self._post(rows[half:])

    def _count(self, rows: int, hits: int, refused: int) -> None:
        with self._lock:
            before = self._counts
            self._counts = Counts(before.rows + rows, before.hits + hits, before.refused + refused)

    def __repr__(self) -> str:
        return f"<foretold.Predictor of {self.name}: {', '.join(self.fields)}>"

    def _repr_html_(self) -> str:
        counts = self.counts
        about = f"{counts.rows} rows asked, {counts.hits} hits, {counts.refused} refused; ttl {self.ttl_seconds} s"
        features = [(feature.name, _expected(feature)) for feature in self.features]
        return (
            f"<b>{escape(self.name)}</b> answers {escape(', '.join(self.fields))} ({escape(about)})" + _table(features)
        )


def _frame(rows: Any) -> pandas.DataFrame | None:
    return cast("pandas.DataFrame", rows) if hasattr(rows, "columns") else None


def _is_series(rows: Any) -> bool:
    return getattr(rows, "ndim", None) == 1 and hasattr(rows, "to_dict")


def _raise(refused: Sequence[RowError], errors: Literal["raise", "coerce"]) -> None:
    if refused and errors == "raise":
        raise InvalidRows(refused)


def _expected(feature: Feature) -> str:
    unit = f" ({feature.unit})" if feature.unit else ""
    return feature.expected + unit + (", optional" if feature.optional else "")


def _endpoint(described: dict[str, Any]) -> Endpoint:
    classes = tuple((output, label) for output, label in described.pop("classes"))
    outputs, labels = tuple(described.pop("outputs")), tuple(described.pop("labels"))
    return Endpoint(**described, outputs=outputs, classes=classes, labels=labels)


def _row_errors(problem: dict[str, Any], row: Hashable) -> list[RowError]:
    """The mistakes that a problem document names; one where it names none."""
    errors = problem.get("errors") or [{}]
    detail = problem.get("detail", problem.get("title", "refused"))
    return [
        RowError(row, it.get("field", ""), it.get("value"), it.get("expected", ""), it.get("detail", detail))
        for it in errors
    ]


def _failed(status: int, problem: dict[str, Any]) -> RuntimeError:
    return RuntimeError(f"the component answered {status}: {problem.get('detail', problem)}")


def _table(rows: Iterable[tuple[str, object]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
