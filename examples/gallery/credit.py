"""Will this loan be paid back? A scorecard: numbers and texts into a logistic regression."""

import foretold
import numpy as np
import pandas as pd
from latency import show
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# Made-up applications. Steps of 100 for money: finer ones would only make equal cases different.
random, count = np.random.default_rng(0), 4000
applications = pd.DataFrame({
    "age": random.integers(18, 76, count),
    "monthly_income": 100 * random.integers(10, 80, count),
    "amount": 100 * random.integers(5, 300, count),
    "months": random.choice([6, 12, 24, 36, 48, 60], count),
    "purpose": random.choice(["car", "furniture", "education", "repairs"], count),
    "housing": random.choice(["own", "rent", "free"], count),
})
rate = applications["amount"] / applications["months"] / applications["monthly_income"]
risk = 1 / (1 + np.exp(2.5 - 3 * rate - 0.6 * (applications["housing"] == "rent") + 0.02 * applications["age"]))
applications["default"] = (random.uniform(size=count) < risk).astype(int)

features = applications.drop(columns="default")
encode = make_column_transformer(
    (StandardScaler(), ["age", "monthly_income", "amount", "months"]),
    (OneHotEncoder(), ["purpose", "housing"]),
)
scorecard = make_pipeline(encode, LogisticRegression(C=10)).fit(features, applications["default"])

print(foretold.export(scorecard, applications, "credit/", target="default", overwrite=True))
with foretold.serve("credit/") as server:
    show(server, features.drop_duplicates().head(300), scorecard, "credit.svg")
