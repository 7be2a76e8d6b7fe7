"""The columns of a frame that a model takes, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from foretold._errors import MissingColumn, UnsupportedModel
from foretold.exporting._estimators import kind, parts
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import pandas

Kind = Literal["number", "integer", "boolean", "text", "vector"]

# What skl2onnx leaves as it is. Other names, and those of its outputs, it changes, and then does not find the column of a
# ColumnTransformer.
_PLAIN = re.compile(r"(?!(label|probabilities|scores|variable)$)[^\W\d]\w*")

_SHOWN = 60
# Up to this each integer has a float32 of its own.
_EXACT = 2**24


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    has_missing: bool
    input: str
    """What the file calls it, where it has an input for each column."""
    length: int = 1
    """How many elements a vector has."""
    is_whole: bool = False
    """Whether they are integers."""

    @property
    def elements(self) -> list[str]:
        """The names of the columns of numbers or texts that it is made of."""
        return [f"{self.name}[{index}]" for index in range(self.length)] if self.kind == "vector" else [self.input]


def names(model: Any, frame: pandas.DataFrame, targets: Collection[str]) -> list[str]:
    """The columns that a model was trained on, in that order.

    Raises KeyError if the frame lacks one, ValueError if it cannot be told which they are.
    """
    for target in targets:
        if target not in frame.columns:
            raise MissingColumn(f"target: the frame has no column {target!r}; it has {_list(frame.columns)}")
    others = [name for name in frame.columns if name not in targets]
    known = trained(model)
    if known is not None:
        missing = [name for name in known if name not in others]
        if missing:
            raise MissingColumn(f"the model was trained on {_list(missing)}, and the frame has {_list(others)}")
        return known
    width = getattr(model, "n_features_in_", None)
    widths = {name: _width(frame[name]) for name in others}
    found = sum(widths[name] for name in others)
    if width is not None and width != found:
        of_arrays = [f"{name!r} has {each}" for name, each in widths.items() if each > 1]
        raise ValueError(
            f"the model takes {width} columns, and the frame has {found}: {_list(others)}"
            + (f" ({', '.join(of_arrays)})" if of_arrays else "")
            + "; name the target with target=, and leave out what the model was not trained on"
        )
    return [str(name) for name in others]


def trained(model: Any) -> list[str] | None:
    """What the model says that it was trained on."""
    catboost = getattr(model, "feature_names_", None)
    if catboost is not None and type(model).__module__.startswith("catboost"):
        # Of an array it makes up numbers.
        return None if catboost == [str(i) for i in range(len(catboost))] else [str(name) for name in catboost]
    try:
        found = model.feature_names_in_
    except (AttributeError, NotImplementedError):
        return None
    found = [str(name) for name in found]
    # LightGBM makes names up for an array.
    return None if found == [f"Column_{i}" for i in range(len(found))] else found


def selected(model: Any, columns: Sequence[str]) -> list[str]:
    """Those of the columns that a model with a ColumnTransformer in front uses; all where it cannot be told."""
    front = next((part for part in parts(model) if kind(part) != "Pipeline"), model)
    if kind(front) != "ColumnTransformer":
        return list(columns)
    used: set[str] = set()
    for _, transformer, chosen in front.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        chosen = [chosen] if isinstance(chosen, str) else list(chosen)
        if not all(isinstance(each, str) for each in chosen):
            return list(columns)
        used.update(chosen)
    return [name for name in columns if name in used]


def by_name(model: Any) -> bool:
    """Whether something in the model takes columns apart, so that it needs one input for each."""
    return any(kind(part) == "ColumnTransformer" for part in parts(model))


def read(model: Any, frame: pandas.DataFrame, columns: Sequence[str]) -> list[Column]:
    """What columns hold.

    Raises UnsupportedModel for a type that no request can have, or a text that is missing.
    """
    twice = [name for name in columns if list(frame.columns).count(name) > 1]
    if twice:
        raise ValueError(f"the frame has the column {twice[0]!r} twice; expected each once")
    filled = _filled(model, columns)
    inputs = _inputs(columns) if by_name(model) else list(columns)
    found = [_read(frame[name], name, made, filled) for name, made in zip(columns, inputs)]
    vectors = [column.name for column in found if column.kind == "vector"]
    if vectors and (by_name(model) or trained(model) is not None):
        raise UnsupportedModel(
            f"column {vectors[0]!r} has arrays, which scikit-learn takes as columns of one matrix only: fit the model on "
            f'numpy.column_stack([numpy.stack(frame["{vectors[0]}"]), …]), in the order of the frame\'s columns'
        )
    return found


def flat(frame: pandas.DataFrame, columns: Sequence[Column]) -> pandas.DataFrame:
    """The columns as the file takes them: under its names, and a column for each element of a vector."""
    if all(column.kind != "vector" for column in columns):
        return frame[[column.name for column in columns]].set_axis([column.input for column in columns], axis=1)
    numpy = need("numpy", "sklearn")
    made: list[Any] = []
    for column in columns:
        values = frame[column.name]
        elements = numpy.stack([numpy.asarray(value) for value in values]) if column.kind == "vector" else values.to_numpy()
        made.append(need("pandas", "sklearn").DataFrame(elements.reshape(len(frame), -1), columns=column.elements, index=frame.index))
    joined: pandas.DataFrame = need("pandas", "sklearn").concat(made, axis=1)
    return joined


def large(frame: pandas.DataFrame, columns: Sequence[Column]) -> list[str]:
    """The columns with integers that 32 bits round."""
    whole = [column.name for column in columns if column.kind == "integer"]
    return [name for name in whole if bool((frame[name].abs() > _EXACT).any())]


def gaps(model: Any, columns: Sequence[Column]) -> dict[str, list[int]]:
    """The columns of integers of which an encoder knows some between others only, and refuses the rest: what it knows."""
    whole = {column.name for column in columns if column.kind == "integer"}
    found: dict[str, list[int]] = {}
    for part in parts(model):
        if kind(part) not in ("OneHotEncoder", "OrdinalEncoder") or part.handle_unknown != "error":
            continue
        for name, known in zip(map(str, getattr(part, "feature_names_in_", [])), part.categories_):
            numbers = sorted(int(each) for each in known) if name in whole and known.dtype.kind in "iu" else []
            if numbers and len(numbers) <= numbers[-1] - numbers[0]:
                found[name] = numbers
    return found


def text_imputers(model: Any) -> list[Any]:
    """The imputers that fill in texts."""
    found = [part for part in parts(model) if kind(part) == "SimpleImputer"]
    return [part for part in found if all(isinstance(each, str) for each in getattr(part, "statistics_", [None]))]


def check_filled(model: Any, frame: pandas.DataFrame, columns: Sequence[Column]) -> None:
    """Refuses a text that an imputer takes for a missing one: the file leaves imputers of texts out."""
    filled = _filled(model, [column.name for column in columns])
    for column in columns:
        if column.kind != "text" or column.name not in filled:
            continue
        missing, fill = filled[column.name]
        rows: Any = frame.index[frame[column.name] == missing] if isinstance(missing, str) else []
        if len(rows) > 0:
            raise UnsupportedModel(
                f"column {column.name!r}: row {rows[0]} has {missing!r}, which the model's SimpleImputer replaces by {fill!r} "
                f"and skl2onnx cannot write for texts: use frame.replace({{{column.name!r}: {{{missing!r}: {fill!r}}}}}) here; "
                f"clients send {fill!r}, too, and the model need not be fitted again"
            )


def _filled(model: Any, columns: Sequence[str]) -> dict[str, tuple[Any, str]]:
    """The columns that imputers of texts fill in: what they take for missing, and what they put there."""
    found: dict[str, tuple[Any, str]] = {}
    for imputer in text_imputers(model):
        # Of an array it knows no names.
        names = [str(name) for name in getattr(imputer, "feature_names_in_", columns)]
        if len(names) == len(imputer.statistics_):
            found.update({name: (imputer.missing_values, str(fill)) for name, fill in zip(names, imputer.statistics_)})
    return found


def _inputs(columns: Sequence[str]) -> list[str]:
    """Names that skl2onnx takes, each once."""
    taken = {name for name in columns if _PLAIN.fullmatch(name)}
    made: list[str] = []
    for name in columns:
        if _PLAIN.fullmatch(name) is None:
            name = re.sub(r"\W", "_", name)
            name = name if re.match(r"\d", name) is None else f"_{name}"
            while name in taken or _PLAIN.fullmatch(name) is None:
                name += "_"
            taken.add(name)
        made.append(name)
    return made


def _is_array(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1


def _width(series: pandas.Series[Any]) -> int:
    """How many numbers a column holds in each row, as its first says; 1 of a name that the frame has twice."""
    first: Any = series.iloc[0] if series.ndim == 1 else None
    return len(first) if _is_array(first) else 1


def _read(series: pandas.Series[Any], name: str, made: str, filled: Mapping[str, tuple[Any, str]]) -> Column:
    from pandas.api import types

    missing = series.isna()
    has_missing = bool(missing.any())
    found = series.dtype
    present = series[~missing]
    if has_missing and (types.is_bool_dtype(found) or len(present) > 0 and all(isinstance(value, bool) for value in present)):
        raise UnsupportedModel(
            f"column {name!r}: {int(missing.sum())} rows have no truth value, row {missing[missing].index[0]} is the first; a "
            f'truth value cannot be missing: use frame.astype({{{name!r}: "float64"}}) before fit, and here, which makes numbers '
            "of them"
        )
    if types.is_bool_dtype(found):
        return Column(name, "boolean", has_missing, made)
    if types.is_integer_dtype(found):
        return Column(name, "integer", has_missing, made)
    if types.is_float_dtype(found):
        return Column(name, "number", has_missing, made)
    if any(_is_array(value) for value in series):
        return _vector(series, name, made)
    wrong = [(row, value) for row, value in present.items() if not isinstance(value, (str, bool))]
    if wrong or not (types.is_object_dtype(found) or types.is_string_dtype(found) or str(found) == "category"):
        row, value = wrong[0] if wrong else (series.index[0], series.iloc[0])
        raise UnsupportedModel(
            f"column {name!r} is of the type {found}, with {value!r} in row {row}; expected numbers, truth values, texts or "
            "arrays of numbers"
        )
    if all(isinstance(value, bool) for value in present):
        return Column(name, "boolean", has_missing, made)
    if has_missing:
        raise UnsupportedModel(
            f"column {name!r}: {int(missing.sum())} rows have no text, row {missing[missing].index[0]} is the first; a "
            "category cannot be missing: " + _fill(name, filled)
        )
    return Column(name, "text", has_missing, made)


def _fill(name: str, filled: Mapping[str, tuple[Any, str]]) -> str:
    if name in filled:
        _, fill = filled[name]
        return (
            f"use frame.fillna({{{name!r}: {fill!r}}}) here, which is what the model's SimpleImputer puts there; clients send "
            f"{fill!r}, too, and the model need not be fitted again"
        )
    return f'use frame.fillna({{{name!r}: "missing"}}) before fit, and here'


def _vector(series: pandas.Series[Any], name: str, made: str) -> Column:
    numpy = need("numpy", "sklearn")
    length: int | None = None
    is_whole, has_missing = True, False
    for row, value in series.items():
        if not _is_array(value):
            raise UnsupportedModel(f"column {name!r}: row {row} has {value!r}; expected an array of numbers, as other rows have")
        array = numpy.asarray(value)
        if array.ndim != 1 or array.dtype.kind not in "iufb":
            raise UnsupportedModel(f"column {name!r}: row {row} has {_short(value)}; expected an array of numbers, of one dimension")
        if length is None:
            length = len(array)
        if len(array) != length or length == 0:
            raise UnsupportedModel(
                f"column {name!r}: row {row} has an array of {len(array)} elements; expected one or more, and as many in every row "
                f"(row {series.index[0]} has {length})"
            )
        is_whole = is_whole and array.dtype.kind in "iu"
        has_missing = has_missing or bool(numpy.isnan(array.astype("float64")).any())
    return Column(name, "vector", has_missing, made, length or 0, is_whole)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _list(found: Any) -> str:
    return ", ".join(repr(str(each)) for each in found) or "none"
