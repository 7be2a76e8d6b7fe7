"""What the training scripts of the credit models have in common: all but the rows at the edges.

The manifest beside a script decides which columns of the German credit data its model takes.
"""
import argparse
import math
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

import german_credit
import golden
import onnx_model

DATA_ROWS = 200  # of the data in the golden file; the edge rows come on top
MAX_INTEGERS = 128  # a wider range of integers is not tried in full

# From the features, the manifest's example and each feature's edge values: rows of those values.
EdgeRows = Callable[[list[dict], list, list[list]], list[list]]


def main(description: str, folder: Path, edge_rows: EdgeRows) -> None:
    """Write the model and the golden file of a folder, or with `--check` compare them."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = arguments.parse_args().check

    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    features = manifest["feature"]
    rows, default = training_data(features)
    pipeline = build(features).fit(rows, default)
    inputs = [(feature["name"], "string" if is_category(feature) else "float32", [None, 1]) for feature in features]
    model = onnx_model.export(pipeline, inputs, name=manifest["model"]["name"])

    requests = golden_rows(features, rows, pipeline, edge_rows)
    probability = onnx_model.predict(model, inputs, requests)[:, 1:]
    head = {
        "model": manifest["model"]["name"],
        "made_with": golden.versions(),
        "features": [feature["name"] for feature in features],
        "outputs": [output["name"] for output in manifest["output"]],
    }
    text = golden.render(head, "features", requests, probability)
    if not golden.settle(model, text, folder / "model.onnx", folder / "golden.json", check):
        command = f"python models/{folder.name}/train.py"
        sys.exit(f"run `{command}` with the packages of models/requirements.txt, and review the diff")
    if not check:
        print(onnx_model.describe(model))
        report(features, pipeline, rows, default, requests, probability)


def training_data(features: list[dict]) -> tuple[pd.DataFrame, pd.Series]:
    """The manifest's columns, numbers as the float32 that the ONNX model will see; 1 means the loan went bad."""
    data = german_credit.load()
    columns = {
        feature["name"]: data[feature["name"]].astype("str" if is_category(feature) else "float32")
        for feature in features
    }
    return pd.DataFrame(columns), (data[german_credit.TARGET] == "bad").astype(int)


def build(features: list[dict]) -> Pipeline:
    """Numbers as they are and one-hot categories into 100 boosted trees of depth 3.

    Trees need no scaling, and without it a split is compared with the request's own number: scaled
    in float32 by ONNX and in float64 by scikit-learn, a number that lies exactly on a split could
    fall to different sides.
    """
    numbers = [feature["name"] for feature in features if not is_category(feature)]
    categories = [feature["name"] for feature in features if is_category(feature)]
    encode = ColumnTransformer([
        ("numbers", "passthrough", numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
    ])
    classify = GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0)
    return Pipeline([("encode", encode), ("classify", classify)])


def golden_rows(features: list[dict], data: pd.DataFrame, pipeline: Pipeline, edge_rows: EdgeRows) -> list[list]:
    """The manifest's example, rows of the data, then rows at the edges of what the manifest allows."""
    example = [feature["example"] for feature in features]
    sample = data.sample(DATA_ROWS, random_state=0)[[feature["name"] for feature in features]]
    rows = [example] + [[plain(item) for item in row] for row in sample.itertuples(index=False)]
    rows += edge_rows(features, example, [edge_values(feature, pipeline) for feature in features])
    for row in rows:
        for feature, item in zip(features, row, strict=True):
            assert legal(feature, item), f"{feature['name']}: {item!r} is not legal under the manifest"
    return rows


def edge_values(feature: dict, pipeline: Pipeline) -> list:
    """All categories; all integers, or of many both ends and the two around each split of the
    trees; of a number both ends, and quarters with the steps just off them.

    Quarters contain the halves between two codes of the data, where the trees split.
    """
    if is_category(feature):
        return feature["categories"]
    low, high = feature["minimum"], feature["maximum"]
    if feature["type"] == "integer":
        if high - low < MAX_INTEGERS:
            return list(range(low, high + 1))
        around = {math.floor(split) + side for split in splits(feature, pipeline) for side in (0, 1)}
        return sorted({low, high} | around)
    quarters = np.arange(low, high + 0.25, 0.25)
    near = {round(float(item), 2) for quarter in quarters for item in quarter + np.array([-1, 0, 1]) * feature["step"]}
    return [plain(item) for item in sorted(near) if low <= item <= high]


def splits(feature: dict, pipeline: Pipeline) -> set[float]:
    """The numbers that the trees compare this feature with."""
    column = list(pipeline["encode"].get_feature_names_out()).index(f"numbers__{feature['name']}")
    trees = [estimator.tree_ for estimator in pipeline["classify"].estimators_.ravel()]
    return {float(split) for tree in trees for split in tree.threshold[tree.feature == column]}


def legal(feature: dict, item) -> bool:
    """What the component's request parser will accept."""
    if is_category(feature):
        return item in feature["categories"]
    if feature["type"] == "integer" and not isinstance(item, int):
        return False
    steps = item / feature.get("step", 1)
    return feature["minimum"] <= item <= feature["maximum"] and math.isclose(steps, round(steps), abs_tol=1e-9)


def is_category(feature: dict) -> bool:
    return feature["type"] == "category"


def plain(item):
    """A whole number without its `.0`, as a client writes it."""
    return int(item) if not isinstance(item, str) and item == int(item) else item


def report(features, pipeline, rows, default, requests, probability) -> None:
    """Cross-validated quality, how far ONNX is from scikit-learn, and how the answers spread."""
    folds = StratifiedKFold(n_splits=10, shuffle=True, random_state=0)
    scores = cross_validate(build(features), rows, default, scoring="roc_auc", cv=folds, return_train_score=True)
    for part in ("train", "test"):
        auc = scores[f"{part}_score"]
        print(f"ROC AUC, {part}, 10 folds: {auc.mean():.3f} (standard deviation {auc.std():.3f})")
    frame = pd.DataFrame(requests, columns=[feature["name"] for feature in features])
    difference = np.abs(pipeline.predict_proba(frame)[:, 1] - probability[:, 0])
    far = int((difference > golden.TOLERANCE).sum())
    print(f"golden rows: {len(requests)}, probability {probability.min():.4f} to {probability.max():.4f};"
          f" off scikit-learn's answer by more than {golden.TOLERANCE:g}: {far} (at most {difference.max():.2g})")
