"""A file that says something else than the library is found, and its cause is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import pytest

import foretold
from foretold.exporting import _convert


def _refused(model: Any, frame: pd.DataFrame, folder: Path, **options: Any) -> foretold.DifferenceError:
    with pytest.raises(foretold.DifferenceError) as caught:
        foretold.export(model, frame, folder, "cancelled", **options)
    assert not folder.exists()
    return caught.value


def test_what_differs_is_named_with_row_column_and_values(tmp_path: Path) -> None:
    model, frame = models.lightgbm(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5)
    frame.index = pd.Index([f"customer {i}" for i in range(len(frame))])
    error = _refused(model, frame, tmp_path / "churn")
    worst = error.differences[0]
    assert worst.column in ("probability", "class") and str(worst.row).startswith("customer ")
    said = model.predict_proba(frame.drop(columns="cancelled"))[:, 1]
    number = next(each for each in error.differences if each.column == "probability")
    assert number.library == pytest.approx(said[number.position]) and number.onnxruntime == pytest.approx(number.foretold)
    text = str(error)
    assert "2000 of 2000 rows differ between LightGBM and onnxruntime, which runs the file that onnxmltools wrote" in text
    assert f"row {worst.row}, {worst.column}: LightGBM {worst.library}, onnxruntime {worst.onnxruntime}, Foretold" in text
    assert "monthly_fee=" in text
    assert 'known cause: boosting_type="rf": the trees are summed and not averaged' in text


def test_a_difference_can_be_a_warning(tmp_path: Path) -> None:
    model, frame = models.lightgbm(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5)
    with pytest.warns(UserWarning, match="rows differ between LightGBM and onnxruntime"):
        made = foretold.export(model, frame, tmp_path / "churn", "cancelled", on_difference="warn")
    assert made.differences and (made.folder / "manifest.toml").exists()


def _zeros() -> tuple[Any, pd.DataFrame]:
    import lightgbm

    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.integers(-2, 3, 2000), "b": random.normal(size=2000).astype("float32")})
    frame["cancelled"] = ((frame["a"] == 0) ^ (frame["b"] > 0)).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=20, zero_as_missing=True, verbose=-1)
    return model.fit(frame[["a", "b"]], frame["cancelled"]), frame


def _one_against_the_rest() -> tuple[Any, pd.DataFrame]:
    import lightgbm

    frame = models.numbers()
    frame["cancelled"] = (frame["monthly_fee"] // 40).clip(0, 2).astype(int)
    model = lightgbm.LGBMClassifier(objective="multiclassova", n_estimators=10, verbose=-1)
    return model.fit(frame[["months", "monthly_fee"]], frame["cancelled"]), frame


def _sets_of_categories() -> tuple[Any, pd.DataFrame]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = models.customers()[["months", "monthly_fee", "cancelled"]].assign(plan=lambda frame: frame["months"] % 7)
    frame["cancelled"] = frame["plan"].isin([1, 3, 6]).astype(int) ^ (frame["monthly_fee"] > 60)
    model = HistGradientBoostingClassifier(categorical_features=["plan"], max_iter=20, random_state=0)
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def _power_of_nothing() -> tuple[Any, pd.DataFrame]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PowerTransformer

    frame = models.numbers()
    model = make_pipeline(PowerTransformer(), HistGradientBoostingClassifier(max_iter=20, random_state=0))
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def _sparse_xgboost() -> tuple[Any, pd.DataFrame]:
    import xgboost
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = models.customers()
    encode = ColumnTransformer([("contract", OneHotEncoder(), ["contract"])], sparse_threshold=1.0, remainder="drop")
    model = make_pipeline(encode, xgboost.XGBClassifier(n_estimators=10))
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def _fitted(model: Any) -> tuple[Any, pd.DataFrame]:
    frame = models.customers().drop(columns="contract")
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def _discriminant() -> tuple[Any, pd.DataFrame]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return _fitted(LinearDiscriminantAnalysis())


def _tuned_threshold() -> tuple[Any, pd.DataFrame]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import TunedThresholdClassifierCV

    return _fitted(TunedThresholdClassifierCV(LogisticRegression()))


CAUSES = {
    "discriminant analysis": (_discriminant, "its score is counted twice"),
    "threshold": (_tuned_threshold, "and the manifest at 0.5"),
    "zero_as_missing": (_zeros, "zero_as_missing=True: zeros are compared as zeros"),
    "multiclassova": (_one_against_the_rest, "scores of one class against the rest are put through softmax"),
    "categories": (_sets_of_categories, "splits on sets of categories are written as ordinary comparisons"),
    "PowerTransformer": (_power_of_nothing, "PowerTransformer in front of missing values"),
    "sparse": (_sparse_xgboost, "XGBoost behind an encoder that returns a sparse matrix"),
}


@pytest.mark.parametrize("case", CAUSES)
def test_known_causes_are_named(case: str, tmp_path: Path) -> None:
    make, cause = CAUSES[case]
    causes = [line for line in str(_refused(*make(), tmp_path / "churn")).splitlines() if line.startswith("known cause: ")]
    assert any(cause in line for line in causes), causes


def test_a_file_that_is_wrong_for_no_known_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter with a bug of its own: it writes another model."""
    from sklearn.linear_model import LogisticRegression

    frame = models.customers().drop(columns="contract")
    X, y = frame.drop(columns="cancelled"), frame["cancelled"]
    model, other = LogisticRegression().fit(X, y), LogisticRegression(C=1e-4).fit(X, y)
    convert = _convert._sklearn
    monkeypatch.setattr(_convert, "_sklearn", lambda _, columns, plan: convert(other, columns, plan))
    text = str(_refused(model, frame, tmp_path / "churn"))
    assert "between scikit-learn and onnxruntime" in text and "no known cause fits" in text


def test_rows_that_foretold_refuses_are_differences(tmp_path: Path) -> None:
    """An infinite number, which the library and onnxruntime take and JSON does not have."""
    model, frame = models.histogram()
    frame.loc[5, "monthly_fee"] = np.inf
    text = str(_refused(model, frame, tmp_path / "churn"))
    assert "1 of 2000 rows differ because Foretold refuses the row" in text
    assert 'row 5, probability: scikit-learn 0.' in text and "Foretold: monthly_fee: expected a number from" in text
