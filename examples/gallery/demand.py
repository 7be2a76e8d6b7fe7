"""How many bicycles will be rented in an hour? A forest for a number, with calendar and weather as features."""

import foretold
import numpy as np
import pandas as pd
from latency import show
from sklearn.ensemble import RandomForestRegressor

# A made-up year, hour by hour. The calendar is what a model needs of a date: no date goes in.
random = np.random.default_rng(0)
hours = pd.Series(pd.date_range("2026-01-01", "2026-12-31 23:00", freq="h"))
season = 12 - 11 * np.cos(2 * np.pi * hours.dt.day_of_year / 365)
year = pd.DataFrame({
    "month": hours.dt.month,
    "weekday": hours.dt.day_of_week,
    "hour": hours.dt.hour,
    "temperature": (season + random.normal(0, 4, len(hours))).round(),
    "rain_mm": random.choice([0.0, 0.0, 0.0, 0.5, 2.0, 5.0], len(hours)),
    "holiday": random.uniform(size=len(hours)) < 0.03,
})
commuters = np.where((year["weekday"] < 5) & ~year["holiday"] & year["hour"].isin([7, 8, 17, 18]), 120, 0)
leisure = np.clip(year["temperature"], 0, None) * np.exp(-(((year["hour"] - 15) / 5) ** 2)) * 5
year["rentals"] = np.round((commuters + leisure) / (1 + year["rain_mm"]) + random.poisson(5, len(hours)))

features = year.drop(columns="rentals")
forest = RandomForestRegressor(n_estimators=300, min_samples_leaf=3, random_state=0)
forest.fit(features, year["rentals"])

print(foretold.export(forest, year, "demand/", target="rentals", overwrite=True))
with foretold.serve("demand/") as server:
    show(server, features.drop_duplicates().tail(300), forest, "demand.svg")
