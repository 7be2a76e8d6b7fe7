"""Small models that exercise the operators of ai.onnx.ml, as skl2onnx exports them, with golden answers.

    python component/inference/tests/models/generate.py           writes NAME.onnx and NAME.golden.json beside this file
    python component/inference/tests/models/generate.py --check   retrains in memory; fails when a file is stale

Quality does not matter here, coverage does: each model is a classifier of the German credit data
that a user could have trained, kept small. Packages: models/requirements.txt and requirements-data.txt.
"""
import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "models"))
import german_credit  # noqa: E402
import golden  # noqa: E402
import onnx_model  # noqa: E402

NUMBERS = ["installment_rate_in_percentage_of_disposable_income", "age_in_years"]
CATEGORIES = ["foreign_worker", "present_employment_since", "personal_status_and_sex"]
MEASURES = ["duration_in_month", "credit_amount", *NUMBERS]  # for the models with one float tensor `X`
NAN = float("nan")
DATA_ROWS = 40  # of the data in each golden file; the edge rows come on top


@dataclass
class Example:
    """One model to train: on `rows` of `inputs`, to predict `target`."""

    name: str
    pipeline: Pipeline
    inputs: list[onnx_model.Input]
    rows: pd.DataFrame | np.ndarray
    target: pd.Series
    edges: list[list]  # golden rows besides those of the data

    def build(self) -> tuple[bytes, str]:
        """The model's bytes and the text of its golden file."""
        self.pipeline.fit(self.rows, self.target)
        soften(self.pipeline.steps[-1][1])
        model = onnx_model.export(self.pipeline, self.inputs, name=self.name)
        sample = np.random.RandomState(0).choice(len(self.rows), DATA_ROWS, replace=False)
        table = pd.DataFrame(self.rows)
        rows = [[plain(item) for item in table.iloc[position]] for position in sample] + self.edges
        outputs = onnx_model.predict(model, self.inputs, rows)
        head = {
            "model": self.name,
            "made_with": golden.versions(),
            "inputs": [{"name": name, "type": kind, "shape": shape} for name, kind, shape in self.inputs],
            "output": {"tensor": "probabilities", "columns": outputs.shape[1]},
        }
        return model, golden.render(head, "inputs", rows, outputs)


def soften(classifier) -> None:
    """Round fitted weights, so that another machine's last bits do not change the model's bytes."""
    for estimator in classifier.estimators_ if isinstance(classifier, OneVsRestClassifier) else [classifier]:
        for name in ("coef_", "intercept_"):
            if hasattr(estimator, name):
                setattr(estimator, name, np.round(getattr(estimator, name), 3))
        for name in ("coefs_", "intercepts_"):
            if hasattr(estimator, name):
                setattr(estimator, name, [np.round(weights, 3) for weights in getattr(estimator, name)])


def plain(item):
    """A number as plain Python, whole ones without their `.0`."""
    if isinstance(item, str) or np.isnan(item):
        return item
    return int(item) if item == int(item) else float(item)


def examples() -> list[Example]:
    data = german_credit.load()
    bad = (data[german_credit.TARGET] == "bad").astype(int)
    housing = data["housing"]  # rent, own, for free: the target with three classes
    class_number = housing.map({"for free": 0, "own": 1, "rent": 2})
    return [
        on_request("logistic", LogisticRegression(), data, bad),
        on_request("logistic_multiclass", LogisticRegression(), data, class_number),
        on_request("logistic_one_vs_rest", OneVsRestClassifier(LogisticRegression()), data, class_number),
        on_request("gradient_boosting_multiclass",
                   GradientBoostingClassifier(n_estimators=15, random_state=0), data, class_number),
        on_request("random_forest", RandomForestClassifier(n_estimators=10, max_depth=6, random_state=0),
                   data, bad, age="int64"),
        on_request("decision_tree_string_labels", DecisionTreeClassifier(max_depth=6, random_state=0), data, housing),
        on_tensor("logistic_tensor", data, bad, StandardScaler(), LogisticRegression()),
        on_tensor("mlp", data, bad, StandardScaler(),
                  MLPClassifier(hidden_layer_sizes=(8, 5), max_iter=300, tol=1e-3, random_state=0)),
        on_tensor("mlp_multiclass", data, class_number, StandardScaler(),
                  MLPClassifier(hidden_layer_sizes=(6,), activation="tanh", max_iter=300, tol=1e-3, random_state=0)),
        on_tensor("decision_tree_missing", data, bad, DecisionTreeClassifier(max_depth=5, random_state=0), missing=True),
        on_tensor("random_forest_missing", data, class_number,
                  RandomForestClassifier(n_estimators=5, max_depth=5, random_state=0), missing=True),
        on_tensor("hist_gradient_boosting", data, bad,
                  HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=0), missing=True),
    ]


def on_request(name: str, classifier, data: pd.DataFrame, target: pd.Series, age: str = "float32") -> Example:
    """The five fields of the credit request, each an input of its own; strings are one-hot encoded."""
    kinds = {NUMBERS[0]: "float32", NUMBERS[1]: age} | dict.fromkeys(CATEGORIES, "string")
    # skl2onnx cannot scale a float and an integer column in one step.
    groups = [NUMBERS] if age == "float32" else [[number] for number in NUMBERS]
    encode = ColumnTransformer(
        [(f"numbers_{index}", StandardScaler(), group) for index, group in enumerate(groups)]
        + [("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES)]
    )
    rows = data[list(kinds)].astype({column: kind for column, kind in kinds.items() if kind != "string"})
    edges = [[4, 30, "yes", "unemployed", "male: single"], [0.25, 30, "yes", "unemployed", "male: single"]]
    edges += [[rate, 45, "no", "... < 1 year", "male: married/widowed"] for rate in (-1, 0, 1.5, 2.5, 3.49, 3.5, 100)]
    edges += [[2, years, "yes", "... >= 7 years", "male: divorced/separated"] for years in (-5, 0, 18, 25, 32, 34, 127, 100000)]
    # Categories that the training never saw, alone, nearly right, and all at once.
    unknown = [("maybe", 2), ("", 2), ("Yes", 2), (" yes", 2), ("unknown", 3), ("... < 1 yea", 3), ("", 3),
               ("male : single", 4), ("female: single", 4), ("männlich: ledig 🙂", 4)]
    for text, position in unknown:
        row = [3, 28, "yes", "1 <= ... < 4 years", "female: divorced/separated/married"]
        row[position] = text
        edges.append(row)
    edges += [[1, 60, "?", "?", "?"], [4, 19, "", "", ""]]
    inputs = [(column, kind, [None, 1]) for column, kind in kinds.items()]
    return Example(name, Pipeline([("encode", encode), ("classify", classifier)]), inputs, rows, target, edges)


def on_tensor(name: str, data: pd.DataFrame, target: pd.Series, *steps, missing: bool = False) -> Example:
    """One input `X` of four numbers; with `missing`, some of them NaN in training and in the golden rows."""
    rows = data[MEASURES].to_numpy("float32", copy=True)
    edges = [[0, 0, 0, 0], [4, 250, 1, 18], [72, 18424, 4, 75], [-1, -0.5, 2.5, 1000], [24, 1e9, 3, 40],
             [12.25, 2319.5, 2.75, 33.125], [1e-30, 1e30, -1e30, 0.1]]
    if missing:
        for column in range(len(MEASURES)):
            rows[np.arange(len(rows)) % 11 == 2 * column, column] = NAN
        usual = [18, 2319, 3, 33]
        for pattern in range(1, 2 ** len(usual)):
            edges.append([NAN if pattern >> position & 1 else item for position, item in enumerate(usual)])
    pipeline = Pipeline([(f"step_{index}", step) for index, step in enumerate(steps)])
    return Example(name, pipeline, [("X", "float32", [None, len(MEASURES)])], rows, target, edges)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check
    fresh = True
    for example in examples():
        model, text = example.build()
        fresh &= golden.settle(model, text, HERE / f"{example.name}.onnx", HERE / f"{example.name}.golden.json", check)
        if not check:
            print(onnx_model.describe(model))
    if not fresh:
        sys.exit("run generate.py with the packages of models/requirements.txt, and review the diff")


if __name__ == "__main__":
    main()
