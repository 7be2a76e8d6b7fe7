"""The model that the documentation's pages use comes with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT

import foretold


def test_it_is_the_repository_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = foretold.example()
    assert folder == Path("models/credit")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "manifest.toml", "model.onnx", "sample.json"]
    for path in folder.iterdir():
        assert path.read_bytes() == (ROOT / path).read_bytes(), f"copy {path} to python/foretold/credit"
    assert foretold.Predictor(folder).predict(json.loads((folder / "sample.json").read_text()))["decision"] == "ACCEPT"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    foretold.example(tmp_path / "credit")
    with pytest.raises(FileExistsError, match="credit has model.onnx, manifest.toml, sample.json, README.md already"):
        foretold.example(tmp_path / "credit")
