"""Is this payment a fraud? XGBoost, with values that are missing as often as not."""

import foretold
import numpy as np
import pandas as pd
from latency import show
from xgboost import XGBClassifier

# Made-up payments. Not every one has a place, and a new card has no history.
random, count = np.random.default_rng(0), 6000
payments = pd.DataFrame({
    "amount": random.lognormal(3.5, 1, count).round(),
    "hour": random.integers(0, 24, count),
    "km_from_home": random.exponential(30, count).round(),
    "minutes_since_last": random.exponential(600, count).round(),
    "mean_amount": random.lognormal(3.5, 0.5, count).round(),
    "tries_of_pin": random.integers(0, 4, count),
}).astype("float32")
risk = 0.02 + 0.25 * (payments["km_from_home"] > 60) * (payments["amount"] > 2 * payments["mean_amount"])
risk += 0.3 * (payments["tries_of_pin"] > 2) + 0.1 * (payments["minutes_since_last"] < 30)
payments["fraud"] = (random.uniform(size=count) < risk).astype(int)
payments.loc[random.uniform(size=count) < 0.4, "km_from_home"] = np.nan
payments.loc[random.uniform(size=count) < 0.2, ["minutes_since_last", "mean_amount"]] = np.nan

features = payments.drop(columns="fraud")
model = XGBClassifier(n_estimators=400, max_depth=6, learning_rate=0.05)
model.fit(features, payments["fraud"])

print(foretold.export(model, payments, "fraud/", target="fraud", overwrite=True))

# What may be missing is optional; the rest is not.
predictor = foretold.Predictor("fraud/", store={})
print("may be left out:", ", ".join(feature.name for feature in predictor.features if feature.optional))
try:
    predictor.predict({"hour": 3, "tries_of_pin": 3})
except foretold.InvalidRows as error:
    print(error)

with foretold.serve("fraud/") as server:
    show(server, features.drop_duplicates().head(300), model, "fraud.svg")
