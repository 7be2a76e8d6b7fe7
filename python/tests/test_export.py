"""Models of each library are exported, agree, and are written as they should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import models
import numpy as np
import onnx
import pandas as pd
import pytest

import foretold


def _lightgbm_pipeline() -> Any:
    import lightgbm

    return models.pipeline_of(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1))


def _xgboost_pipeline() -> Any:
    import xgboost

    return models.pipeline_of(xgboost.XGBClassifier(n_estimators=20))


def _xgboost_of_three() -> Any:
    import xgboost

    frame = models.numbers()
    band = (frame["monthly_fee"] // 40).clip(0, 2).astype(int)
    return xgboost.XGBClassifier(n_estimators=10).fit(frame.drop(columns="cancelled"), band), frame


# What makes the model, its target, the answers, and the optional features.
CASES = {
    "two classes, texts": (models.churn, "cancelled", ["probability", "class"], []),
    "missing numbers, imputed": (models.churn_with_holes, "cancelled", ["probability", "class"], ["months", "monthly_fee"]),
    "three classes": (models.species, "species", ["class", *(f"probability_{name}" for name in ("setosa", "versicolor", "virginica"))], []),
    "regressor": (models.rent, "rent", ["value"], []),
    "missing numbers, as they are": (models.histogram, "cancelled", ["probability", "class"], ["months"]),
    "XGBoost": (models.xgboost, "cancelled", ["probability", "class"], ["months"]),
    "XGBoost, three classes": (_xgboost_of_three, "cancelled", ["class", "probability_0", "probability_1", "probability_2"], ["months"]),
    "XGBoost, regressor": (lambda: models.xgboost("XGBRegressor"), "cancelled", ["value"], ["months"]),
    "XGBoost in a pipeline": (_xgboost_pipeline, "cancelled", ["probability", "class"], ["months"]),
    "LightGBM": (models.lightgbm, "cancelled", ["probability", "class"], ["months"]),
    "LightGBM, regressor": (lambda: models.lightgbm("LGBMRegressor"), "cancelled", ["value"], ["months"]),
    "LightGBM in a pipeline": (_lightgbm_pipeline, "cancelled", ["probability", "class"], ["months"]),
    "CatBoost": (models.catboost, "cancelled", ["probability", "class"], ["months"]),
    "CatBoost, regressor": (lambda: models.catboost("CatBoostRegressor"), "cancelled", ["value"], ["months"]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_row_agrees(case: str, tmp_path: Path) -> None:
    make, target, fields, optional = CASES[case]
    model, frame = make()
    made = foretold.export(model, frame, tmp_path / "model", target)
    assert made.fields == fields
    assert made.rows == made.of == len(frame)
    assert made.differences == []
    assert sorted(path.name for path in made.folder.iterdir()) == ["golden.csv", "manifest.toml", "model.onnx"]
    assert "compared library, onnxruntime and Foretold on all" in str(made)
    assert str(made.folder) in made._repr_html_()
    predictor = foretold.Predictor(made.folder)
    assert [feature.name for feature in predictor.features] == [name for name in frame.columns if name != target]
    assert [feature.name for feature in predictor.features if feature.optional] == optional
    # The predictor says what the library does, and so do the golden rows.
    number = fields[0] if fields[0] != "class" else fields[1]
    golden = pd.read_csv(made.folder / "golden.csv", keep_default_na=False, na_values=[""])
    assert len(golden) == 100
    found = predictor.predict(golden)[number]
    np.testing.assert_allclose(found, golden[number], rtol=1e-4, atol=1e-5)
    command = [sys.executable, "-m", "foretold", "check", "model", "model/golden.csv", "--expected", number]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "100 rows compared" in done.stdout, done.stdout + done.stderr


def test_maps_are_left_out_and_columns_are_inputs(churn: Path) -> None:
    graph = onnx.load(str(churn / "model.onnx")).graph
    assert [value.name for value in graph.input] == ["months", "monthly_fee", "contract"]
    assert "ZipMap" not in {node.op_type for node in graph.node}


def test_columns_that_a_pipeline_drops_are_no_features(tmp_path: Path) -> None:
    model, frame = models.churn()
    model, frame = model, frame.assign(note="nobody reads this")
    model.fit(frame.drop(columns="cancelled"), frame["cancelled"])
    made = foretold.export(model, frame, tmp_path / "churn", "cancelled")
    assert [feature.name for feature in foretold.Predictor(made.folder).features] == ["months", "monthly_fee", "contract"]


def test_integers_that_an_encoder_knows(tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = models.customers().assign(plan=lambda frame: (frame["monthly_fee"] // 30).astype(int))
    encode = ColumnTransformer([("plan", OneHotEncoder(), ["plan"]), ("numbers", "passthrough", ["months"])])
    model = make_pipeline(encode, LogisticRegression()).fit(frame.drop(columns="cancelled"), frame["cancelled"])
    assert foretold.export(model, frame, tmp_path / "plans", "cancelled").differences == []


def test_rows_are_compared_from_all_parts_of_the_frame(tmp_path: Path) -> None:
    model, frame = models.churn()
    made = foretold.export(model, frame, tmp_path / "churn", "cancelled", compare_rows=300)
    assert (made.rows, made.of) == (300, 2000)
    assert "on 300 of 2000 rows" in str(made)


def test_labels_of_rows_need_not_differ(tmp_path: Path) -> None:
    model, frame = models.churn()
    frame.index = pd.Index(["same"] * len(frame))
    assert foretold.export(model, frame, tmp_path / "churn", "cancelled").rows == 2000


def test_names_that_are_numbers_or_odd(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model, frame = models.rent()
    made = foretold.export(model, pd.DataFrame(frame.to_numpy()), tmp_path / "numbers", "2")
    assert [feature.name for feature in foretold.Predictor(made.folder).features] == ["0", "1"]
    frame.columns = pd.Index(["Wohnfläche (m²)", "rooms, in all", "rent"])
    model = LinearRegression().fit(frame.drop(columns="rent"), frame["rent"])
    made = foretold.export(model, frame, tmp_path / "odd", "rent")
    assert [feature.name for feature in foretold.Predictor(made.folder).features] == ["Wohnfläche (m²)", "rooms, in all"]


def test_models_without_probabilities(tmp_path: Path) -> None:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.svm import LinearSVC

    frame = models.customers().drop(columns="contract")
    for i, model in enumerate((RidgeClassifier(), LinearSVC())):
        model.fit(frame.drop(columns="cancelled"), frame["cancelled"])
        made = foretold.export(model, frame, tmp_path / str(i), "cancelled")
        assert (made.differences, made.fields) == ([], ["score", "class"])


def test_a_machine_whose_classes_vote(tmp_path: Path) -> None:
    from sklearn.svm import SVC

    frame = models.customers().drop(columns=["contract", "cancelled"])
    frame["plan"] = np.array(["low", "middle", "high"])[(frame["monthly_fee"] // 40).clip(0, 2).astype(int)]
    model = SVC().fit(frame.drop(columns="plan"), frame["plan"])
    made = foretold.export(model, frame, tmp_path / "m", "plan")
    assert (made.differences, made.fields) == ([], ["class", "score_high", "score_low", "score_middle"])
    answers = foretold.Predictor(made.folder).predict(frame)
    assert answers["class"].tolist() == model.predict(frame.drop(columns="plan")).tolist()


@pytest.mark.parametrize("words", [["no", "yes"], [False, True], [0, 1]], ids=str)
def test_scores_in_the_other_order(words: list[Any], tmp_path: Path) -> None:
    """A support vector machine of two classes has the second one's first."""
    from sklearn.svm import SVC

    frame = models.customers().drop(columns="contract").assign(cancelled=lambda frame: frame["cancelled"].map(dict(enumerate(words))))
    features = frame.drop(columns="cancelled")
    model = SVC().fit(features, frame["cancelled"])
    foretold.export(model, frame, tmp_path / "m", "cancelled", absolute=1e-3)
    found = foretold.Predictor(tmp_path / "m").predict(features)
    near = np.abs(model.decision_function(features)) < 1e-3
    assert found["class"][~near].tolist() == [str(label) for label in model.predict(features)[~near].tolist()]


def test_the_best_of_a_search(tmp_path: Path) -> None:
    from sklearn.model_selection import GridSearchCV

    pipeline, frame = models.churn()
    search = GridSearchCV(pipeline, {"classify__n_estimators": [5, 10]}, cv=2)
    search.fit(frame.drop(columns="cancelled"), frame["cancelled"])
    made = foretold.export(search, frame, tmp_path / "churn", "cancelled")
    assert made.fields == ["probability", "class"]


def test_an_array_is_no_frame(tmp_path: Path) -> None:
    model, frame = models.rent()
    with pytest.raises(TypeError, match="expected a pandas DataFrame, got a ndarray"):
        foretold.export(model, frame.to_numpy(), tmp_path / "rent")  # type: ignore[arg-type]


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    model, frame = models.churn()
    foretold.export(model, frame, tmp_path / "churn", "cancelled")
    (tmp_path / "churn" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="model.onnx, manifest.toml, golden.csv already.*overwrite=True"):
        foretold.export(model, frame, tmp_path / "churn", "cancelled")
    foretold.export(model, frame, tmp_path / "churn", "cancelled", overwrite=True)
    assert (tmp_path / "churn" / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".foretold-*"))


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model, frame = models.xgboost()
    foretold.export(model, frame, tmp_path / "model", "cancelled")
    assert model.get_booster().feature_names == ["months", "monthly_fee"]
    model.predict(frame.drop(columns="cancelled"))


# What is wrong with a model or a frame, and what the message has.
def test_a_missing_text_is_named(tmp_path: Path) -> None:
    model, frame = models.churn()
    frame.loc[17, "contract"] = None
    with pytest.raises(foretold.UnsupportedModel, match="column 'contract': 1 rows have no text, row 17 .*fillna"):
        foretold.export(model, frame, tmp_path / "churn", "cancelled")
    assert not (tmp_path / "churn").exists()


def test_a_date_is_named(tmp_path: Path) -> None:
    model, frame = models.churn()
    frame["months"] = pd.Timestamp("2026-01-01")
    with pytest.raises(foretold.UnsupportedModel, match="column 'months' is of the type datetime64.*expected numbers"):
        foretold.export(model, frame, tmp_path / "churn", "cancelled")


def test_texts_need_an_encoder(tmp_path: Path) -> None:
    import lightgbm

    frame = models.customers()
    frame["contract"] = frame["contract"].astype("category")
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(frame.drop(columns="cancelled"), frame["cancelled"])
    with pytest.raises(foretold.UnsupportedModel, match="column 'contract' has texts.*Pipeline"):
        foretold.export(model, frame, tmp_path / "churn", "cancelled")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    model, frame = models.churn()
    with pytest.raises(KeyError, match="trained on 'contract'"):
        foretold.export(model, frame.drop(columns="contract"), tmp_path / "churn", "cancelled")
    with pytest.raises(KeyError, match="no column 'canceled'"):
        foretold.export(model, frame, tmp_path / "churn", "canceled")


def test_a_frame_with_columns_too_many_is_refused(tmp_path: Path) -> None:
    model, frame = models.rent()
    with pytest.raises(ValueError, match="takes 2 columns, and the frame has 3.*target="):
        foretold.export(model, frame, tmp_path / "rent")


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(foretold.UnsupportedModel, match="expected a fitted model of scikit-learn, XGBoost"):
        foretold.export(object(), models.customers(), tmp_path / "model")


def test_what_predicts_nothing_that_can_be_served_is_refused(tmp_path: Path) -> None:
    from sklearn.cluster import DBSCAN, Birch

    frame = models.customers().drop(columns="contract").head(200)
    for model, message in ((DBSCAN(), "a DBSCAN predicts nothing of new rows"), (Birch(), "a Birch is no classifier.*foretold new")):
        with pytest.raises(foretold.UnsupportedModel, match=message):
            foretold.export(model.fit(frame), frame, tmp_path / "model")


def test_a_forest_that_asks_for_missing_values_is_refused(tmp_path: Path) -> None:
    from sklearn.ensemble import RandomForestClassifier

    frame = models.numbers()
    model = RandomForestClassifier(20, random_state=0).fit(frame.drop(columns="cancelled"), frame["cancelled"])
    with pytest.raises(foretold.UnsupportedModel, match="RandomForestClassifier was trained on missing values.*imputer"):
        foretold.export(model, frame, tmp_path / "model", "cancelled")


def test_a_missing_package_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(foretold.MissingPackage, match=r'skl2onnx.*pip install "foretold\[sklearn\]"'):
        foretold.export(*models.churn(), tmp_path / "churn", "cancelled")


def _labelled(kind: str) -> tuple[Any, pd.DataFrame]:
    """A model that is made of others, whose file has numbers for classes."""
    from sklearn.ensemble import BaggingClassifier, StackingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    random = np.random.RandomState(0)
    frame = pd.DataFrame(random.normal(size=(300, 3)), columns=list("abc"))
    words = np.select([frame["a"] > 0.5, frame["b"] > 0], ["late", 'the "early"'], "none")
    model, frame["target"] = {
        "stacking, texts": (StackingClassifier([("one", LogisticRegression())]), words),
        "bagging, two texts": (BaggingClassifier(LogisticRegression(), random_state=0), np.where(frame["a"] > 0, "yes", "no")),
        "one versus rest, 1 and 2": (OneVsRestClassifier(LogisticRegression()), np.where(frame["a"] > 0, 2, 1)),
        "truth values": (LogisticRegression(), frame["a"] > 0),
    }[kind]
    return model.fit(frame[list("abc")], frame["target"]), frame


@pytest.mark.parametrize("kind", ["stacking, texts", "bagging, two texts", "one versus rest, 1 and 2", "truth values"])
def test_the_class_is_the_library_s(kind: str, tmp_path: Path) -> None:
    model, frame = _labelled(kind)
    foretold.export(model, frame, tmp_path / "m", target="target")
    found = foretold.Predictor(tmp_path / "m").predict(frame)["class"]
    assert found.tolist() == [str(label) for label in model.predict(frame[list("abc")]).tolist()]


def test_a_linear_support_vector_machine_at_the_end_of_a_pipeline(tmp_path: Path) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    frame = models.customers().drop(columns="contract")
    features = frame.drop(columns="cancelled")
    model = make_pipeline(StandardScaler(), LinearSVC()).fit(features, frame["cancelled"])
    assert foretold.export(model, frame, tmp_path / "m", target="cancelled").largest.popitem()[1] < 1e-4


def test_a_model_that_is_not_fitted_is_named(tmp_path: Path) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(NotFittedError, match="LogisticRegression instance is not fitted yet"):
        foretold.export(LogisticRegression(), models.numbers(), tmp_path / "m", target="cancelled")
