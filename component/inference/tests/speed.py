"""How long a model takes of a prediction, beside onnxruntime: `make bench-model` builds and runs it.

    .venv/bin/python component/inference/tests/speed.py TARGET

Microseconds per row, one thread: for the models of the tests, and for a linear model, a forest of
200 deep trees and a wide neural network that are trained here. onnxruntime is called from Python,
which costs some 5 µs a call. WebAssembly runs in `wasmtime` with the check of a time limit in every
loop, as in the host.
"""
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "models"))
import golden  # noqa: E402
import onnx_model  # noqa: E402

COLUMNS = 12
INPUTS = [("X", "float32", [None, COLUMNS])]
TIMES = 15
# Rows that are predicted one by one, in turns.
ALONE = 16


def train(folder: Path) -> None:
    """Writes the models that the tests do not have, with rows, as the tests' files are."""
    random = np.random.RandomState(0)
    rows = random.normal(size=(8000, COLUMNS)).astype(np.float32)
    noisy = rows @ random.normal(size=COLUMNS) + random.normal(size=len(rows))
    models = {
        "linear": (LogisticRegression(), noisy > 0, "probabilities", 2),
        "forest_200_deep": (RandomForestRegressor(200, n_jobs=2, random_state=0), noisy, "variable", 1),
        "mlp_256_256": (MLPClassifier((256, 256), max_iter=3, random_state=0), noisy > 0, "probabilities", 2),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, target, tensor, columns) in models.items():
        pipeline = Pipeline([("model", model)]).fit(rows, target)
        if tensor == "variable":
            exported = onnx_model.to_onnx(
                pipeline, initial_types=[("X", onnx_model.FloatTensorType([None, COLUMNS]))],
                target_opset=onnx_model.OPSET,
            ).SerializeToString()
        else:
            exported = onnx_model.export(pipeline, INPUTS, name)
        sample = [[float(item) for item in row] for row in rows[:100]]
        head = {
            "model": name,
            "inputs": [{"name": it, "type": kind, "shape": shape} for it, kind, shape in INPUTS],
            "output": {"tensor": tensor, "columns": columns},
        }
        answers = onnx_model.predict(exported, INPUTS, sample, tensor)
        (folder / f"{name}.onnx").write_bytes(exported)
        (folder / f"{name}.golden.json").write_text(golden.render(head, "inputs", sample, answers), "utf-8")


def ours(command: list[str]) -> dict[tuple[str, int], float]:
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {(name, int(rows)): float(ns) / 1000 for name, rows, ns in map(str.split, lines)}


def theirs(model: Path, sample: list[list], tensor: str, count: int) -> float:
    """Microseconds per row of onnxruntime, the median of several times."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    # As ours: one row after the other, of several, so that none finds its own way in the caches.
    batches = [sample[i : i + 1] for i in range(ALONE)] if count == 1 else [
        [sample[i % len(sample)] for i in range(count)]
    ]
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": bool, "tensor(string)": object}
    inputs = []
    for rows in batches:
        arrays, start = {}, 0
        for item in session.get_inputs():
            width = item.shape[1]
            columns = [[np.nan if it is None else it for it in row[start : start + width]] for row in rows]
            arrays[item.name] = np.array(columns, dtype=kinds[item.type])
            start += width
        inputs.append(arrays)
    passes = max(1, 2000 // count // len(inputs))
    times = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        for _ in range(passes):
            for arrays in inputs:
                session.run([tensor], arrays)
        times.append((time.perf_counter() - begin) / passes / len(inputs) / count * 1e6)
    return sorted(times)[TIMES // 2]


def main() -> None:
    target = Path(sys.argv[1])
    folder = target / "speed"
    train(folder)
    native = str(target / "release/examples/speed")
    wasm = str(target / "wasm32-wasip2/component/examples/speed.wasm")
    wasmtime = [sys.executable, str(ROOT / "tests/wasmtime.py"), "run", "-W", "timeout=1000s",
                "--dir", str(ROOT), "--dir", "."]
    columns = {
        "native": ours([native, str(folder)]),
        "native, tract": ours([native, str(folder), "tract"]),
        "wasm": ours([*wasmtime, wasm, str(folder)]),
        "wasm, tract": ours([*wasmtime, wasm, str(folder), "tract"]),
    }
    print(f"| model, rows | {' | '.join(columns)} | onnxruntime {onnxruntime.__version__} | wasm / onnxruntime |")
    print("|---|" + "--:|" * (len(columns) + 2))
    for name, count in columns["native"]:
        if name.startswith("credit"):
            model, text = (ROOT / "models" / name / it for it in ["model.onnx", "golden.json"])
            key, tensor = "features", "probabilities"
        else:
            parent = folder if (folder / f"{name}.onnx").exists() else ROOT / "component/inference/tests/models"
            model, text, key = parent / f"{name}.onnx", parent / f"{name}.golden.json", "inputs"
            tensor = json.loads(text.read_text("utf-8"))["output"]["tensor"]
        sample = [row[key] for row in json.loads(text.read_text("utf-8"))["rows"]]
        reference = theirs(model, sample, tensor, count)
        found = [by[name, count] for by in columns.values()]
        cells = " | ".join(f"{it:.2f}" for it in [*found, reference])
        print(f"| {name}, {count} | {cells} | {columns['wasm'][name, count] / reference:.2f} |")


if __name__ == "__main__":
    main()
