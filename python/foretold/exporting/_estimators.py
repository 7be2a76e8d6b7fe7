"""What a model is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MANY = ("steps", "transformers_", "transformer_list", "estimators_", "calibrated_classifiers_")
_ONE = ("best_estimator_", "estimator_", "final_estimator_", "regressor_", "classifier_", "estimator")

# A forest has hundreds, all of one kind.
_SEEN = 20


def parts(model: Any) -> Iterator[Any]:
    """A model and all models inside it, from the outside to the inside."""
    if model is None or isinstance(model, str):
        return
    yield model
    for name in _MANY:
        found = getattr(model, name, None)
        for part in list(found)[:_SEEN] if found is not None else []:
            yield from parts(_estimator(part))
    for name in _ONE:
        part = getattr(model, name, None)
        if part is not None and part is not model:
            yield from parts(part)
            break


def _estimator(part: Any) -> Any:
    """Of a step, which has a name before it and columns behind it, the estimator itself."""
    if isinstance(part, tuple):
        return next((each for each in part if hasattr(each, "get_params")), None)
    return part if hasattr(part, "get_params") or hasattr(part, "estimator") else None


def final(model: Any) -> Any:
    """The model that gives a pipeline's answer, and the search's best."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif kind(model) == "Pipeline":
            model = model.steps[-1][1]
        else:
            return model


def kind(part: Any) -> str:
    """The name of its class."""
    return type(part).__name__


def package(part: Any) -> str:
    """The package that its class is of: `sklearn`, `xgboost` and so on."""
    for each in type(part).__mro__:
        name = str(each.__module__).partition(".")[0]
        if name in ("sklearn", "xgboost", "lightgbm", "catboost"):
            # XGBoost and LightGBM derive from scikit-learn's classes, not the other way round.
            return name
    return str(type(part).__module__).partition(".")[0]
