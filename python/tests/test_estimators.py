"""A served model in the place of an estimator of scikit-learn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC

import foretold
from foretold.estimators import Classifier, Regressor


def test_a_classifier_of_two_classes(churn: Path) -> None:
    model, frame = models.churn()
    rows, target = frame.drop(columns="cancelled"), frame["cancelled"]
    store: dict[str, bytes] = {}
    served = Classifier(churn, store, classes=model.classes_)
    assert is_classifier(served) and list(served.classes_) == [0, 1] and served.n_features_in_ == 3
    assert (served.predict(rows) == model.predict(rows)).all()
    assert np.allclose(served.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert served.score(rows, target) == accuracy_score(target, model.predict(rows)) and len(store) > 1000
    assert roc_auc_score(target, served.predict_proba(rows)[:, 1]) == pytest.approx(roc_auc_score(target, model.predict_proba(rows)[:, 1]))
    few = rows.head(200)
    found = [permutation_importance(each, few, target.head(200), n_repeats=2, random_state=0) for each in (served, model)]
    assert np.allclose(found[0].importances_mean, found[1].importances_mean)
    # It is fitted already, so that all folds have the same.
    assert cross_val_score(clone(served), few, target.head(200), cv=2).mean() == pytest.approx(served.score(few, target.head(200)))
    again = pickle.loads(pickle.dumps(served))
    assert (again.predict(few) == served.predict(few)).all()
    assert list(Classifier(churn).classes_) == ["0", "1"] and list(Classifier(churn).predict(few)[:2]) == ["0", "1"]
    with pytest.raises(ValueError, match="classes: expected one for each of 0, 1, got none for '1'"):
        _ = Classifier(churn, classes=[0, 2]).classes_


def test_several_classes_and_an_array(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(300, 2)).astype("float32"), columns=["a", "b"])
    target = np.where(rows["a"] > 0.5, "high", np.where(rows["b"] > 0, "low", "middle"))
    model = LogisticRegression().fit(rows, target)
    made = foretold.export(model, rows, tmp_path / "m")
    served = Classifier(made.folder).fit(rows, target)
    assert list(served.classes_) == ["high", "low", "middle"]
    assert np.allclose(served.predict_proba(rows.to_numpy()), model.predict_proba(rows), atol=1e-6)
    assert (served.predict(rows) == model.predict(rows)).all()


def test_a_classifier_without_probabilities(tmp_path: Path) -> None:
    frame = models.customers().drop(columns="contract")
    rows = frame.drop(columns="cancelled")
    model: Any = LinearSVC().fit(rows, frame["cancelled"])
    made = foretold.export(model, rows, tmp_path / "m")
    served = Classifier(made.folder, classes=model.classes_)
    assert (served.predict(rows) == model.predict(rows)).all() and not hasattr(served, "predict_proba")
    with pytest.raises(ValueError, match="the model m answers no class; use Regressor"):
        _ = Classifier(_regressor(tmp_path)).classes_


def _regressor(folder: Path) -> Path:
    rows = models.customers()[["months", "monthly_fee"]]
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(rows, rows["months"] * rows["monthly_fee"])
    return foretold.export(model, rows, folder / "r" / "m").folder


def test_a_regressor(tmp_path: Path) -> None:
    rows = models.customers()[["months", "monthly_fee"]]
    target = rows["months"] * rows["monthly_fee"]
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(rows, target)
    served = Regressor(_regressor(tmp_path))
    assert is_regressor(served) and served.predict(rows).shape == (2000,)
    assert np.allclose(served.predict(rows), model.predict(rows), rtol=1e-5)
    assert served.score(rows, target) == pytest.approx(model.score(rows, target), rel=1e-6)
