"""Which customers will leave? Gradient boosting; the whole table is scored, and then only what is new."""

import foretold
import numpy as np
import pandas as pd
from latency import show
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

# Made-up customers.
random, count = np.random.default_rng(0), 4000
customers = pd.DataFrame({
    "months": random.integers(0, 73, count),
    "monthly_fee": random.uniform(5, 120, count).round(1),
    "calls_to_support": random.poisson(1.2, count),
    "contract": random.choice(["monthly", "yearly", "two years"], count),
    "payment": random.choice(["card", "transfer", "invoice"], count),
})
risk = 0.6 - customers["months"] / 120 + customers["monthly_fee"] / 400 + 0.08 * customers["calls_to_support"]
risk -= 0.3 * (customers["contract"] != "monthly")
customers["leaves"] = (random.uniform(size=count) < risk).astype(int)

features = customers.drop(columns="leaves")
encode = make_column_transformer(
    (OneHotEncoder(), ["contract", "payment"]),
    remainder="passthrough",
)
model = make_pipeline(encode, GradientBoostingClassifier(n_estimators=300, max_depth=4, random_state=0))
model.fit(features, customers["leaves"])

print(foretold.export(model, customers, "churn/", target="leaves", overwrite=True))

# Every night: who is at risk? Of the second night only the customers that have changed are computed.
predictor = foretold.Predictor("churn/", store={})
tonight = predictor.predict(customers)
print(f"{(tonight['class'] == '1').sum()} of {count} customers are likely to leave")
changed = features.assign(months=np.where(features.index % 10 == 0, (features["months"] + 1) % 73, features["months"]))
before = predictor.counts.hits
predictor.predict(changed)
print(f"the night after, {predictor.counts.hits - before} of {count} were known")

with foretold.serve("churn/") as server:
    show(server, features.drop_duplicates().head(300), model, "churn.svg")
