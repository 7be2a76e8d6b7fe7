"""Columns that an exporter does not take as they are: odd names, imputed texts, arrays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import models
import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import foretold


def _check(folder: Path, answer: str) -> None:
    """The golden rows are read by the command, too."""
    command = [sys.executable, "-m", "foretold", "check", folder.name, f"{folder.name}/golden.csv", "--expected", answer]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0 and "100 rows compared" in done.stdout, done.stdout + done.stderr


def _odd() -> pd.DataFrame:
    frame = models.customers().rename(columns={"months": "months (all)", "monthly_fee": "1st fee €", "contract": "contract type"})
    # The first is what the name above becomes, the second an output of the file.
    return frame.assign(contract_type=frame["contract type"], label=frame["months (all)"] * 2)


@pytest.mark.parametrize("last", [LogisticRegression(), LinearRegression()], ids=["classifier", "regressor"])
def test_names_that_skl2onnx_cannot_write(last: Any, tmp_path: Path) -> None:
    frame = _odd()
    features = frame.drop(columns="cancelled")
    numbers = ["months (all)", "1st fee €", "label"]
    front = ColumnTransformer([("numbers", StandardScaler(), numbers), ("texts", OneHotEncoder(), ["contract type", "contract_type"])])
    model = make_pipeline(front, last).fit(features, frame["cancelled"])
    before = [list(columns) for _, _, columns in front.transformers_]
    made = foretold.export(model, frame, tmp_path / "m", "cancelled")
    assert made.differences == []
    assert [feature.name for feature in foretold.Predictor(made.folder).features] == list(features.columns)
    inputs = [value.name for value in onnx.load(str(made.folder / "model.onnx")).graph.input]
    assert inputs == ["months__all_", "_1st_fee__", "contract_type_", "contract_type", "label_"]
    assert 'name = "months (all)"\ninput = "months__all_"' in (made.folder / "manifest.toml").read_text("utf-8")
    assert list(pd.read_csv(made.folder / "golden.csv").columns)[:5] == list(features.columns)
    _check(made.folder, made.fields[0])
    assert [list(columns) for _, _, columns in front.transformers_] == before
    model.predict(features)


def test_a_single_column_of_an_odd_name(tmp_path: Path) -> None:
    frame = _odd()[["contract type", "cancelled"]]
    front = ColumnTransformer([("texts", OneHotEncoder(), ["contract type"])])
    model = make_pipeline(front, LogisticRegression()).fit(frame.drop(columns="cancelled"), frame["cancelled"])
    assert foretold.export(model, frame, tmp_path / "m", "cancelled").differences == []


def _imputed(imputer: SimpleImputer, frame: pd.DataFrame) -> Any:
    texts = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
    front = ColumnTransformer([("numbers", "passthrough", ["months", "monthly_fee"]), ("texts", texts, ["contract"])])
    return make_pipeline(front, LogisticRegression()).fit(frame.drop(columns="cancelled"), frame["cancelled"])


def _without_texts(value: Any) -> pd.DataFrame:
    frame = models.customers()
    frame.loc[[3, 17], "contract"] = value
    return frame


def test_an_imputer_of_texts_is_left_out(tmp_path: Path) -> None:
    frame = models.customers()
    model = _imputed(SimpleImputer(strategy="most_frequent"), frame)
    assert foretold.export(model, frame, tmp_path / "m", "cancelled").differences == []
    assert [name for name, _ in model.named_steps["columntransformer"].named_transformers_["texts"].steps] == [
        "simpleimputer",
        "onehotencoder",
    ]
    # Alone among the columns, and in front of the whole model.
    frame = frame.assign(other=frame["contract"])[["contract", "other", "cancelled"]]
    features = frame.drop(columns="cancelled")
    alone = ColumnTransformer([("texts", SimpleImputer(strategy="most_frequent"), ["contract", "other"])])
    for i, front in enumerate((alone, SimpleImputer(strategy="most_frequent"))):
        model = make_pipeline(front, OneHotEncoder(), LogisticRegression()).fit(features, frame["cancelled"])
        assert foretold.export(model, frame, tmp_path / str(i), "cancelled").differences == []


def test_missing_texts_are_named_with_what_the_imputer_puts_there(tmp_path: Path) -> None:
    frame = _without_texts(np.nan)
    model = _imputed(SimpleImputer(strategy="constant", fill_value="none"), frame)
    message = r"'contract': 2 rows have no text, row 3 .* frame.fillna\({'contract': 'none'}\) here.* need not be fitted again"
    with pytest.raises(foretold.UnsupportedModel, match=message):
        foretold.export(model, frame, tmp_path / "m", "cancelled")
    foretold.export(model, frame.fillna({"contract": "none"}), tmp_path / "m", "cancelled")
    assert "none" in (tmp_path / "m" / "manifest.toml").read_text()


def test_texts_that_an_imputer_takes_for_missing_are_named(tmp_path: Path) -> None:
    frame = _without_texts("?")
    model = _imputed(SimpleImputer(missing_values="?", strategy="constant", fill_value="yearly"), frame)
    message = r"'contract': row 3 has '\?'.*frame.replace\({'contract': {'\?': 'yearly'}}\)"
    with pytest.raises(foretold.UnsupportedModel, match=message):
        foretold.export(model, frame, tmp_path / "m", "cancelled")
    foretold.export(model, frame.replace({"contract": {"?": "yearly"}}), tmp_path / "m", "cancelled")


def test_an_imputer_of_texts_that_cannot_be_left_out(tmp_path: Path) -> None:
    frame = models.customers()[["contract", "cancelled"]]
    front = FeatureUnion([("texts", SimpleImputer(strategy="most_frequent"))])
    model = make_pipeline(front, OneHotEncoder(), LogisticRegression()).fit(frame[["contract"]], frame["cancelled"])
    with pytest.raises(foretold.UnsupportedModel, match="SimpleImputer fills in texts where it cannot be left out.*fillna before fit"):
        foretold.export(model, frame, tmp_path / "m", "cancelled")


def _embedded(width: int, dtype: str = "float32") -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Texts' embeddings, say, beside a number."""
    random = np.random.RandomState(0)
    embeddings = (random.normal(size=(300, width)) * 10).astype(dtype)
    ages = random.randint(18, 90, 300)
    frame = pd.DataFrame({"embedding": list(embeddings), "age": ages, "bought": (embeddings[:, 0] > 0).astype(int)})
    return frame, np.column_stack([embeddings, ages])


@pytest.mark.parametrize("width", [4, 384])
def test_a_column_of_arrays_is_a_vector(width: int, tmp_path: Path) -> None:
    frame, matrix = _embedded(width)
    model = LogisticRegression(max_iter=500).fit(matrix, frame["bought"])
    made = foretold.export(model, frame, tmp_path / "m", "bought")
    assert made.differences == [] and "2 features (1 vector without bounds, 1 other)" in str(made)
    embedding, age = foretold.Predictor(made.folder).features
    assert (embedding.name, embedding.type, embedding.length) == ("embedding", "vector", width)
    assert age.name == "age"
    golden = pd.read_csv(made.folder / "golden.csv")
    assert np.asarray(json.loads(golden["embedding"][0]), "float32").tolist() == frame["embedding"][0].tolist()
    _check(made.folder, "probability")
    # What no row of the frame has is served.
    far = frame.head(1).assign(embedding=[np.full(width, 1000.0)])
    assert foretold.Predictor(made.folder).predict(far)["class"].tolist() == ["1"]


def test_vectors_of_integers_with_missing_elements_and_of_other_libraries(tmp_path: Path) -> None:
    import xgboost

    frame, matrix = _embedded(24, "int64")
    booster = xgboost.XGBClassifier(n_estimators=5).fit(matrix, frame["bought"])
    foretold.export(booster, frame, tmp_path / "integers", "bought")
    assert 'elements = "integer"' in (tmp_path / "integers" / "manifest.toml").read_text()
    holes = np.random.RandomState(1).uniform(size=(300, 24)) < 0.1
    frame["embedding"] = [np.where(hole, np.nan, row).tolist() for hole, row in zip(holes, matrix[:, :24])]
    model = HistGradientBoostingClassifier(max_iter=10)
    model.fit(np.column_stack([np.stack(frame["embedding"]), frame["age"]]), frame["bought"])
    foretold.export(model, frame, tmp_path / "holes", "bought")
    assert foretold.Predictor(tmp_path / "holes").features[0].optional


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], "'embedding': row 5 has an array of 2 elements; .* as many in every row"),
        (None, "'embedding': row 5 has None; expected an array of numbers, as other rows have"),
        (["a"] * 4, "'embedding': row 5 has .*; expected an array of numbers"),
    ],
)
def test_a_wrong_array_is_named(value: Any, message: str, tmp_path: Path) -> None:
    frame, matrix = _embedded(4)
    model = LogisticRegression().fit(matrix, frame["bought"])
    frame.at[5, "embedding"] = value
    with pytest.raises(foretold.UnsupportedModel, match=message):
        foretold.export(model, frame, tmp_path / "m", "bought")


def test_arrays_that_a_model_was_not_trained_on(tmp_path: Path) -> None:
    frame, matrix = _embedded(4)
    with pytest.raises(ValueError, match=r"takes 4 columns, and the frame has 5: .*\('embedding' has 4\)"):
        foretold.export(LogisticRegression().fit(matrix[:, :4], frame["bought"]), frame, tmp_path / "m", "bought")
    front = ColumnTransformer([("all", StandardScaler(), [0, 1, 2, 3, 4])])
    model = make_pipeline(front, LogisticRegression()).fit(matrix, frame["bought"])
    with pytest.raises(foretold.UnsupportedModel, match="'embedding' has arrays, .*numpy.column_stack"):
        foretold.export(model, frame, tmp_path / "m", "bought")
