"""What is known of models whose exported file says something else than the library: docs/bring-your-model.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from foretold.exporting import _columns
from foretold.exporting._columns import Column
from foretold.exporting._estimators import kind, package, parts

if TYPE_CHECKING:
    import pandas

_FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier")
_TREES = ("Tree", "Forest", "Boosting", "XGB", "LGBM")


def of_file(model: Any, rows: pandas.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Why a file may differ from the library on some rows, with what to do."""
    return list(_of_file(model, rows, columns))


def _of_file(model: Any, rows: pandas.DataFrame, columns: Sequence[Column]) -> Iterator[str]:
    found = list(parts(model))
    names = {kind(part) for part in found}
    has_missing = bool(rows.isna().any(axis=None))
    for part in found:
        yield from _of_part(part, has_missing)
    if has_missing and "PowerTransformer" in names:
        yield (
            "PowerTransformer in front of missing values: its formula is written with comparisons that NaN fails, so that "
            "it comes out as a number; put an imputer before it, or with trees behind it leave it out"
        )
    sparse = any(kind(part) == "ColumnTransformer" and getattr(part, "sparse_output_", False) for part in found)
    sparse = sparse or any(kind(part) == "OneHotEncoder" and getattr(part, "sparse_output", False) for part in found)
    if sparse and any(package(part) == "xgboost" for part in found) and len(found) > 1:
        yield (
            "XGBoost behind an encoder that returns a sparse matrix: it treats absent elements as missing, and in the file "
            "they are 0; use OneHotEncoder(sparse_output=False)"
        )
    yield from _of_precision(rows, columns, names)


def _of_part(part: Any, has_missing: bool) -> Iterator[str]:
    name = kind(part)
    if name.startswith("HistGradientBoosting") and getattr(part, "is_categorical_", None) is not None:
        yield (
            f"{name}(categorical_features=…): splits on sets of categories are written as ordinary comparisons; put an "
            "OneHotEncoder in front instead"
        )
    if name in _FORESTS and has_missing:
        yield (
            f"{name} with missing values: the direction that its trees learnt for NaN is written as \"no\" everywhere; put "
            "an imputer in front, or use HistGradientBoostingClassifier"
        )
    if name in ("SVC", "NuSVC") and hasattr(part, "predict_proba"):
        yield (
            f"{name}(probability=True): it decides by its scores, which may disagree with its probabilities; serve the "
            'probabilities, with on_difference="warn", or use CalibratedClassifierCV'
        )
    if name == "CalibratedClassifierCV" and part.method == "isotonic":
        yield f'{name}(method="isotonic"): the file takes the nearest step where the library draws a line; use method="sigmoid"'
    if name == "VotingClassifier" and part.voting == "hard" and not all(hasattr(it, "predict_proba") for it in part.estimators_):
        yield f'{name}(voting="hard") over models without probabilities: use others, or voting="soft"'
    if name.startswith("KNeighbors") and part.weights == "distance":
        yield f'{name}(weights="distance"): in the file all neighbours weigh the same; use weights="uniform"'
    if name == "TunedThresholdClassifierCV":
        yield (
            f"{name} decides at {getattr(part, 'best_threshold_', 'a threshold of its own')}, and the manifest at 0.5: export "
            'with on_difference="warn", and set `threshold` in the manifest'
        )
    if name == "LinearDiscriminantAnalysis" and len(part.classes_) == 2:
        yield f"{name} of two classes: its score is counted twice; use LogisticRegression, or QuadraticDiscriminantAnalysis"
    if package(part) != "lightgbm":
        return
    settings = part.get_params() if hasattr(part, "get_params") else {}
    if settings.get("objective") == "multiclassova":
        yield 'objective="multiclassova": scores of one class against the rest are put through softmax; use "multiclass"'
    if settings.get("boosting_type") == "rf":
        yield 'boosting_type="rf": the trees are summed and not averaged; use another, or a forest of scikit-learn'
    if settings.get("zero_as_missing"):
        yield "zero_as_missing=True: zeros are compared as zeros; make them NaN before fit, and send no value for them"


def _of_precision(rows: pandas.DataFrame, columns: Sequence[Column], names: set[str]) -> Iterator[str]:
    """Trees jump where a number lies on a split, which it may do in 64 bits and not in 32."""
    if not any(part in name for name in names for part in _TREES):
        return
    numbers = [column.name for column in columns if column.kind in ("number", "integer")]
    exact = rows[numbers].astype("float64")
    is_rounded = bool(((exact.astype("float32").astype("float64") != exact) & exact.notna()).any(axis=None))
    scaled = any("Scaler" in name or "Transformer" in name and name != "ColumnTransformer" for name in names)
    if is_rounded or scaled:
        large = _columns.large(rows, columns)
        if large:
            yield (
                f"column {large[0]!r} has integers beyond 2^24, which the file's 32 bits round: subtract a constant before fit, "
                "or leave out what only identifies a row"
            )
            return
        yield (
            "the library computes in 64 bits and the file in 32: a number that lies on a split of a tree can fall to the "
            'other side; use frame.astype("float32") for the numbers before fit, and no scaler in front of trees'
        )
