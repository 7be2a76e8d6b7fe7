"""A model that takes some milliseconds for a row: what a cache is for.

It has the manifest of the credit model, and in place of the trees a network with two million weights. It is trained on
made-up rows, for what it says does not matter.
"""
import itertools
import random
import shutil
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

from load import ROOT

HIDDEN = (1024, 1024, 1024)
ROWS = 2000


def make(folder: Path) -> Path:
    """Writes manifest.toml and model.onnx into a new folder, and gives it back."""
    # These come with models/requirements.txt, which only this needs.
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    sys.path.insert(0, str(ROOT / "models"))
    import onnx_model

    folder.mkdir()
    manifest = Path(shutil.copy(ROOT / "models" / "credit" / "manifest.toml", folder))
    features = tomllib.loads(manifest.read_text("utf-8"))["feature"]
    kinds = {feature["name"]: "string" if feature["type"] == "category" else "float32" for feature in features}
    numbers, categories = ([name for name in kinds if kinds[name] == kind] for kind in ("float32", "string"))
    rows = pd.DataFrame(itertools.islice(made_up(features), ROWS)).astype({name: "float32" for name in numbers})
    is_bad = rows["age_in_years"] < rows["installment_rate_in_percentage_of_disposable_income"] * 30
    encode = ColumnTransformer([("numbers", StandardScaler(), numbers), ("categories", OneHotEncoder(), categories)])
    pipeline = Pipeline([("encode", encode), ("classify", MLPClassifier(HIDDEN, max_iter=3, random_state=0))])
    with warnings.catch_warnings():
        # Three rounds are enough for answers of both kinds.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(rows, is_bad.astype(int))
    inputs = [(name, kind, [None, 1]) for name, kind in kinds.items()]
    (folder / "model.onnx").write_bytes(onnx_model.export(pipeline, inputs, "credit"))
    return folder


def made_up(features: list[dict]) -> Iterator[dict]:
    """Legal rows, the same ones each time."""
    chance = random.Random(0)

    def value(feature: dict) -> str | float:
        if feature["type"] == "category":
            return chance.choice(feature["categories"])
        return chance.uniform(feature["minimum"], feature["maximum"])

    while True:
        yield {feature["name"]: value(feature) for feature in features}
