"""Models of all libraries, and the rows that they were trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROW = {"months": 12, "monthly_fee": 39.9, "contract": "monthly"}


def customers() -> pd.DataFrame:
    """Made-up customers, of whom some cancel."""
    random, count = np.random.default_rng(0), 2000
    frame = pd.DataFrame({
        "months": random.integers(0, 73, count).astype("float32"),
        "monthly_fee": random.uniform(5, 120, count).round(2).astype("float32"),
        "contract": random.choice(["monthly", "yearly", "two years"], count),
    })
    risk = 0.8 - frame["months"] / 120 + frame["monthly_fee"] / 400 - 0.4 * (frame["contract"] != "monthly")
    return frame.assign(cancelled=(random.uniform(size=count) < risk).astype(int))


def with_holes(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The same with missing values."""
    random = np.random.default_rng(1)
    frame = frame.copy()
    for column in columns:
        frame.loc[random.uniform(size=len(frame)) < 0.1, column] = np.nan
    return frame


def churn() -> tuple[Any, pd.DataFrame]:
    """Two classes, numbers and texts."""
    frame = customers()
    encode = ColumnTransformer([
        ("numbers", "passthrough", ["months", "monthly_fee"]),
        ("texts", OneHotEncoder(handle_unknown="ignore"), ["contract"]),
    ])
    model = Pipeline([("encode", encode), ("classify", GradientBoostingClassifier(n_estimators=50, random_state=0))])
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def churn_with_holes() -> tuple[Any, pd.DataFrame]:
    """The same with missing numbers, which an imputer fills in."""
    frame = with_holes(customers(), "months", "monthly_fee")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encode = ColumnTransformer([
        ("numbers", numbers, ["months", "monthly_fee"]),
        ("texts", OneHotEncoder(handle_unknown="ignore"), ["contract"]),
    ])
    return make_pipeline(encode, LogisticRegression()).fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def species() -> tuple[Any, pd.DataFrame]:
    """Three classes with texts for names, and one input."""
    from sklearn.datasets import load_iris

    iris = load_iris(as_frame=True)
    frame = iris.data.astype("float32")
    labels = iris.target_names[iris.target]
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(frame, labels), frame.assign(species=labels)


def rent() -> tuple[Any, pd.DataFrame]:
    """A regressor that was trained on an array."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"square_metres": random.uniform(20, 200, 1000).round(1), "rooms": random.integers(1, 8, 1000)})
    price = 11 * frame["square_metres"] + 90 * frame["rooms"] + random.normal(0, 40, 1000)
    model = RandomForestRegressor(n_estimators=20, max_depth=6, random_state=0).fit(frame.to_numpy("float32"), price)
    return model, frame.assign(rent=price)


def histogram() -> tuple[Any, pd.DataFrame]:
    """Missing numbers that the model takes as they are, beside truth values."""
    frame = with_holes(customers(), "months").drop(columns="contract")
    frame["is_new"] = frame["months"] < 6
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    return model.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def numbers() -> pd.DataFrame:
    """Customers without texts, and with missing values."""
    return with_holes(customers(), "months").drop(columns="contract")


def xgboost(model: str = "XGBClassifier", **settings: Any) -> tuple[Any, pd.DataFrame]:
    import xgboost

    frame = numbers()
    made = getattr(xgboost, model)(n_estimators=30, max_depth=4, **settings)
    return made.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def lightgbm(model: str = "LGBMClassifier", **settings: Any) -> tuple[Any, pd.DataFrame]:
    import lightgbm

    frame = numbers()
    made = getattr(lightgbm, model)(n_estimators=30, verbose=-1, **settings)
    return made.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def catboost(model: str = "CatBoostClassifier", **settings: Any) -> tuple[Any, pd.DataFrame]:
    import catboost

    frame = numbers()
    made = getattr(catboost, model)(iterations=30, verbose=False, allow_writing_files=False, **settings)
    return made.fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame


def pipeline_of(classifier: Any) -> tuple[Any, pd.DataFrame]:
    """A pipeline of scikit-learn with another library's model at its end."""
    frame = with_holes(customers(), "months")
    encode = ColumnTransformer([
        ("numbers", "passthrough", ["months", "monthly_fee"]),
        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["contract"]),
    ])
    return make_pipeline(encode, classifier).fit(frame.drop(columns="cancelled"), frame["cancelled"]), frame
