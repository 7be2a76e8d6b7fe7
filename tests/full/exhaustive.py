"""Every request on a grid of the credit model, through HTTP, against onnxruntime.

    .venv/bin/python tests/full/exhaustive.py FORETOLD

All ages, all categories, and the rates at and between the codes of the data: 74 800 requests, each
sent twice, so that the second answer comes from the cache and must be the same.
"""
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime

MODEL = Path(__file__).resolve().parents[2] / "models" / "credit"
TOLERANCE = 1e-6


def main() -> None:
    manifest = tomllib.loads((MODEL / "manifest.toml").read_text("utf-8"))
    features = manifest["feature"]
    values = [feature_values(feature) for feature in features]
    rows = list(itertools.product(*values))
    expected = predict(features, rows)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.argv[1], "serve", str(MODEL), "--listen", "127.0.0.1:0", "--cache-dir", folder]
        host = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            line = next(line for line in host.stderr if "serving " in line)
            address = line.split("http://")[1].split(": ")[0]
            worst = compare(address, [feature["name"] for feature in features], rows, expected)
        finally:
            host.terminate()
            host.wait()
    print(f"{len(rows)} requests, largest difference from onnxruntime {worst:.2g}")
    if worst > TOLERANCE:
        sys.exit(f"more than {TOLERANCE:g}")


def feature_values(feature: dict) -> list:
    if feature["type"] == "category":
        return feature["categories"]
    if feature["type"] == "integer":
        return list(range(feature["minimum"], feature["maximum"] + 1))
    return [float(rate) for rate in np.arange(feature["minimum"], feature["maximum"] + 0.25, 0.25)]


def predict(features: list[dict], rows: list[tuple]) -> np.ndarray:
    session = onnxruntime.InferenceSession(MODEL / "model.onnx")
    columns = zip(*rows)
    inputs = {
        feature["name"]: np.array(column, dtype=object if feature["type"] == "category" else np.float32)[:, None]
        for feature, column in zip(features, columns)
    }
    return session.run(["probabilities"], inputs)[0][:, 1]


def compare(address: str, names: list[str], rows: list[tuple], expected: np.ndarray) -> float:
    connection = http.client.HTTPConnection(address)
    worst = 0.0
    for row, probability in zip(rows, expected):
        body = json.dumps(dict(zip(names, row)))
        for turn in ("miss", "hit"):
            connection.request("POST", "/probabilities", body, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200 or turn not in response.headers["cache-status"]:
                sys.exit(f"{body}: expected a {turn}, got {response.status} {answer} {response.headers}")
            worst = max(worst, abs(answer["probability"] - float(probability)))
    return worst


if __name__ == "__main__":
    main()
