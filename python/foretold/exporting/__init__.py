"""Makes a folder that can be served of a fitted model and some of its rows."""

from foretold.exporting._compare import Difference
from foretold.exporting._export import Export, export

__all__ = ["Difference", "Export", "export"]
