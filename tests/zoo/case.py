"""What a model of the zoo is, and rows for it."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ROWS = 1000
# Rows at the end that have a number as large or as small as numbers get.
EXTREME = 50
EXTREMES = np.array([0.0, -0.0, 1e-45, -1e-38, 1e-7, 16777217, 1e10, -1e10, 3e38, -3e38])


@dataclass
class Case:
    """A model and rows for it; `make` gives the file's bytes and each input's values, row by row."""
    name: str
    make: Callable[[], tuple[bytes, dict[str, np.ndarray]]]
    # Whether `foretold new` gets the rows as a sample: some have missing values, or texts that were not in training.
    sampled: bool = False
    # Whether the last rows have extreme numbers. Not where numbers are positions, nor where a number that large is summed with others:
    # it loses them, and then the order of the sum decides, or that ours of distances and normalizations are made in 64 bits.
    extreme: bool = True


def rows_like(data, random):
    """Rows like those of training, between them, and far beyond."""
    chosen = data[random.randint(len(data), size=ROWS)].copy()
    if np.issubdtype(data.dtype, np.floating):
        noise = random.normal(size=chosen.shape).astype(data.dtype)
        noise[ROWS // 2:] *= 3
        # Some estimators take no negative numbers.
        if takes_negatives(data):
            chosen = (chosen + noise).astype(data.dtype)
    return chosen


def with_extremes(values, random):
    """The same with an extreme number in each of the last rows, if there are floats."""
    values = values.copy()
    if np.issubdtype(values.dtype, np.floating):
        columns = values.reshape(ROWS, -1)
        for row in range(ROWS - EXTREME, ROWS):
            number = EXTREMES[row % len(EXTREMES)]
            columns[row, random.randint(columns.shape[1])] = number if takes_negatives(values) else abs(number)
    return values


def takes_negatives(data):
    return bool((data[~np.isnan(data)] < 0).any())
