"""Rows as the service takes them: values of Python, numpy and pandas as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

# pandas' own values for nothing.
_MISSING = {"NAType", "NaTType"}


def of_mapping(row: Mapping[str, Any]) -> Row:
    """A row of plain values.

    Raises TypeError for a value that is no number, truth value or text, and is not missing.
    """
    return {name: plain(name, value) for name, value in row.items()}


def of_frame(frame: pandas.DataFrame, widths: Mapping[str, int | None]) -> tuple[list[Row], set[str]]:
    """The rows of the columns of a frame that have these names, and the names that it has.

    A name with a width is a vector, which may be as many columns `NAME[INDEX]` instead.
    """
    columns: dict[str, list[Any]] = {}
    # As `export` names them.
    names = [str(name) for name in frame.columns]

    def column(name: str) -> list[Any]:
        if names.count(name) > 1:
            raise ValueError(f"the frame has the column {name!r} twice; expected each once")
        return _column(name, frame.iloc[:, names.index(name)])

    for name, width in widths.items():
        elements = [f"{name}[{index}]" for index in range(width or 0)]
        if name in names:
            columns[name] = column(name)
        elif elements and all(element in names for element in elements):
            columns[name] = [list(row) for row in zip(*map(column, elements))]
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())] or [{} for _ in range(len(frame))]
    return rows, set(columns)


def to_json(rows: Row | Sequence[Row]) -> bytes:
    return json.dumps(rows, allow_nan=False).encode()


def _column(name: str, series: pandas.Series[Any]) -> list[Any]:
    kind: Any = series.dtype
    if getattr(kind, "kind", "") == "f" and getattr(kind, "itemsize", 8) < 8:
        # The decimal number that a short float stands for: 0.1, not 0.10000000149011612.
        return [plain(name, float(str(value))) for value in series.to_numpy()]
    return [plain(name, value) for value in series.tolist()]


def plain(name: str, value: Any) -> Any:
    """A value as JSON has it; None where it is missing.

    Raises TypeError for a value that no row can have; the message has the name.
    """
    if value is None or type(value).__name__ in _MISSING:
        return None
    if isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        # JSON has no infinite numbers; as a text it is refused with its name.
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        is_short = value.dtype.kind == "f" and value.dtype.itemsize < 8
        return plain(name, float(str(value)) if is_short else value.item())
    if isinstance(value, (list, tuple)) or len(getattr(value, "shape", ())) == 1:
        return [plain(f"{name}[{index}]", element) for index, element in enumerate(value)]
    raise TypeError(f"{name}: expected a number, a truth value, a text, a list of them or None, got {value!r}")
