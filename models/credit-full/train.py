"""Train the full credit model: the probability that a loan goes bad, from all twenty fields of the data.

    python models/credit-full/train.py           writes model.onnx and golden.json beside this file
    python models/credit-full/train.py --check   retrains in memory; fails when the two files are stale
"""
import sys
from math import ceil
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import credit_training  # noqa: E402

ROUNDS = 2  # how often the feature with the most edge values goes through all of them


def edge_rows(features: list[dict], example: list, edges: list[list]) -> list[list]:
    """Every edge value of every feature, mixed at random with those of the others.

    Twenty features have too many combinations to take all, and one at a time would leave most
    paths through the trees untried.
    """
    random = np.random.RandomState(0)
    count = ROUNDS * max(map(len, edges))
    columns = [
        [values[i] for _ in range(ceil(count / len(values))) for i in random.permutation(len(values))][:count]
        for values in edges
    ]
    return [list(row) for row in zip(*columns, strict=True)]


if __name__ == "__main__":
    credit_training.main(__doc__.splitlines()[0], HERE, edge_rows)
