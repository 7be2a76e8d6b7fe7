"""A model that was trained again is exported under the manifest that was written, and changed, for the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import foretold


def _changed(path: Path, *changes: tuple[str, str]) -> str:
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return text


def _again(model: Any, frame: pd.DataFrame, target: str, **settings: Any) -> Any:
    return clone(model).set_params(**settings).fit(frame.drop(columns=target), frame[target])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exported model, whose manifest was changed by hand."""
    foretold.export(*models.churn(), tmp_path / "churn", "cancelled")
    _changed(
        tmp_path / "churn" / "manifest.toml",
        ("maximum = 72", 'maximum = 600\nunit = "months"'),
        ("threshold = 0.5", "threshold = 0.6"),
        ('above = "1"\notherwise = "0"', 'above = "DISCOUNT"\notherwise = "NONE"'),
        ('file = "model.onnx"', 'file = "churn.onnx"'),
    )
    (tmp_path / "churn" / "model.onnx").rename(tmp_path / "churn" / "churn.onnx")
    return tmp_path / "churn"


def test_the_manifest_is_kept_and_the_rest_is_new(folder: Path) -> None:
    model, frame = models.churn()
    model = _again(model, frame, "cancelled", classify__n_estimators=20)
    manifest, before = (folder / "manifest.toml").read_text(), foretold.Predictor(folder).model_id
    made = foretold.export(model, frame, folder, "cancelled", keep_manifest=True)
    assert str(made).startswith(f"kept {folder / 'manifest.toml'}: /probabilities, /classes\n") and made.differences == []
    assert sorted(path.name for path in folder.iterdir()) == ["churn.onnx", "golden.csv", "manifest.toml"]
    assert (folder / "manifest.toml").read_text() == manifest
    predictor = foretold.Predictor(folder)
    assert predictor.model_id != before
    probabilities = model.predict_proba(frame)[:, 1]
    found = predictor.predict(frame)
    np.testing.assert_allclose(found["probability"], probabilities, atol=1e-5)
    assert found["class"].tolist() == ["DISCOUNT" if each > 0.6 else "NONE" for each in probabilities]
    golden = pd.read_csv(folder / "golden.csv")
    np.testing.assert_allclose(golden["probability"], probabilities[::20], atol=1e-12)


def test_rows_that_the_manifest_refuses_are_named(folder: Path) -> None:
    model, frame = models.churn()
    _changed(folder / "manifest.toml", ("maximum = 600", "maximum = 60"), ("example = 62", "example = 50"))
    before = (folder / "churn.onnx").read_bytes()
    with pytest.raises(foretold.DifferenceError, match="rows differ because Foretold refuses the row\n.*expected an integer from 0 to 60"):
        foretold.export(model, frame, folder, "cancelled", keep_manifest=True)
    assert (folder / "churn.onnx").read_bytes() == before


def test_a_manifest_that_does_not_fit_is_said(folder: Path) -> None:
    model, frame = models.churn()
    other, rents = models.rent()
    with pytest.raises(ValueError, match="does not fit the manifest.*'variable'.*\nchange it, or give overwrite=True"):
        foretold.export(other, rents, folder, "rent", keep_manifest=True)
    _changed(folder / "manifest.toml", ('name = "months"', 'name = "age"\ninput = "months"'))
    with pytest.raises(KeyError, match="feature 'age', and the frame no such column.*frame.assign"):
        foretold.export(model, frame, folder, "cancelled", keep_manifest=True)
    foretold.export(model, frame.assign(age=frame["months"]), folder, "cancelled", keep_manifest=True)
    assert list(pd.read_csv(folder / "golden.csv").columns)[:3] == ["age", "monthly_fee", "contract"]


def test_what_to_keep_must_be_there(folder: Path) -> None:
    model, frame = models.churn()
    with pytest.raises(FileNotFoundError, match="has no manifest.toml to keep; leave keep_manifest out"):
        foretold.export(model, frame, folder.with_name("new"), "cancelled", keep_manifest=True)
    with pytest.raises(ValueError, match="give one of them"):
        foretold.export(model, frame, folder, "cancelled", keep_manifest=True, overwrite=True)
    with pytest.raises(FileExistsError, match="overwrite=True, or keep_manifest=True for a new model"):
        foretold.export(model, frame, folder, "cancelled")


def test_other_classes_are_noticed(tmp_path: Path) -> None:
    model, frame = models.species()
    folder = tmp_path / "species"
    foretold.export(model, frame, folder, "species")
    # Other names and another order are the manifest's to choose.
    lines = [line for line in (folder / "manifest.toml").read_text().splitlines() if line.startswith("  { output = ")]
    _changed(folder / "manifest.toml", ("\n".join(lines), "\n".join([lines[2], lines[0].replace('"setosa"', '"Iris setosa"'), lines[1]])))
    foretold.export(model, frame, folder, "species", keep_manifest=True)
    # A class that comes before the others would have moved all columns.
    more = frame.assign(species=frame["species"].where(frame.index % 4 != 0, "none"))
    with pytest.raises(ValueError, match="has the classes none, setosa, .*remove .*model.onnx, and export again"):
        foretold.export(_again(model, more, "species"), more, folder, "species", keep_manifest=True)
    _changed(folder / "manifest.toml", ('"Iris setosa"', '"versicolor"'), ('_versicolor", label = "versicolor"', '_versicolor", label = "setosa"'))
    with pytest.raises(foretold.DifferenceError, match="class: scikit-learn setosa, onnxruntime versicolor"):
        foretold.export(model, frame, folder, "species", keep_manifest=True)
