"""Train the credit model: the probability that a loan goes bad, from five fields of the request.

    python models/credit/train.py           writes model.onnx and golden.json beside this file
    python models/credit/train.py --check   retrains in memory; fails when the two files are stale
"""
import sys
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import credit_training  # noqa: E402


def edge_rows(features: list[dict], example: list, edges: list[list]) -> list[list]:
    """Each edge value of one feature, the others as in the example; then every combination of
    categories, under the extremes of the numbers."""
    rows = []
    for position, values in enumerate(edges):
        rows += [example[:position] + [item] + example[position + 1 :] for item in values]
    ends = [
        values if credit_training.is_category(feature) else [values[0], values[-1]]
        for feature, values in zip(features, edges)
    ]
    return rows + [list(row) for row in product(*ends)]


if __name__ == "__main__":
    credit_training.main(__doc__.splitlines()[0], HERE, edge_rows)
