"""The columns of a frame that a model takes, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from foretold._errors import UnsupportedModel
from foretold.exporting._estimators import kind, parts

if TYPE_CHECKING:
    import pandas

Kind = Literal["number", "integer", "boolean", "text"]


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    has_missing: bool


def names(model: Any, frame: pandas.DataFrame, target: str | None) -> list[str]:
    """The columns that a model was trained on, in that order.

    Raises KeyError if the frame lacks one, ValueError if it cannot be told which they are.
    """
    if target is not None and target not in frame.columns:
        raise KeyError(f"target: the frame has no column {target!r}; it has {_list(frame.columns)}")
    others = [name for name in frame.columns if name != target]
    known = trained(model)
    if known is not None:
        missing = [name for name in known if name not in others]
        if missing:
            raise KeyError(f"the model was trained on {_list(missing)}, and the frame has {_list(others)}")
        return known
    width = getattr(model, "n_features_in_", None)
    if width is not None and width != len(others):
        raise ValueError(
            f"the model takes {width} columns, and the frame has {len(others)}: {_list(others)}; name the target with "
            "target=, and leave out what the model was not trained on"
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


def read(frame: pandas.DataFrame, columns: Sequence[str]) -> list[Column]:
    """What columns hold.

    Raises UnsupportedModel for a type that no request can have, or a text that is missing.
    """
    twice = [name for name in columns if list(frame.columns).count(name) > 1]
    if twice:
        raise ValueError(f"the frame has the column {twice[0]!r} twice; expected each once")
    return [_read(frame, name) for name in columns]


def _read(frame: pandas.DataFrame, name: str) -> Column:
    from pandas.api import types

    series = frame[name]
    missing = series.isna()
    has_missing = bool(missing.any())
    found = series.dtype
    if types.is_bool_dtype(found):
        return Column(name, "boolean", has_missing)
    if types.is_integer_dtype(found):
        return Column(name, "integer", has_missing)
    if types.is_float_dtype(found):
        return Column(name, "number", has_missing)
    wrong = [(row, value) for row, value in series[~missing].items() if not isinstance(value, (str, bool))]
    if wrong or not (types.is_object_dtype(found) or types.is_string_dtype(found) or str(found) == "category"):
        row, value = wrong[0] if wrong else (series.index[0], series.iloc[0])
        raise UnsupportedModel(
            f"column {name!r} is of the type {found}, with {value!r} in row {row}; expected numbers, truth values or texts"
        )
    if all(isinstance(value, bool) for value in series[~missing]):
        return Column(name, "boolean", has_missing)
    if has_missing:
        raise UnsupportedModel(
            f"column {name!r}: {int(missing.sum())} rows have no text, row {missing[missing].index[0]} is the first; a "
            f'category cannot be missing: use frame.fillna({{"{name}": "missing"}}) before fit, and here'
        )
    return Column(name, "text", has_missing)


def _list(found: Any) -> str:
    return ", ".join(repr(str(each)) for each in found) or "none"
