"""A served model as an estimator of scikit-learn: for its metrics, displays and inspections.

>>> from foretold.estimators import Classifier
>>> sklearn.inspection.permutation_importance(Classifier("churn/", classes=pipeline.classes_), X, y)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from foretold._predictor import Endpoint, Predictor

if TYPE_CHECKING:
    import pandas

    from foretold._predictor import Entries

__all__ = ["Classifier", "Regressor"]


class _Served(BaseEstimator):  # type: ignore[misc]
    """What both have in common. It is fitted: `fit` checks that the model can be loaded, and nothing else."""

    def __init__(self, model: str | os.PathLike[str], store: Entries = None) -> None:
        self.model = model
        self.store = store

    def fit(self, X: Any = None, y: Any = None) -> Any:
        """Loads the model; rows and targets are not looked at."""
        del X, y
        assert self.predictor
        return self

    @property
    def predictor(self) -> Predictor:
        """What is asked: made when it is first needed."""
        made: Predictor | None = self.__dict__.get("_made")
        if made is None:
            made = self.__dict__["_made"] = Predictor(self.model, self.store)
        return made

    @property
    def feature_names_in_(self) -> Any:
        """The features' names."""
        return numpy.array([feature.name for feature in self.predictor.features], dtype=object)

    @property
    def n_features_in_(self) -> int:
        """How many there are."""
        return len(self.predictor.features)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads the model anew.
        state = cast("dict[str, Any]", super().__getstate__())
        return {name: value for name, value in state.items() if name != "_made"}

    def _answers(self, X: Any) -> pandas.DataFrame:
        """The answers to a frame, or to an array with the features in their order."""
        import pandas

        frame = X if hasattr(X, "columns") else pandas.DataFrame(X, columns=self.feature_names_in_)
        return self.predictor.predict(frame, progress=False)


class Regressor(RegressorMixin, _Served):  # type: ignore[misc]
    """A model that answers numbers. `model` and `store` are those of `Predictor`."""

    def predict(self, X: Any) -> Any:
        """The answers of the endpoints that are numbers: an array, or one with a column for each of several."""
        fields = [endpoint.field for endpoint in self.predictor.endpoints if endpoint.is_number]
        if not fields:
            raise ValueError(f"the model {self.predictor.name} answers no numbers; use Classifier")
        numbers = self._answers(X)[fields].to_numpy(dtype="float64")
        return numbers[:, 0] if len(fields) == 1 else numbers


class Classifier(ClassifierMixin, _Served):  # type: ignore[misc]
    """A model that answers a class. `model` and `store` are those of `Predictor`.

    `classes` are the classes as the library has them, like `pipeline.classes_`: answers are texts, and become the class
    whose text they are. Without it they stay texts.
    """

    def __init__(self, model: str | os.PathLike[str], store: Entries = None, classes: Sequence[Any] | None = None) -> None:
        super().__init__(model, store)
        self.classes = classes

    @property
    def classes_(self) -> Any:
        """The classes, in the order of the columns of `predict_proba`."""
        return self._as_classes([label for label, _ in self._columns()] or self._chosen().labels)

    def predict(self, X: Any) -> Any:
        """The class of each row."""
        return self._as_classes(self._answers(X)[self._chosen().field].tolist())

    def _as_classes(self, labels: Sequence[str]) -> Any:
        """What texts stand for."""
        if self.classes is None:
            return numpy.array(labels, dtype=object)
        known = {str(each): each for each in self.classes}
        unknown = [label for label in labels if label not in known]
        if unknown:
            named = ", ".join(dict.fromkeys(labels))
            raise ValueError(f"classes: expected one for each of {named}, got none for {unknown[0]!r}")
        return numpy.array([known[label] for label in labels])

    def _has_probabilities(self) -> bool:
        return len(self._columns()) > 1

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """The probabilities of the classes, where the model answers them."""
        answers = self._answers(X)
        columns = [answers[field].to_numpy(dtype="float64") if field else None for _, field in self._columns()]
        # Of two classes the other has the rest.
        rest = 1.0 - sum(column for column in columns if column is not None)
        return numpy.column_stack([rest if column is None else column for column in columns])

    def _chosen(self) -> Endpoint:
        """The endpoint that answers the class."""
        for endpoint in self.predictor.endpoints:
            if not endpoint.is_number:
                return endpoint
        raise ValueError(f"the model {self.predictor.name} answers no class; use Regressor")

    def _columns(self) -> list[tuple[str, str | None]]:
        """Each class with the answer that is its probability, None for the rest; empty where there are none."""
        chosen = self._chosen()
        fields = {endpoint.outputs[0]: endpoint.field for endpoint in self.predictor.endpoints if endpoint.is_number}
        if chosen.threshold is not None:
            above = fields.get(chosen.outputs[0])
            columns: list[tuple[str, str | None]] = [(chosen.labels[0], None), (chosen.labels[1], above)]
        else:
            columns = [(label, fields.get(output)) for output, label in chosen.classes]
        given = [field for _, field in columns if field is not None]
        are_probabilities = all(field.startswith("probability") for field in given)
        return columns if are_probabilities and len(given) >= max(len(columns) - 1, 1) else []
