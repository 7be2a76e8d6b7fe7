"""Estimators and transformers of scikit-learn, trained on an array and exported by skl2onnx."""
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn import calibration, cluster, cross_decomposition, decomposition, discriminant_analysis, ensemble, feature_selection, gaussian_process, impute
from sklearn import linear_model, mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing, random_projection, svm, tree

from case import Case, rows_like
from data import HOLES, POSITIVE, X, Y2, Y3, YR, random


NOT_EXTREME = ("SVC, linear", "SVC, poly", "SVR, linear", "SVR, poly", "GaussianProcessRegressor", "KNeighborsRegressor, manhattan", "CategoricalNB")


def estimators():
    """Name, estimator, what it is to say, and what it is trained on where that is not `X`."""
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
    yield "SimpleImputer and RandomForestClassifier, missing values", pipeline.make_pipeline(impute.SimpleImputer(), ensemble.RandomForestClassifier(**few)), Y2, HOLES
    yield "SimpleImputer(add_indicator=True) and Ridge, missing values", pipeline.make_pipeline(impute.SimpleImputer(add_indicator=True), linear_model.Ridge()), YR, HOLES
    yield "KNNImputer and Ridge, missing values", pipeline.make_pipeline(impute.KNNImputer(), linear_model.Ridge()), YR, HOLES
    yield "HistGradientBoostingClassifier, missing values", ensemble.HistGradientBoostingClassifier(max_iter=20), Y2, HOLES
    yield "HistGradientBoostingRegressor, missing values", ensemble.HistGradientBoostingRegressor(max_iter=20), YR, HOLES
    yield "DecisionTreeClassifier, missing values", tree.DecisionTreeClassifier(max_depth=6, random_state=0), Y2, HOLES
    yield "SVC, rbf, 3 classes", svm.SVC(), Y3
    yield "SVC, rbf, 4 classes", svm.SVC(), Y2 * 2 + (X[:, 3] > 0)
    yield "SVC, rbf, texts as classes", svm.SVC(), np.array(["no", "yes"])[Y2]
    yield "SVC, rbf, 3 classes, texts, probabilities", svm.SVC(probability=True, random_state=0), np.array(["low", "mid dle", "größer"])[Y3]
    yield "NuSVC, 3 classes", svm.NuSVC(nu=0.2), Y3
    yield "CalibratedClassifierCV of SVC, 3 classes", calibration.CalibratedClassifierCV(svm.SVC()), Y3
    yield "LogisticRegression, texts as classes", linear_model.LogisticRegression(), np.array(["no", "yes"])[Y2]
    yield "RandomForestClassifier, 3 classes, texts", ensemble.RandomForestClassifier(**few), np.array(["low", "mid dle", "größer"])[Y3]
    yield "GaussianNB, classes from -1", naive_bayes.GaussianNB(), Y3 - 1


def exported(estimator, y, data):
    estimator.fit(data, y) if y is not None else estimator.fit(data)
    tensor = DoubleTensorType if data.dtype == np.float64 else Int64TensorType if data.dtype == np.int64 else FloatTensorType
    types = [("X", tensor([None, data.shape[1]]))]
    # A list of maps by default, which is what most files have.
    without_maps = np.ndim(y) == 2 or tensor is DoubleTensorType
    options = {id(estimator): {"zipmap": False}} if without_maps and hasattr(estimator, "predict_proba") else None
    model = to_onnx(estimator, options=options, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3})
    return model.SerializeToString(), {"X": rows_like(data, random)}


def cases():
    for name, estimator, y, *data in estimators():
        data = data[0] if data else X
        yield Case(" ".join(name.split()), lambda estimator=estimator, y=y, data=data: exported(estimator, y, data),
                   sampled=bool(np.isnan(data).any()), extreme=not name.startswith(NOT_EXTREME))
