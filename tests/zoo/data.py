"""What the models of the zoo are trained on."""
import numpy as np
from sklearn import datasets

random = np.random.RandomState(0)
X, _ = datasets.make_classification(600, 6, n_informative=4, n_redundant=0, random_state=0)
X, Y3 = datasets.make_classification(600, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=1)
X = X.astype(np.float32)
Y2 = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
YR = (X[:, 0] * 2 - X[:, 1] + np.sin(X[:, 2])).astype(np.float32)
POSITIVE = np.abs(X)
COUNTS = np.clip(np.round(np.abs(YR)), 0, 4).astype(int)
HOLES = X.copy()
HOLES[random.uniform(size=X.shape) < 0.1] = np.nan
COLORS = np.array(["red", "green", "blue"])
TEXTS = COLORS[np.arange(len(X)) % 3]
