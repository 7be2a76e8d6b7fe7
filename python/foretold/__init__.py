"""From a fitted model to a served one.

    import foretold

    foretold.export(pipeline, customers, "churn/", target="cancelled")
    with foretold.serve("churn/") as server:
        print(server.address)

`export` writes `model.onnx`, `manifest.toml` and `golden.csv`, and compares library, onnxruntime and
Foretold on your rows. `serve` starts the service, `bake` makes one file of it, and `Predictor` asks the
model in this process, over a dict or a Redis. The command `foretold` is in this package, too.
"""

from foretold._bake import bake
from foretold._errors import CommandError, DifferenceError, InvalidRows, MissingPackage, RowError, UnsupportedModel
from foretold._example import example
from foretold._native import __version__
from foretold._predictor import Answer, Counts, Endpoint, Feature, Predictor
from foretold._serve import Server, serve
from foretold._stores import Store
from foretold.exporting import Difference, Export, export

__all__ = [
    "Answer",
    "CommandError",
    "Counts",
    "Difference",
    "DifferenceError",
    "Endpoint",
    "Export",
    "Feature",
    "InvalidRows",
    "MissingPackage",
    "Predictor",
    "RowError",
    "Server",
    "Store",
    "UnsupportedModel",
    "__version__",
    "bake",
    "example",
    "export",
    "serve",
]
