"""Pipelines on tables: an input for each column, or for each kind of column; texts, numbers, missing and unseen values."""
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.data_types import BooleanTensorType, DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler, TargetEncoder

from case import ROWS, Case, rows_like
from data import COLORS, HOLES, TEXTS, X, Y2, Y3, YR, random

SIZES = np.array(["S", "M, or so", "L \"large\"", "XL"])
TYPES = {"float32": FloatTensorType, "float64": DoubleTensorType, "int64": Int64TensorType, "int32": Int64TensorType, "bool": BooleanTensorType}
NUMBERS = [f"x{i}" for i in range(4)]

update_registered_converter(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", calculate_linear_classifier_output_shapes, convert_lightgbm,
                            options={"nocl": [True, False], "zipmap": [True, False, "columns"]})
update_registered_converter(xgboost.XGBClassifier, "XGBoostXGBClassifier", calculate_linear_classifier_output_shapes, convert_xgboost,
                            options={"nocl": [True, False], "zipmap": [True, False, "columns"]})


def table(holes=False, dtype="float32"):
    frame = pd.DataFrame((HOLES if holes else X)[:, :4].astype(dtype), columns=NUMBERS)
    frame["color"], frame["size"] = TEXTS, SIZES[random.randint(4, size=len(X))]
    frame["floor"] = random.randint(-2, 30, size=len(X))
    frame["lift"] = random.uniform(size=len(X)) < 0.4
    return frame


def rows_of(frame, unseen=False):
    """Rows like those of a table, by column; some with texts that are in no other row."""
    rows = {}
    for name in frame.columns:
        values = frame[name].to_numpy()
        if values.dtype.kind == "f":
            values = rows_like(values.reshape(-1, 1), random).ravel()
        else:
            values = values[random.randint(len(values), size=ROWS)]
        if values.dtype.kind not in "fib":
            values = values.astype(object)
            if unseen:
                values[random.uniform(size=ROWS) < 0.1] = "never seen"
        rows[name] = values
    return rows


def by_column(estimator, frame, y, *, unseen=False, options=None, opset=None):
    """An input for each column, as for a data frame."""
    estimator.fit(frame, y)
    types = [(name, TYPES.get(str(frame[name].dtype), StringTensorType)([None, 1])) for name in frame.columns]
    opset = {"": 18, "ai.onnx.ml": 3} if opset is None else opset
    model = to_onnx(estimator, initial_types=types, target_opset=opset or None, options=options)
    return model.SerializeToString(), {name: values.reshape(-1, 1) for name, values in rows_of(frame, unseen).items()}


def by_kind(estimator, frame, y, kinds, *, unseen=False):
    """An input for each kind of column, of several columns each; the estimator sees positions."""
    order = [name for _, names in kinds for name in names]
    plain = frame[order].copy()
    plain.columns = range(len(order))
    estimator.fit(plain, y)
    types = [(kind, TYPES.get(str(frame[names[0]].dtype), StringTensorType)([None, len(names)])) for kind, names in kinds]
    model = to_onnx(estimator, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3})
    rows = rows_of(frame, unseen)
    return model.SerializeToString(), {kind: np.stack([rows[name] for name in names], axis=1) for kind, names in kinds}


def cases():
    few = {"n_estimators": 20, "random_state": 0}
    texts, whole, all_numbers = ["color", "size"], ["floor"], [*NUMBERS, "floor"]

    def beside(encoder, numbers=None, names=texts):
        numbers = StandardScaler() if numbers is None else numbers
        return ColumnTransformer([("texts", encoder, names), ("numbers", numbers, NUMBERS)])

    for encoder in (OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(drop="first"), OneHotEncoder(handle_unknown="ignore", min_frequency=160), OrdinalEncoder(),
                    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TargetEncoder(random_state=0)):
        name = f"{' '.join(str(encoder).split())} beside StandardScaler, GradientBoostingClassifier"
        yield Case(name, lambda encoder=encoder: by_column(make_pipeline(beside(encoder), GradientBoostingClassifier(**few)), table()[[*texts, *NUMBERS]], Y2))
    for encoder in (OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)):
        name = f"{' '.join(str(encoder).split())} beside StandardScaler, LogisticRegression, unseen texts"
        yield Case(name, lambda encoder=encoder: by_column(make_pipeline(beside(encoder), LogisticRegression()), table()[[*texts, *NUMBERS]], Y3, unseen=True), sampled=True)
    everything = ColumnTransformer([
        ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        ("floors", KBinsDiscretizer(4, encode="ordinal"), whole),
        ("rest", "passthrough", ["lift"]),
    ])
    yield Case("texts, imputed numbers, bins and truth values, LogisticRegression, missing and unseen values", lambda: by_column(make_pipeline(everything, LogisticRegression()), table(holes=True), Y2, unseen=True), sampled=True)
    yield Case("texts, imputed numbers, bins and truth values, RandomForestRegressor", lambda: by_column(make_pipeline(everything, RandomForestRegressor(**few)), table(), YR))
    yield Case("SimpleImputer(add_indicator=True) beside OneHotEncoder, Ridge, missing values", lambda: by_column(make_pipeline(
        beside(OneHotEncoder(handle_unknown="ignore"), SimpleImputer(add_indicator=True)), Ridge()), table(holes=True)[[*texts, *NUMBERS]], YR), sampled=True)
    yield Case("OrdinalEncoder beside passthrough, HistGradientBoostingClassifier, missing values", lambda: by_column(make_pipeline(
        beside(OrdinalEncoder(), "passthrough"), HistGradientBoostingClassifier(max_iter=20)), table(holes=True)[[*texts, *NUMBERS]], Y3), sampled=True)
    yield Case("PolynomialFeatures beside OneHotEncoder, Ridge, float64", lambda: by_column(make_pipeline(beside(OneHotEncoder(), PolynomialFeatures(2)), Ridge()), table(dtype="float64")[[*texts, *NUMBERS]], YR))
    yield Case("OneHotEncoder of integers, LogisticRegression", lambda: by_column(make_pipeline(
        ColumnTransformer([("floors", OneHotEncoder(handle_unknown="ignore"), whole), ("numbers", StandardScaler(), NUMBERS)]), LogisticRegression()), table()[[*whole, *NUMBERS]], Y2))
    yield Case("numbers of int64 beside float32, Binarizer, Ridge", lambda: by_column(make_pipeline(
        ColumnTransformer([("floors", StandardScaler(), whole), ("numbers", Binarizer(threshold=0.3), NUMBERS)]), Ridge()), table()[[*whole, *NUMBERS]], YR))
    yield Case("OneHotEncoder and StandardScaler, LogisticRegression, newest operators", lambda: by_column(make_pipeline(beside(OneHotEncoder(handle_unknown="ignore")), LogisticRegression()), table()[[*texts, *NUMBERS]], Y2, opset={}))
    for name, made in [("LGBMClassifier", lightgbm.LGBMClassifier(verbose=-1, **few)), ("XGBClassifier", xgboost.XGBClassifier(max_depth=4, **few))]:
        opset = {"": 15, "ai.onnx.ml": 3}
        # XGBoost takes zeros of a sparse matrix for missing, which the file does not say.
        yield Case(f"OneHotEncoder beside passthrough, {name}, unseen texts", lambda made=made, opset=opset: by_column(
            make_pipeline(beside(OneHotEncoder(handle_unknown="ignore", sparse_output=False), "passthrough"), made), table()[[*texts, *NUMBERS]], Y3, unseen=True, opset=opset), sampled=True)

    kinds = [("numbers", all_numbers), ("texts", texts)]

    def positions(encoder, numbers=None):
        numbers = StandardScaler() if numbers is None else numbers
        return ColumnTransformer([("numbers", numbers, list(range(5))), ("texts", encoder, [5, 6])])

    floors = table().astype({"floor": "float32"})
    yield Case("two wide inputs, numbers and texts, LogisticRegression", lambda: by_kind(make_pipeline(positions(OneHotEncoder(handle_unknown="ignore")), LogisticRegression()), floors, Y3, kinds))
    yield Case("two wide inputs, numbers and texts, GradientBoostingClassifier, unseen texts", lambda: by_kind(make_pipeline(
        positions(OneHotEncoder(handle_unknown="ignore")), GradientBoostingClassifier(**few)), floors, Y2, kinds, unseen=True), sampled=True)
    yield Case("two wide inputs, imputed numbers and texts, RandomForestRegressor, missing values", lambda: by_kind(make_pipeline(
        positions(OrdinalEncoder(), SimpleImputer()), RandomForestRegressor(**few)), table(holes=True).astype({"floor": "float32"}), YR, kinds), sampled=True)
    three = [("texts", texts), ("whole", ["floor", "storey"]), ("numbers", NUMBERS), ("lift", ["lift"])]
    yield Case("three wide inputs and a narrow one, texts, int64, float32, truth values, LogisticRegression", lambda: by_kind(make_pipeline(
        ColumnTransformer([("texts", OneHotEncoder(), [0, 1]), ("whole", StandardScaler(), [2, 3]), ("numbers", StandardScaler(), [4, 5, 6, 7]), ("lift", "passthrough", [8])]), LogisticRegression()),
        table().assign(storey=random.randint(5, size=len(X))), Y2, three))
