"""What people tried who had never seen the package: what is answered is right, or the message says what to do."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import foretold


def _line() -> pd.DataFrame:
    return pd.DataFrame({"sqm": np.arange(50.0)})


@pytest.mark.parametrize("library", ["sklearn", "pipeline", "xgboost", "lightgbm", "catboost"])
def test_a_model_of_one_column(library: str, tmp_path: Path) -> None:
    frame = _line()
    if library == "xgboost":
        import xgboost

        model: Any = xgboost.XGBRegressor(n_estimators=3)
    elif library == "lightgbm":
        import lightgbm

        model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1)
    elif library == "catboost":
        import catboost

        model = catboost.CatBoostRegressor(iterations=3, verbose=False, allow_writing_files=False)
    else:
        model = LinearRegression() if library == "sklearn" else make_pipeline(StandardScaler(), LinearRegression())
    model.fit(frame, frame["sqm"] * 2)
    made = foretold.export(model, frame, tmp_path / "m")
    predictor = foretold.Predictor(made.folder)
    assert [feature.name for feature in predictor.features] == ["sqm"]
    assert predictor.predict({"sqm": 17.0})["value"] == pytest.approx(float(model.predict(frame[17:18]).item()), rel=1e-5)


def test_columns_whose_names_are_no_texts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(300, 3)).astype("float32"))
    model = RandomForestRegressor(5, max_depth=4).fit(frame, frame[0])
    made = foretold.export(model, frame.assign(y=frame[0]), tmp_path / "m", "y")
    predictor = foretold.Predictor(made.folder)
    expected = model.predict(frame)
    assert np.allclose(predictor.predict(frame)["value"], expected, rtol=1e-5)
    assert predictor.predict(frame.iloc[7])["value"] == pytest.approx(expected[7], rel=1e-5)
    deep = frame.set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")]), axis=1)
    linear = LinearRegression().fit(deep, frame[0])
    made = foretold.export(linear, deep, tmp_path / "deep")
    assert np.allclose(foretold.Predictor(made.folder).predict(deep)["value"], linear.predict(deep), atol=1e-5)


def test_a_target_is_the_name_of_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)))
    model = LinearRegression().fit(frame[[0, 1]], frame[2])
    made = foretold.export(model, frame, tmp_path / "m", target=2)  # type: ignore[arg-type]
    assert [feature.name for feature in foretold.Predictor(made.folder).features] == ["0", "1"]
    with pytest.raises(TypeError, match="target: expected the name of a column of the frame, or several, got a Series; leave it out"):
        foretold.export(model, frame[[0, 1]], tmp_path / "n", target=frame[2])  # type: ignore[arg-type]


def test_a_frame_that_lacks_a_column_or_has_one_twice(tmp_path: Path) -> None:
    frame = models.numbers()
    features = frame.drop(columns="cancelled")
    model = HistGradientBoostingRegressor(max_iter=5).fit(features, frame["cancelled"])
    made = foretold.export(model, frame, tmp_path / "m", "cancelled")
    predictor = foretold.Predictor(made.folder)
    with pytest.warns(UserWarning, match="the frame has no column 'months', which may be missing, and is in every row"):
        predictor.predict(features.rename(columns={"months": "moths"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(features)
    with pytest.raises(KeyError) as caught:
        predictor.predict(features.drop(columns="monthly_fee"))
    assert str(caught.value).startswith("the frame has no column 'monthly_fee'; expected ")
    with pytest.raises(ValueError, match="the frame has the column 'months' twice; expected each once"):
        predictor.predict(pd.concat([features, features[["months"]]], axis=1))


def test_integers_that_32_bits_round_are_warned_of(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"customer_no": 20_000_000 + 8 * np.arange(240), "months": random.integers(0, 9, 240)})
    target = random.integers(0, 100, 240).astype(float)
    model = HistGradientBoostingRegressor(max_iter=60, min_samples_leaf=3).fit(frame, target)
    with pytest.warns(UserWarning, match="column 'customer_no' has integers beyond 2\\^24, which the file rounds to 32 bits"):
        foretold.export(model, frame, tmp_path / "trees")
    # Where the file can have them in 64 bits it does, and a number between those of the frame is right, too.
    linear = LinearRegression().fit(frame, frame["customer_no"] * 1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = foretold.export(linear, frame, tmp_path / "linear")
    row = {"customer_no": 20_000_001, "months": 3}
    assert foretold.Predictor(made.folder).predict(row)["value"] == pytest.approx(30_000_001.5, rel=1e-7)


@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder])
def test_integers_that_an_encoder_does_not_know_are_named(encoder: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"zone": random.choice([1, 2, 3, 4, 6, 7, 8], 300), "fee": random.normal(size=300)})
    front = ColumnTransformer([("zone", encoder(), ["zone"])], remainder="passthrough")
    model = make_pipeline(front, LinearRegression()).fit(frame, frame["fee"])
    made = foretold.export(model, frame, tmp_path / "m")
    assert "look at 'zone': the model's encoder knows 1, 2, 3, 4, 6, 7, 8 only, and the manifest takes each integer from 1 to 8" in str(made)
    whole = frame[frame["zone"] < 5]
    model.fit(whole, whole["fee"])
    assert "model's encoder" not in str(foretold.export(model, whole, tmp_path / "whole"))


@pytest.mark.parametrize("dtype", ["boolean", "object"])
def test_truth_values_of_which_some_are_missing(dtype: str, tmp_path: Path) -> None:
    frame = _line().assign(new=pd.Series([True, False, None, True, False] * 10, dtype=dtype))
    model = HistGradientBoostingRegressor(max_iter=2).fit(frame.astype("float64"), frame["sqm"])
    message = r"column 'new': 10 rows have no truth value, row 2 is the first; .* use frame.astype\(\{'new': \"float64\"\}\)"
    with pytest.raises(foretold.UnsupportedModel, match=message):
        foretold.export(model, frame, tmp_path / "m")
    foretold.export(model, frame.astype("float64"), tmp_path / "m")


def _cannot() -> dict[str, tuple[Any, str]]:
    logistic, ridge = ("a", LogisticRegression()), ("b", RidgeClassifier())
    soft = VotingClassifier([logistic, ("c", LogisticRegression(C=0.1))], voting="soft")
    lists = VotingRegressor([("a", LinearRegression()), ("b", LinearRegression())], weights=[2, 1])
    return {
        "flatten_transform": (soft, r"use VotingClassifier\(flatten_transform=False\)"),
        "weights": (lists, r"give weights as numpy.array\(\[…\]\)"),
        "indicators": (
            make_pipeline(SimpleImputer(add_indicator=True), LinearRegression()),
            r"SimpleImputer\(add_indicator=True\): skl2onnx does not write the indicators; take it out",
        ),
        "function": (make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), "compute what it does before the model"),
        "members": (
            VotingClassifier([logistic, ridge, ("c", DecisionTreeClassifier())], voting="hard", flatten_transform=False),
            r"VotingClassifier\(voting=\"hard\"\) over models without probabilities",
        ),
        "isotonic": (
            CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2),
            r"the file takes the nearest step where the library draws a line; use method=\"sigmoid\"",
        ),
        "distance": (
            KNeighborsClassifier(weights="distance"),
            r"in the file all neighbours weigh the same; use weights=\"uniform\"",
        ),
    }


@pytest.mark.parametrize("name", list(_cannot()))
def test_what_cannot_be_exported_has_a_remedy(name: str, tmp_path: Path) -> None:
    model, message = _cannot()[name]
    frame = models.customers().drop(columns="contract")
    features = frame.drop(columns="cancelled")
    if name == "indicators":
        features = models.with_holes(features, "months")
    model.fit(features, frame["cancelled"])
    with pytest.raises((foretold.UnsupportedModel, foretold.DifferenceError), match=message):
        foretold.export(model, features, tmp_path / "m")
    assert not (tmp_path / "m").exists()
