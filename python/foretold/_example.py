"""The model of the documentation's examples."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_FILES = ("model.onnx", "manifest.toml", "sample.json", "README.md")


def example(folder: str | os.PathLike[str] = "models/credit") -> Path:
    """Writes the credit model that all pages of the documentation use, where they expect it: `model.onnx`,
    `manifest.toml`, `sample.json`, which is a request, and `README.md`, which says where it is from.

    It is a demonstration, and not for decisions about people. Raises FileExistsError where one of the files is there
    already.

    >>> foretold.example()
    PosixPath('models/credit')
    """
    destination = Path(folder)
    found = [name for name in _FILES if (destination / name).exists()]
    if found:
        raise FileExistsError(f"{destination} has {', '.join(found)} already; name another folder")
    destination.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        shutil.copyfile(Path(__file__).with_name("credit") / name, destination / name)
    return destination
