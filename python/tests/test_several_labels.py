"""Classifiers of several labels, and models that were trained without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.tree import DecisionTreeClassifier

import foretold


def _frame() -> pd.DataFrame:
    return pd.DataFrame(np.random.RandomState(0).normal(size=(300, 3)).astype("float32"), columns=list("abc"))


def _orders(kind: str) -> pd.DataFrame:
    """Two labels of each order."""
    frame = _frame()
    late = (frame["a"] > 0).to_numpy()
    if kind == "texts":
        return frame.assign(late=np.where(late, "yes", "no"), damage=np.where(frame["b"] > 0, "some", "none"))
    damage = np.digitize(frame["b"], [-0.5, 0.5]) if kind == "three" else (frame["b"] + frame["c"] > 0.3).astype(int)
    return frame.assign(late=late.astype(int), damage=damage)


# Each of these has its probabilities in another order in the file.
CASES = {
    "a forest": (RandomForestClassifier(10, random_state=0), "two"),
    "a forest, three classes": (RandomForestClassifier(10, random_state=0), "three"),
    "neighbours": (KNeighborsClassifier(), "two"),
    "a network": (MLPClassifier((5,), max_iter=50, random_state=0), "two"),
    "one versus rest": (OneVsRestClassifier(LogisticRegression()), "two"),
    "a model for each": (MultiOutputClassifier(LogisticRegression()), "three"),
    "a model for each, texts": (MultiOutputClassifier(LogisticRegression()), "texts"),
    "in a pipeline": (make_pipeline(StandardScaler(), MultiOutputClassifier(LogisticRegression())), "two"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_every_label_is_the_library_s(case: str, tmp_path: Path) -> None:
    model, kind = CASES[case]
    frame = _orders(kind)
    features, labels = frame[list("abc")], frame[["late", "damage"]]
    model.fit(features, labels)
    made = foretold.export(model, frame, tmp_path / "m", target=["late", "damage"])
    assert made.differences == [] and made.rows == 300
    predictor = foretold.Predictor(made.folder)
    assert {"/labels/late", "/probabilities/late", "/labels/damage"} <= {endpoint.path for endpoint in predictor.endpoints}
    found = predictor.predict(frame)
    says = model.predict(features)
    for column, label in enumerate(("late", "damage")):
        assert found[label].tolist() == [str(each) for each in says[:, column].tolist()]
    numbers = model.predict_proba(features)
    of_first = numbers[0][:, 1] if isinstance(numbers, list) else numbers[:, 0]
    np.testing.assert_allclose(found["probability_late"], of_first, atol=1e-5)
    golden = pd.read_csv(made.folder / "golden.csv")
    np.testing.assert_allclose(golden["probability_late"], of_first[::3], atol=1e-12)
    assert ("probability_damage_2" in found.columns) == (kind == "three")
    assert "/labels/late" in str(made) and "/classes" not in str(made)


def test_boosters_of_several_labels(tmp_path: Path) -> None:
    import catboost
    import xgboost

    frame = _orders("two")
    features, labels = frame[list("abc")], frame[["late", "damage"]]
    each = MultiOutputClassifier(xgboost.XGBClassifier(n_estimators=5)).fit(features, labels)
    made = foretold.export(each, frame, tmp_path / "m", target=["late", "damage"])
    assert made.fields == ["late", "probability_late", "damage", "probability_damage"]
    together = xgboost.XGBClassifier(n_estimators=5).fit(features, labels)
    with pytest.raises(foretold.UnsupportedModel, match="XGBClassifier of several labels .* use MultiOutputClassifier"):
        foretold.export(together, frame, tmp_path / "n", target=["late", "damage"])
    settings = {"iterations": 5, "verbose": False, "allow_writing_files": False, "loss_function": "MultiLogloss"}
    together = catboost.CatBoostClassifier(**settings).fit(features, labels)
    with pytest.raises(foretold.UnsupportedModel, match="CatBoostClassifier of several labels .*; use a model for each label"):
        foretold.export(together, frame, tmp_path / "n", target=["late", "damage"])


def test_labels_without_names_are_numbered(tmp_path: Path) -> None:
    frame = _orders("two")
    model = RandomForestClassifier(5, random_state=0).fit(frame[list("abc")], frame[["late", "damage"]])
    made = foretold.export(model, frame[list("abc")], tmp_path / "m")
    assert made.fields == ["label_0", "probability_label_0", "label_1", "probability_label_1"]
    with pytest.raises(ValueError, match="target: the model gives 2 labels, and target= names 1: late"):
        foretold.export(model, frame, tmp_path / "n", target="late")


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (RidgeClassifier(), "two", "a RidgeClassifier of several labels has no probabilities.*a model for each label"),
        (DecisionTreeClassifier(), "texts", "DecisionTreeClassifier of several labels with texts for classes: use integers"),
        (KNeighborsClassifier(), "three", "KNeighborsClassifier of several labels it may write none: use MultiOutputClassifier"),
        (ClassifierChain(LogisticRegression()), "two", "no converter for ClassifierChain; use another class"),
    ],
    ids=["no probabilities", "texts", "unlike labels", "a chain"],
)
def test_several_labels_that_cannot_be_written(model: Any, kind: str, message: str, tmp_path: Path) -> None:
    frame = _orders(kind)
    model.fit(frame[list("abc")], frame[["late", "damage"]])
    with pytest.raises(foretold.UnsupportedModel, match=message):
        foretold.export(model, frame, tmp_path / "m", target=["late", "damage"])


@pytest.mark.parametrize(
    "model",
    [
        IsolationForest(n_estimators=10, random_state=0),
        OneClassSVM(),
        SGDOneClassSVM(random_state=0),
        LocalOutlierFactor(novelty=True),
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=10, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_detectors_of_outliers(model: Any, tmp_path: Path) -> None:
    frame = _frame()
    made = foretold.export(model.fit(frame), frame, tmp_path / "m")
    assert made.fields == ["label", "scores"] and made.differences == []
    found = foretold.Predictor(made.folder).predict(frame)
    scores = model.decision_function(frame)
    assert found["label"].tolist() == model.predict(frame).tolist()
    np.testing.assert_allclose(found["scores"], scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pd.read_csv(made.folder / "golden.csv")["scores"], scores[::3], rtol=1e-7)


def test_detectors_that_cannot_be_written(tmp_path: Path) -> None:
    frame = _frame()
    with pytest.raises(foretold.UnsupportedModel, match="no converter for EllipticEnvelope"):
        foretold.export(EllipticEnvelope(random_state=0).fit(frame), frame, tmp_path / "m")
    with pytest.raises(foretold.UnsupportedModel, match="LocalOutlierFactor predicts nothing of new rows.*novelty=True"):
        foretold.export(LocalOutlierFactor().fit(frame), frame, tmp_path / "m")


def test_clusters_and_mixtures(tmp_path: Path) -> None:
    frame = _frame()
    clusters = KMeans(3, random_state=0, n_init=1).fit(frame)
    made = foretold.export(clusters, frame, tmp_path / "clusters")
    assert made.fields == ["label", "scores_0", "scores_1", "scores_2"]
    assert foretold.Predictor(made.folder).predict(frame)["label"].tolist() == clusters.predict(frame).tolist()
    for count in (2, 3):
        mixture = GaussianMixture(count, random_state=0).fit(frame)
        made = foretold.export(mixture, frame, tmp_path / str(count))
        found = foretold.Predictor(made.folder).predict(frame)
        assert found["class"].astype(int).tolist() == mixture.predict(frame).tolist()
