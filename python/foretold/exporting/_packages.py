"""Packages that only some models need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from foretold._errors import MissingPackage


def need(module: str, extra: str) -> Any:
    """A module of an optional package.

    Raises MissingPackage, which says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        reason = f"{package} is missing" if error.name == package else f"{module} cannot be imported ({error})"
        raise MissingPackage(f'{reason}; run: pip install "foretold[{extra}]"', name=package) from error
