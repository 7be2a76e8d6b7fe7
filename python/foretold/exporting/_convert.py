"""ONNX files of models, as each library's own exporter writes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from foretold._errors import UnsupportedModel
from foretold.exporting import _columns
from foretold.exporting._columns import Column
from foretold.exporting._estimators import final, kind, package, parts
from foretold.exporting._packages import need

# Operator sets that skl2onnx and onnxmltools know, and that Foretold runs.
OPSETS = {"": 17, "ai.onnx.ml": 3}
OPSET_OF_ONNXMLTOOLS = 15
# Name of the one input of a model that takes no columns by name.
INPUT = "X"

Numbers = Literal["float32", "integers", "float64"]


@dataclass(frozen=True)
class Plan:
    """How numbers go into the file."""

    numbers: Numbers
    """All in 32 bits, integers as integers, or all others in 64 bits, too."""


@dataclass(frozen=True)
class Exporter:
    """What converts a kind of model."""

    name: str
    """The library, for people."""
    writer: str
    """The package that writes the file, for people."""
    plans: tuple[Plan, ...]
    """The ways to try, the best first."""
    convert: Callable[[Any, Sequence[Column], Plan], Any]
    """Makes the ONNX model."""


def exporter(model: Any) -> Exporter:
    """What converts a model.

    Raises UnsupportedModel where nothing does, MissingPackage where a package is missing, and scikit-learn's
    NotFittedError.
    """
    found = package(model)
    if found == "catboost":
        return Exporter("CatBoost", "CatBoost", (Plan("float32"),), _catboost)
    if found == "xgboost":
        need("onnxmltools.convert", "xgboost")
        _is_sklearn_like(model)
        return Exporter("XGBoost", "onnxmltools", (Plan("float32"),), _xgboost)
    if found == "lightgbm":
        need("onnxmltools.convert", "lightgbm")
        _is_sklearn_like(model)
        return Exporter("LightGBM", "onnxmltools", (Plan("float32"),), _lightgbm)
    if found == "sklearn":
        need("skl2onnx", "sklearn")
        need("sklearn.utils.validation", "sklearn").check_is_fitted(model)
        _register(model)
        plans = (Plan("float32"), Plan("integers"), Plan("float64"))
        return Exporter("scikit-learn", "skl2onnx", plans, _sklearn)
    raise UnsupportedModel(
        f"a {kind(model)} of {found} cannot be exported; expected a fitted model of scikit-learn, XGBoost, LightGBM or "
        "CatBoost; for others export ONNX yourself and run: foretold new MODEL.onnx -o DIR --sample FILE.csv"
    )


def _is_sklearn_like(model: Any) -> None:
    if kind(model) in ("Booster", "CVBooster"):
        raise UnsupportedModel(f"a {kind(model)} does not say what it predicts; train an XGB… or LGBM… class instead")


def _numeric(columns: Sequence[Column], name: str) -> None:
    texts = [column.name for column in columns if column.kind == "text"]
    if texts:
        raise UnsupportedModel(
            f"column {texts[0]!r} has texts, which a file of {name} cannot have: put an encoder and the model "
            "into a Pipeline of scikit-learn, fit and export that"
        )


def _sklearn(model: Any, columns: Sequence[Column], plan: Plan) -> Any:
    _finite_splits(model)
    if any(kind(part) == "SimpleImputer" and part.add_indicator for part in parts(model)):
        raise UnsupportedModel(
            "SimpleImputer(add_indicator=True): skl2onnx does not write the indicators; take it out, and give the model columns "
            'like frame["…"].isna() instead'
        )
    to_onnx = need("skl2onnx", "sklearn").to_onnx
    last = final(model)
    inputs = _inputs(model, columns, plan)
    with _without_names(model), _as_written(model, columns):
        options = None
        if hasattr(last, "classes_"):
            try:
                options = {id(last): {"zipmap": False}}
                return to_onnx(model, initial_types=inputs, options=options, target_opset=OPSETS, name="model")
            except Exception as error:
                # Some classifiers have never had maps. Without any option of theirs, skl2onnx asks for them at the end of
                # a Pipeline all the same.
                if "'zipmap' not in" not in str(error):
                    raise
                options = {id(last): {"nocl": False}} if "'nocl'" in str(error) else None
        return to_onnx(model, initial_types=inputs, options=options, target_opset=OPSETS, name="model")


def _finite_splits(model: Any) -> None:
    """Refuses trees that ask whether a number is missing: skl2onnx would never end."""
    numpy = need("numpy", "sklearn")
    for part in parts(model):
        trees = [part, *numpy.ravel(getattr(part, "estimators_", None) or [])] if _is_forest(part) else [part]
        if any(hasattr(each, "tree_") and numpy.isinf(each.tree_.threshold).any() for each in trees):
            raise UnsupportedModel(
                f"{kind(part)} was trained on missing values, and its trees ask for them, which skl2onnx cannot write: put "
                "an imputer in front, or use HistGradientBoosting…, whose export preserves it"
            )


def _is_forest(part: Any) -> bool:
    return "Forest" in kind(part) or "ExtraTrees" in kind(part) or "Bagging" in kind(part)


def _inputs(model: Any, columns: Sequence[Column], plan: Plan) -> list[tuple[str, Any]]:
    types = need("skl2onnx.common.data_types", "sklearn")
    numbers = types.DoubleTensorType if plan.numbers == "float64" else types.FloatTensorType
    texts = [column.kind == "text" for column in columns]
    if not _columns.by_name(model) and (all(texts) or not any(texts)):
        made = types.StringTensorType if all(texts) else numbers
        return [(INPUT, made([None, _width(columns)]))]

    def of(column: Column) -> Any:
        if column.kind == "text":
            return types.StringTensorType([None, 1])
        # What is missing is a number that is none, which integers do not have.
        if column.kind == "integer" and plan.numbers != "float32" and not column.has_missing:
            return types.Int64TensorType([None, 1])
        return numbers([None, 1])

    return [(column.input, of(column)) for column in columns]


def _width(columns: Sequence[Column]) -> int:
    return sum(column.length for column in columns)


def _xgboost(model: Any, columns: Sequence[Column], plan: Plan) -> Any:
    _numeric(columns, "XGBoost")
    types = need("onnxmltools.convert.common.data_types", "xgboost")
    convert = need("onnxmltools", "xgboost").convert_xgboost
    inputs = [(INPUT, types.FloatTensorType([None, _width(columns)]))]
    with _without_names(model):
        return convert(model, initial_types=inputs, target_opset=OPSET_OF_ONNXMLTOOLS)


def _lightgbm(model: Any, columns: Sequence[Column], plan: Plan) -> Any:
    _numeric(columns, "LightGBM")
    types = need("onnxmltools.convert.common.data_types", "lightgbm")
    convert = need("onnxmltools", "lightgbm").convert_lightgbm
    inputs = [(INPUT, types.FloatTensorType([None, _width(columns)]))]
    return convert(model, initial_types=inputs, zipmap=False, target_opset=OPSET_OF_ONNXMLTOOLS)


def _catboost(model: Any, columns: Sequence[Column], plan: Plan) -> Any:
    _numeric(columns, "CatBoost")
    onnx = need("onnx", "catboost")
    if model.get_cat_feature_indices():
        raise UnsupportedModel(
            "CatBoost cannot write categorical features (cat_features) into an ONNX file: put an encoder and the model "
            "into a Pipeline of scikit-learn, fit and export that"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        return onnx.load(str(path))


@contextmanager
def _without_names(model: Any) -> Generator[None, None, None]:
    """Hides the names that boosters of XGBoost have for features: onnxmltools reads numbers there."""
    # What a MultiOutputClassifier was made of is among its parts, and not fitted.
    fitted = [part for part in parts(model) if package(part) == "xgboost" and part.__sklearn_is_fitted__()]
    boosters = [part.get_booster() for part in fitted]
    names = [(booster, booster.feature_names, booster.feature_types) for booster in boosters]
    try:
        for booster in boosters:
            booster.feature_names = None
        yield
    finally:
        for booster, kept, types in names:
            booster.feature_names, booster.feature_types = kept, types


@contextmanager
def _as_written(model: Any, columns: Sequence[Column]) -> Generator[None, None, None]:
    """Gives a ColumnTransformer names that skl2onnx takes, and leaves out imputers of texts, which it does not: no text is
    missing here."""
    inputs = {column.name: column.input for column in columns if column.input != column.name}
    imputers = {id(part) for part in _columns.text_imputers(model)}

    def is_left_out(part: Any) -> bool:
        return id(part) in imputers or kind(part) == "Pipeline" and all(id(each) in imputers for _, each in part.steps)

    kept = [(part, "transformers_", part.transformers_) for part in parts(model) if kind(part) == "ColumnTransformer"]
    kept += [(part, "steps", part.steps) for part in parts(model) if kind(part) == "Pipeline"]
    try:
        for part, attribute, found in kept:
            if attribute == "steps":
                part.steps = [step for step in found if not is_left_out(step[1])] or found
            else:
                part.transformers_ = [
                    (name, "passthrough" if is_left_out(each) else each, _renamed(chosen, inputs))
                    for name, each, chosen in found
                ]
        yield
    finally:
        for part, attribute, found in kept:
            setattr(part, attribute, found)


def _renamed(chosen: Any, inputs: Mapping[str, str]) -> Any:
    """The columns of a transformer under other names; as they are where they are no names."""
    if isinstance(chosen, str):
        return inputs.get(chosen, chosen)
    names = [] if isinstance(chosen, slice) or callable(chosen) else list(chosen)
    if not any(isinstance(name, str) for name in names):
        return chosen
    return [inputs.get(name, name) for name in names]


def _register(model: Any) -> None:
    """Tells skl2onnx of the other libraries' models inside a pipeline."""
    found = {package(part) for part in parts(model)}
    if "catboost" in found:
        raise UnsupportedModel(
            "skl2onnx cannot convert a CatBoost model inside a Pipeline; export it alone, or use XGBoost or LightGBM there"
        )
    for name in ("xgboost", "lightgbm"):
        if name in found:
            _register_package(name)


def _register_package(name: str) -> None:
    register = need("skl2onnx", name).update_registered_converter
    shapes = need("skl2onnx.common.shape_calculator", name)
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    library = need(name, name)
    if name == "xgboost":
        convert = need("onnxmltools.convert.xgboost.operator_converters.XGBoost", name).convert_xgboost
        models = {"XGBClassifier": True, "XGBRFClassifier": True, "XGBRegressor": False, "XGBRFRegressor": False}
    else:
        convert = need("onnxmltools.convert.lightgbm.operator_converters.LightGbm", name).convert_lightgbm
        models = {"LGBMClassifier": True, "LGBMRegressor": False}
    for each, classifies in models.items():
        register(
            getattr(library, each),
            f"Foretold{each}",
            shapes.calculate_linear_classifier_output_shapes
            if classifies
            else shapes.calculate_linear_regressor_output_shapes,
            convert,
            options=options if classifies else None,
        )
