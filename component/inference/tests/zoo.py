"""Pipelines of all kinds, exported by skl2onnx and compared with onnxruntime on 1000 rows each.

    python component/inference/tests/zoo.py target/release/examples/score            prints the table
    python component/inference/tests/zoo.py target/release/examples/score --write    writes it into models/README.md
"""
import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn import calibration, cluster, compose, cross_decomposition, datasets, decomposition, discriminant_analysis, ensemble, feature_selection, gaussian_process, impute
from sklearn import linear_model, mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing, random_projection, svm, tree

warnings.filterwarnings("ignore")
README = Path(__file__).resolve().parents[3] / "models" / "README.md"
ROWS = 1000
RELATIVE = 1e-5
# Sums of hundreds of float32 products that cancel: their order decides, and onnxruntime is as far from scikit-learn as from us.
LOOSE = {"SVC, linear": 1e-4, "SVC, poly": 1e-4, "SVR, linear": 1e-4, "SVR, poly": 1e-4, "GaussianProcessRegressor": 1e-4,
         "GaussianProcessRegressor, sum of kernels": 1e-3}
START, END = "<!-- zoo: start -->", "<!-- zoo: end -->"

random = np.random.RandomState(0)
X, Y2 = datasets.make_classification(600, 6, n_informative=4, n_redundant=0, random_state=0)
X, Y3 = datasets.make_classification(600, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=1)
X = X.astype(np.float32)
Y2 = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
YR = (X[:, 0] * 2 - X[:, 1] + np.sin(X[:, 2])).astype(np.float32)
POSITIVE = np.abs(X)
TEXTS = np.array([["red", "green", "blue"][i % 3] for i in range(len(X))])


def zoo():
    """Name, estimator, what it is trained on, and whether its inputs are positive."""
    linear = ["LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "Perceptron", "PassiveAggressiveClassifier"]
    for name in linear:
        made = getattr(linear_model, name, None)
        if made:
            yield name, made(), Y2
            yield f"{name}, 3 classes", made(), Y3
    for name in ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsIC", "ElasticNet", "ElasticNetCV", "BayesianRidge", "ARDRegression", "HuberRegressor",
                 "TheilSenRegressor", "RANSACRegressor", "SGDRegressor", "OrthogonalMatchingPursuit", "Lars", "QuantileRegressor", "TweedieRegressor", "PoissonRegressor", "GammaRegressor",
                 "PassiveAggressiveRegressor"):
        made = getattr(linear_model, name, None)
        if made:
            yield name, made(), np.abs(YR) + 0.1 if name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor") else YR
    yield "MultiTaskLasso", linear_model.MultiTaskLasso(), np.stack([YR, -YR], axis=1)
    few = {"n_estimators": 20, "random_state": 0}
    for name in ("RandomForestClassifier", "ExtraTreesClassifier", "GradientBoostingClassifier", "AdaBoostClassifier", "BaggingClassifier"):
        yield name, getattr(ensemble, name)(**few), Y2
        yield f"{name}, 3 classes", getattr(ensemble, name)(**few), Y3
    for name in ("RandomForestRegressor", "ExtraTreesRegressor", "GradientBoostingRegressor", "AdaBoostRegressor", "BaggingRegressor"):
        yield name, getattr(ensemble, name)(**few), YR
    yield "HistGradientBoostingClassifier", ensemble.HistGradientBoostingClassifier(max_iter=20), Y2
    yield "HistGradientBoostingClassifier, 3 classes", ensemble.HistGradientBoostingClassifier(max_iter=20), Y3
    yield "HistGradientBoostingRegressor", ensemble.HistGradientBoostingRegressor(max_iter=20), YR
    yield "IsolationForest", ensemble.IsolationForest(n_estimators=20, random_state=0), None
    parts = [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=4, random_state=0))]
    yield "VotingClassifier", ensemble.VotingClassifier(parts, voting="soft", flatten_transform=False), Y2
    yield "StackingClassifier", ensemble.StackingClassifier(parts), Y2
    parts = [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=4, random_state=0))]
    yield "VotingRegressor", ensemble.VotingRegressor(parts), YR
    yield "StackingRegressor", ensemble.StackingRegressor(parts), YR
    for made, y in ((tree.DecisionTreeClassifier, Y2), (tree.DecisionTreeClassifier, Y3), (tree.DecisionTreeRegressor, YR), (tree.ExtraTreeClassifier, Y2), (tree.ExtraTreeRegressor, YR)):
        yield f"{made.__name__}{', 3 classes' * (y is Y3)}", made(max_depth=6, random_state=0), y
    yield "DecisionTreeClassifier, two labels", tree.DecisionTreeClassifier(max_depth=5, random_state=0), np.stack([Y2, Y3 % 2], axis=1)
    yield "RandomForestClassifier, two labels", ensemble.RandomForestClassifier(**few), np.stack([Y2, Y3 % 2], axis=1)
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield f"SVC, {kernel}", svm.SVC(kernel=kernel), Y2
        yield f"SVC, {kernel}, 3 classes, probabilities", svm.SVC(kernel=kernel, probability=True, random_state=0), Y3
        yield f"SVR, {kernel}", svm.SVR(kernel=kernel), YR
    yield "NuSVC", svm.NuSVC(nu=0.2, probability=True, random_state=0), Y2
    yield "NuSVR", svm.NuSVR(), YR
    yield "OneClassSVM", svm.OneClassSVM(), None
    yield "LinearSVC", svm.LinearSVC(), Y2
    yield "LinearSVC, 3 classes", svm.LinearSVC(), Y3
    yield "LinearSVR", svm.LinearSVR(), YR
    for made, y in ((neighbors.KNeighborsClassifier, Y2), (neighbors.KNeighborsClassifier, Y3), (neighbors.KNeighborsRegressor, YR)):
        for weights in ("uniform", "distance"):
            yield f"{made.__name__}, {weights}{', 3 classes' * (y is Y3)}", made(weights=weights), y
    yield "KNeighborsRegressor, manhattan", neighbors.KNeighborsRegressor(metric="manhattan"), YR
    yield "LocalOutlierFactor", neighbors.LocalOutlierFactor(novelty=True), None
    kernels = gaussian_process.kernels
    yield "GaussianProcessRegressor", gaussian_process.GaussianProcessRegressor(kernels.RBF(), alpha=0.1), YR
    yield "GaussianProcessRegressor, sum of kernels", gaussian_process.GaussianProcessRegressor(kernels.DotProduct() + kernels.RBF() * 2.0 + kernels.WhiteKernel(), alpha=0.1), YR
    yield "GaussianProcessClassifier", gaussian_process.GaussianProcessClassifier(), Y2
    for made in (naive_bayes.GaussianNB, naive_bayes.BernoulliNB):
        yield made.__name__, made(), Y2
    for made in (naive_bayes.MultinomialNB, naive_bayes.ComplementNB, naive_bayes.CategoricalNB):
        yield made.__name__, made(), Y2, np.floor(POSITIVE)
    for activation in ("relu", "tanh", "logistic", "identity"):
        yield f"MLPClassifier, {activation}", neural_network.MLPClassifier((16,), activation=activation, max_iter=50, random_state=0), Y2
    yield "MLPClassifier, 3 classes", neural_network.MLPClassifier((16, 8), max_iter=50, random_state=0), Y3
    yield "MLPRegressor", neural_network.MLPRegressor(hidden_layer_sizes=(16,), max_iter=50, random_state=0), YR
    yield "LinearDiscriminantAnalysis", discriminant_analysis.LinearDiscriminantAnalysis(), Y3
    yield "QuadraticDiscriminantAnalysis", discriminant_analysis.QuadraticDiscriminantAnalysis(), Y3
    yield "PLSRegression", cross_decomposition.PLSRegression(2), YR
    yield "KMeans", cluster.KMeans(4, n_init=1, random_state=0), None
    yield "MiniBatchKMeans", cluster.MiniBatchKMeans(4, n_init=1, random_state=0), None
    yield "GaussianMixture", mixture.GaussianMixture(3, random_state=0), None
    yield "BayesianGaussianMixture", mixture.BayesianGaussianMixture(n_components=3, random_state=0), None
    yield "CalibratedClassifierCV, sigmoid", calibration.CalibratedClassifierCV(linear_model.LogisticRegression()), Y2
    yield "CalibratedClassifierCV, isotonic", calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), method="isotonic"), Y2
    yield "OneVsRestClassifier", multiclass.OneVsRestClassifier(linear_model.LogisticRegression()), Y3
    yield "OneVsOneClassifier", multiclass.OneVsOneClassifier(linear_model.LogisticRegression()), Y3
    yield "MultiOutputClassifier", multioutput.MultiOutputClassifier(linear_model.LogisticRegression()), np.stack([Y2, Y3 % 2], axis=1)
    yield "MultiOutputRegressor", multioutput.MultiOutputRegressor(linear_model.Ridge()), np.stack([YR, -YR], axis=1)
    transformers = [
        preprocessing.StandardScaler(), preprocessing.MinMaxScaler(clip=True), preprocessing.MaxAbsScaler(), preprocessing.RobustScaler(), preprocessing.Normalizer(),
        preprocessing.Normalizer("l1"), preprocessing.Binarizer(), preprocessing.KBinsDiscretizer(4, encode="ordinal"),
        preprocessing.PolynomialFeatures(2), preprocessing.PowerTransformer(), preprocessing.QuantileTransformer(n_quantiles=20), impute.SimpleImputer(),
        decomposition.PCA(3), decomposition.TruncatedSVD(3), decomposition.IncrementalPCA(3), decomposition.KernelPCA(3, kernel="rbf"),
        feature_selection.SelectKBest(k=3), feature_selection.SelectPercentile(percentile=50), feature_selection.VarianceThreshold(),
        feature_selection.RFE(linear_model.LogisticRegression()), feature_selection.SelectFromModel(linear_model.LogisticRegression()),
        random_projection.GaussianRandomProjection(3, random_state=0), preprocessing.FunctionTransformer(),
    ]
    for made in transformers:
        yield f"{made} and LogisticRegression", pipeline.make_pipeline(made, linear_model.LogisticRegression()), Y2
    yield "LogisticRegression, float64", linear_model.LogisticRegression(), Y2, X.astype(np.float64)
    yield "MLPRegressor, float64", neural_network.MLPRegressor(hidden_layer_sizes=(16,), max_iter=50, random_state=0), YR, X.astype(np.float64)
    encoders = [preprocessing.OneHotEncoder(handle_unknown="ignore"), preprocessing.OrdinalEncoder(), preprocessing.OneHotEncoder(drop="first")]
    for encoder in encoders:
        columns = compose.ColumnTransformer([("texts", encoder, [6]), ("numbers", preprocessing.StandardScaler(), list(range(6)))])
        yield f"{encoder} beside StandardScaler, GradientBoostingClassifier", pipeline.make_pipeline(columns, ensemble.GradientBoostingClassifier(**few)), Y2, "texts"
    holes = X.copy()
    holes[random.uniform(size=X.shape) < 0.1] = np.nan
    yield "SimpleImputer and RandomForestClassifier, missing values", pipeline.make_pipeline(impute.SimpleImputer(), ensemble.RandomForestClassifier(**few)), Y2, holes
    yield "HistGradientBoostingRegressor, missing values", ensemble.HistGradientBoostingRegressor(max_iter=20), YR, holes


def rows_for(data):
    """Rows like those of training, between them, and far beyond."""
    chosen = data[random.randint(len(data), size=ROWS)].copy()
    if np.issubdtype(data.dtype, np.floating):
        noise = random.normal(size=chosen.shape).astype(data.dtype)
        noise[ROWS // 2:] *= 3
        moved = chosen + noise if (data[~np.isnan(data)] < 0).any() else chosen
        chosen = moved.astype(data.dtype)
    return chosen


def manifest(inputs, optional, outputs):
    lines = ["[model]", 'name = "zoo"', 'file = "model.onnx"', "[cache]", "ttl_seconds = 1"]
    for name, kind, categories in inputs:
        lines += ["[[feature]]", f'name = "{name}"', f'type = "{kind}"']
        lines += [f"categories = {json.dumps(categories)}", f'example = "{categories[0]}"'] if categories else ["example = 0.5"]
        lines += ["optional = true"] if optional and not categories else []
    for i, (tensor, column) in enumerate(outputs):
        lines += ["[[output]]", f'name = "o{i}"', f'tensor = "{tensor}"', f"column = {column}", "[[endpoint]]", f'path = "/o{i}"', f'field = "o{i}"', f'output = "o{i}"']
    return "\n".join(lines) + "\n"


def exported(folder, estimator, y, data):
    """Trains, exports, writes the folder, and gives onnxruntime's answers."""
    if isinstance(data, str):
        import pandas as pd
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(6)])
        frame["color"] = TEXTS
        estimator.fit(frame, y)
        types = [(f"x{i}", FloatTensorType([None, 1])) for i in range(6)] + [("color", StringTensorType([None, 1]))]
        numbers = rows_for(X)
        texts = TEXTS[random.randint(len(TEXTS), size=ROWS)]
        feeds = {f"x{i}": numbers[:, i:i + 1] for i in range(6)} | {"color": texts.reshape(-1, 1).astype(object)}
        rows = [{**{f"x{i}": float(v) for i, v in enumerate(row)}, "color": str(text)} for row, text in zip(numbers, texts)]
        inputs = [(f"x{i}", "number", None) for i in range(6)] + [("color", "category", sorted(set(TEXTS.tolist())))]
        optional = False
    else:
        estimator.fit(data, y) if y is not None else estimator.fit(data)
        tensor = DoubleTensorType if data.dtype == np.float64 else Int64TensorType if data.dtype == np.int64 else FloatTensorType
        types = [("X", tensor([None, data.shape[1]]))]
        numbers = rows_for(data)
        feeds = {"X": numbers}
        optional = bool(np.isnan(data).any())
        rows = [{f"x{i}": None if np.isnan(v) else float(v) for i, v in enumerate(row)} for row in numbers]
        inputs = [(f"x{i}", "number", None) for i in range(data.shape[1])]
    # A list of maps by default, which is what most files have.
    without_maps = np.ndim(y) == 2 or types[0][1].__class__ is DoubleTensorType
    options = {id(estimator): {"zipmap": False}} if without_maps and hasattr(estimator, "predict_proba") else None
    model = to_onnx(estimator, options=options, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3}).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    # As they are served: one row at a time.
    single = [session.run(None, {name: values[i:i + 1] for name, values in feeds.items()}) for i in range(ROWS)]
    names = [output.name for output in session.get_outputs()]

    def flat(answer):
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            return np.array(list(answer[0].values()))
        if isinstance(answer, list):
            return np.concatenate([flat(part) for part in answer])
        return np.asarray(answer).flatten()

    kept = [i for i in range(len(names)) if np.issubdtype(flat(single[0][i]).dtype, np.floating)]
    outputs = [(names[i], column) for i in kept for column in range(len(flat(single[0][i])))]
    expected = np.array([np.concatenate([flat(answer[i]) for i in kept]) for answer in single], dtype=np.float64)
    (folder / "model.onnx").write_bytes(model)
    (folder / "manifest.toml").write_text(manifest(inputs, optional, outputs), "utf-8")
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    return expected


def compared(folder, expected):
    """The largest difference, relative to 1 or more; or what went wrong."""
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    if isinstance(answers, dict):
        return answers["error"]
    wrong = [answer for answer in answers if isinstance(answer, str)]
    if wrong:
        return f"{len(wrong)} rows: {wrong[0]}"
    found = np.array([[float(v) for v in answer] for answer in answers])
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - expected) / np.maximum(np.abs(expected), 1.0)
    difference[(found == expected) | (np.isnan(found) & np.isnan(expected))] = 0
    return float(np.max(difference))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("score", help="the program that scores folders")
    arguments.add_argument("--write", action="store_true", help="write the table into models/README.md")
    arguments.add_argument("--only", default="", help="pipelines whose names have this in them")
    given = arguments.parse_args()
    table, unexported = [], []
    with tempfile.TemporaryDirectory() as place:
        made = []
        for number, (name, estimator, y, *data) in enumerate(it for it in zoo() if given.only in it[0]):
            folder = Path(place) / str(number)
            folder.mkdir()
            try:
                made.append((" ".join(name.split()), folder, exported(folder, estimator, y, data[0] if data else X)))
            except Exception as error:  # skl2onnx and onnxruntime have a kind of exception for each reason
                unexported.append((" ".join(name.split()), f"{type(error).__name__}: {error}".splitlines()[0][:150]))
        subprocess.run([given.score, *(str(folder) for _, folder, _ in made)], check=True)
        table = [(name, compared(folder, expected)) for name, folder, expected in made]
    bad = [(name, found) for name, found in table if isinstance(found, str) or not found <= LOOSE.get(name, RELATIVE)]
    for name, found in bad:
        print(f"DIFFERS {name}: {found if isinstance(found, str) else format(found, '.1e')}"[:400])
    for name, why in unexported:
        print(f"not exported by skl2onnx, or not run by onnxruntime: {name}: {why}")
    print(f"{len(table) - len(bad)} of {len(table)} pipelines agree with onnxruntime on {ROWS} rows, "
          f"{sum(not isinstance(found, str) and found <= RELATIVE for _, found in table)} of them within {RELATIVE:g}; {len(unexported)} cannot be exported")
    if given.write:
        lines = [f"| pipeline | largest difference in {ROWS} rows |", "|---|--:|"]
        lines += [f"| {name} | {found if isinstance(found, str) else format(found, '.0e')} |" for name, found in table]
        before, _, rest = README.read_text("utf-8").partition(START)
        README.write_text(before + START + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2], "utf-8")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
