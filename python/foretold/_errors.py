"""What is raised."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretold.exporting import Difference

_SHOWN = 5


class CommandError(RuntimeError):
    """The command `foretold` ended with an error; the message is the command's."""


class MissingPackage(ImportError):
    """A package is missing that a model needs; the message says what to install."""


class UnsupportedModel(TypeError):
    """A model or a column that cannot be exported; the message says why, and what to do."""


class MissingColumn(KeyError):
    """A frame lacks a column; the message says which."""

    def __str__(self) -> str:
        # A KeyError shows its message as a text in quotes.
        return str(self.args[0])


@dataclass(frozen=True)
class RowError:
    """One mistake in one row."""

    row: Hashable
    """The row's label in the frame's index, or its position in a list; None where it was asked alone."""
    field: str
    """Empty where the whole row is meant."""
    value: str | None
    """What was found, as text."""
    expected: str
    """E.g. `an integer from 18 to 127`."""
    detail: str
    """The whole sentence."""


class InvalidRows(ValueError):
    """Some rows were refused; `errors` has every mistake that was told of."""

    def __init__(self, errors: Sequence[RowError]) -> None:
        self.errors = list(errors)
        lines = [error.detail if error.row is None else f"row {error.row}: {error.detail}" for error in self.errors]
        if len(lines) > _SHOWN:
            # Not how many mistakes: of a request with many of them the service counts those that it does not
            # describe, and of many rows it describes the first.
            rows = len(dict.fromkeys(error.row for error in self.errors))
            more = "and more mistakes" if rows == 1 else f"and more mistakes; {rows} rows have some"
            lines = [*lines[:_SHOWN], more]
        super().__init__("\n".join(lines))


class DifferenceError(ValueError):
    """Library, onnxruntime and Foretold do not give the same; `differences` has the rows, the worst first."""

    def __init__(self, message: str, differences: Sequence[Difference]) -> None:
        super().__init__(message)
        self.differences = list(differences)
