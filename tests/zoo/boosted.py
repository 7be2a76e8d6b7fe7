"""XGBoost, LightGBM and CatBoost: objectives, missing values and texts, exported as their users do."""
import tempfile
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from case import Case, rows_like
from data import COUNTS, HOLES, POSITIVE, X, Y2, Y3, YR, random

SHARES = 1 / (1 + np.exp(-YR))
# Twenty queries of thirty rows.
QUERIES = np.repeat(np.arange(20), len(X) // 20)
FEW = {"n_estimators": 20, "max_depth": 4, "random_state": 0}


def xgboost_cases():
    for name, model, y in [
        ("XGBClassifier", xgboost.XGBClassifier(**FEW), Y2),
        ("XGBClassifier, 3 classes", xgboost.XGBClassifier(**FEW), Y3),
        ("XGBClassifier, multi:softmax", xgboost.XGBClassifier(objective="multi:softmax", num_class=3, **FEW), Y3),
        ("XGBClassifier, binary:logitraw", xgboost.XGBClassifier(objective="binary:logitraw", **FEW), Y2),
        ("XGBClassifier, binary:hinge", xgboost.XGBClassifier(objective="binary:hinge", **FEW), Y2),
        ("XGBClassifier, dart", xgboost.XGBClassifier(booster="dart", rate_drop=0.2, **FEW), Y2),
        ("XGBClassifier, gblinear", xgboost.XGBClassifier(booster="gblinear", n_estimators=20), Y2),
        ("XGBClassifier, scale_pos_weight and base_score", xgboost.XGBClassifier(scale_pos_weight=3, base_score=0.2, **FEW), Y2),
        ("XGBClassifier, depth 12", xgboost.XGBClassifier(n_estimators=60, max_depth=12, random_state=0), Y2),
        ("XGBRFClassifier", xgboost.XGBRFClassifier(**FEW), Y2),
        ("XGBRFClassifier, 3 classes", xgboost.XGBRFClassifier(**FEW), Y3),
        ("XGBRegressor", xgboost.XGBRegressor(**FEW), YR),
        ("XGBRegressor, reg:absoluteerror", xgboost.XGBRegressor(objective="reg:absoluteerror", **FEW), YR),
        ("XGBRegressor, reg:pseudohubererror", xgboost.XGBRegressor(objective="reg:pseudohubererror", **FEW), YR),
        ("XGBRegressor, reg:logistic", xgboost.XGBRegressor(objective="reg:logistic", **FEW), SHARES),
        ("XGBRegressor, reg:gamma", xgboost.XGBRegressor(objective="reg:gamma", **FEW), np.abs(YR) + 0.1),
        ("XGBRegressor, reg:tweedie", xgboost.XGBRegressor(objective="reg:tweedie", **FEW), np.abs(YR)),
        ("XGBRegressor, reg:quantileerror", xgboost.XGBRegressor(objective="reg:quantileerror", quantile_alpha=0.9, **FEW), YR),
        ("XGBRegressor, count:poisson", xgboost.XGBRegressor(objective="count:poisson", **FEW), COUNTS),
        ("XGBRegressor, gblinear", xgboost.XGBRegressor(booster="gblinear", n_estimators=20), YR),
        ("XGBRegressor, 2 numbers", xgboost.XGBRegressor(**FEW), np.stack([YR, -YR], axis=1)),
        ("XGBRegressor, num_parallel_tree", xgboost.XGBRegressor(num_parallel_tree=3, subsample=0.8, **FEW), YR),
        ("XGBRFRegressor", xgboost.XGBRFRegressor(**FEW), YR),
        ("XGBRanker, rank:pairwise", xgboost.XGBRanker(objective="rank:pairwise", **FEW), COUNTS),
        ("XGBRanker, rank:ndcg", xgboost.XGBRanker(objective="rank:ndcg", **FEW), COUNTS),
    ]:
        data = POSITIVE if "tweedie" in name else X
        yield Case(name, lambda model=model, y=y, data=data: exported(onnxmltools.convert_xgboost, fitted(model, data, y), data))
    for objective, y in [("binary:logistic", Y2), ("reg:squarederror", YR)]:
        yield Case(f"XGBoost's Booster, {objective}", lambda objective=objective, y=y: exported(
            onnxmltools.convert_xgboost, xgboost.train({"objective": objective, "max_depth": 4, "seed": 0}, xgboost.DMatrix(X, y), 20), X))
    for name, model, y in [
        ("XGBClassifier, missing values", xgboost.XGBClassifier(**FEW), Y2),
        ("XGBClassifier, 3 classes, missing values", xgboost.XGBClassifier(**FEW), Y3),
        ("XGBRegressor, missing values", xgboost.XGBRegressor(**FEW), YR),
    ]:
        yield Case(name, lambda model=model, y=y: exported(onnxmltools.convert_xgboost, fitted(model, HOLES, y), HOLES), sampled=True)


def lightgbm_cases():
    few = {**FEW, "verbose": -1}
    for name, model, y in [
        ("LGBMClassifier", lightgbm.LGBMClassifier(**few), Y2),
        ("LGBMClassifier, 3 classes", lightgbm.LGBMClassifier(**few), Y3),
        ("LGBMClassifier, texts as classes", lightgbm.LGBMClassifier(**few), np.array(["low", "mid dle", "größer"])[Y3]),
        ("LGBMClassifier, multiclassova", lightgbm.LGBMClassifier(objective="multiclassova", **few), Y3),
        ("LGBMRegressor, cross_entropy", lightgbm.LGBMRegressor(objective="cross_entropy", **few), SHARES),
        ("LGBMClassifier, dart", lightgbm.LGBMClassifier(boosting_type="dart", **few), Y2),
        ("LGBMClassifier, goss", lightgbm.LGBMClassifier(boosting_type="goss", **few), Y2),
        ("LGBMClassifier, rf", lightgbm.LGBMClassifier(boosting_type="rf", subsample=0.8, subsample_freq=1, **few), Y2),
        ("LGBMClassifier, is_unbalance", lightgbm.LGBMClassifier(is_unbalance=True, **few), Y2),
        ("LGBMClassifier, 400 leaves", lightgbm.LGBMClassifier(n_estimators=60, num_leaves=400, min_child_samples=2, verbose=-1), Y2),
        ("LGBMRegressor", lightgbm.LGBMRegressor(**few), YR),
        *[(f"LGBMRegressor, {objective}", lightgbm.LGBMRegressor(objective=objective, **few), y) for objective, y in [
            ("l1", YR), ("huber", YR), ("fair", YR), ("quantile", YR), ("mape", YR), ("poisson", COUNTS), ("gamma", np.abs(YR) + 0.1), ("tweedie", np.abs(YR))]],
        ("LGBMRegressor, linear_tree", lightgbm.LGBMRegressor(linear_tree=True, **few), YR),
        ("LGBMRanker", lightgbm.LGBMRanker(**few), COUNTS),
    ]:
        yield Case(name, lambda model=model, y=y: exported(onnxmltools.convert_lightgbm, fitted(model, X, y), X))
    yield Case("LGBMClassifier without ZipMap", lambda: exported(onnxmltools.convert_lightgbm, fitted(lightgbm.LGBMClassifier(**few), X, Y2), X, zipmap=False))
    yield Case("LGBMRegressor, split into 10", lambda: exported(onnxmltools.convert_lightgbm, fitted(lightgbm.LGBMRegressor(**few), X, YR), X, split=10))
    yield Case("LightGBM's Booster", lambda: exported(onnxmltools.convert_lightgbm, lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, Y2), 20), X))
    for name, options, data in [
        ("LGBMClassifier, missing values", {}, HOLES),
        ("LGBMClassifier, zero_as_missing", {"zero_as_missing": True}, np.where(HOLES > 1, 0, HOLES)),
        ("LGBMClassifier, use_missing=False", {"use_missing": False}, HOLES),
    ]:
        yield Case(name, lambda options=options, data=data: exported(onnxmltools.convert_lightgbm, fitted(lightgbm.LGBMClassifier(**options, **few), data, Y2), data), sampled=True)
    codes = np.concatenate([X, random.randint(30, size=(len(X), 2))], axis=1).astype(np.float32)
    yield Case("LGBMClassifier, categorical columns", lambda: exported(onnxmltools.convert_lightgbm, lightgbm.LGBMClassifier(**few).fit(codes, Y2 ^ (codes[:, 6] > 14), categorical_feature=[6, 7]),
                                                                       codes, whole=[6, 7]), extreme=False)


def catboost_cases():
    few = {"iterations": 20, "depth": 4, "random_seed": 0, "verbose": False, "allow_writing_files": False}
    for name, model, y in [
        ("CatBoostClassifier", catboost.CatBoostClassifier(**few), Y2),
        ("CatBoostClassifier, texts as classes", catboost.CatBoostClassifier(**few), np.array(["no", "yes"])[Y2]),
        ("CatBoostClassifier, CrossEntropy", catboost.CatBoostClassifier(loss_function="CrossEntropy", **few), Y2),
        ("CatBoostClassifier, 3 classes", catboost.CatBoostClassifier(**few), Y3),
        ("CatBoostClassifier, 3 classes, texts", catboost.CatBoostClassifier(**few), np.array(["low", "mid", "high"])[Y3]),
        ("CatBoostClassifier, MultiClassOneVsAll", catboost.CatBoostClassifier(loss_function="MultiClassOneVsAll", **few), Y3),
        ("CatBoostClassifier, Lossguide", catboost.CatBoostClassifier(grow_policy="Lossguide", **few), Y2),
        ("CatBoostRegressor", catboost.CatBoostRegressor(**few), YR),
        *[(f"CatBoostRegressor, {loss}", catboost.CatBoostRegressor(loss_function=loss, **few), y)
          for loss, y in [("MAE", YR), ("Quantile:alpha=0.9", YR), ("Huber:delta=1", YR), ("LogCosh", YR), ("Poisson", COUNTS), ("Tweedie:variance_power=1.5", np.abs(YR))]],
        ("CatBoostRegressor, MultiRMSE", catboost.CatBoostRegressor(loss_function="MultiRMSE", **few), np.stack([YR, -YR], axis=1)),
        ("CatBoostRanker", catboost.CatBoostRanker(loss_function="YetiRank", **few), COUNTS),
    ]:
        yield Case(name, lambda model=model, y=y: saved(fitted(model, X, y), X))
    for name, model, y in [("CatBoostClassifier, missing values", catboost.CatBoostClassifier(**few), Y2), ("CatBoostRegressor, missing values", catboost.CatBoostRegressor(nan_mode="Max", **few), YR)]:
        yield Case(name, lambda model=model, y=y: saved(fitted(model, HOLES, y), HOLES), sampled=True)


def fitted(model, data, y):
    if isinstance(model, lightgbm.LGBMRanker):
        return model.fit(data, y, group=np.bincount(QUERIES))
    if isinstance(model, xgboost.XGBRanker):
        return model.fit(data, y, qid=QUERIES)
    if isinstance(model, catboost.CatBoostRanker):
        return model.fit(data, y, group_id=QUERIES)
    return model.fit(data, y)


def exported(convert, model, data, whole=(), **options):
    types = [("input", FloatTensorType([None, data.shape[1]]))]
    file = convert(model, initial_types=types, **options).SerializeToString()
    rows = rows_like(data, random)
    for column in whole:
        rows[:, column] = random.randint(32, size=len(rows))
    return file, {"input": rows}


def saved(model, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        return path.read_bytes(), {"features": rows_like(data, random)}


def cases():
    yield from xgboost_cases()
    yield from lightgbm_cases()
    yield from catboost_cases()
