"""How long each model of the zoo takes of a prediction, beside onnxruntime: `make bench-zoo`.

    .venv-zoo/bin/python tests/zoo/speed.py target/release/foretold target .venv/bin/python

Microseconds per row, one thread, in WebAssembly: alone (sixteen different rows in turns) and of a thousand. onnxruntime is
called from Python, which costs some 5 µs a call. The last argument is a Python that has `wasmtime`.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime

warnings.filterwarnings("ignore")

import zoo
from data import random

ROOT = Path(__file__).resolve().parents[2]
TIMES = 9
ALONE = 16
# Seconds that one of the times takes about.
EACH = 0.02


def theirs(model, feeds, tensors, count):
    """Microseconds per row of onnxruntime, the median of several times."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    batches = []
    for start in range(zoo.ROWS if count == 1 else 1):
        batch = {name: np.ascontiguousarray(values[start : start + count]) for name, values in feeds.items()}
        try:
            session.run(tensors, batch)
        except Exception:
            # A row, or an export that takes one row only.
            continue
        batches.append(batch)
        if len(batches) == ALONE:
            break
    if not batches:
        return None

    def run():
        begin = time.perf_counter()
        for batch in batches:
            session.run(tensors, batch)
        return time.perf_counter() - begin

    passes = max(1, round(EACH / run()))
    times = [sum(run() for _ in range(passes)) for _ in range(TIMES)]
    return sorted(times)[TIMES // 2] / passes / len(batches) / count * 1e6


def cases(foretold, place, only):
    """Writes a folder for each model, and gives what onnxruntime needs, by the folder's name."""
    found = {}
    for case in (it for module in zoo.FAMILIES.values() for it in module.cases() if only in it.name):
        folder = place / "made"
        folder.mkdir()
        try:
            random.seed(0)
            model, feeds = case.make()
            order = [it.name for it in onnxruntime.InferenceSession(model).get_inputs()]
            (folder / "model.onnx").write_bytes(model)
            manifest, names, rows = zoo.made(foretold, folder, case, order, feeds)
            served = folder / "served"
            zoo.write_json(served / "rows.jsonl", names, rows)
            name = f"{len(found):03}"
            served.rename(place / name)
            found[name] = (case.name, model, feeds, sorted({output["tensor"] for output in manifest["output"]}))
        except Exception as error:  # exporters and onnxruntime have a kind of exception for each reason
            print(f"left out: {case.name}: {zoo.one_line(error)}", file=sys.stderr)
        shutil.rmtree(folder)
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("foretold", type=Path, help="the command")
    arguments.add_argument("target", type=Path, help="where the example `speed` was built")
    arguments.add_argument("python", help="one that has `wasmtime`")
    arguments.add_argument("--only", default="", help="models whose names have this in them")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        models = cases(given.foretold, Path(place), given.only)
        speed = given.target / "wasm32-wasip2/component/examples/speed.wasm"
        command = [given.python, ROOT / "tests/wasmtime.py", "run", "-W", "timeout=2000s", "--dir", place, speed, "zoo", place]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    ours = {(name, int(rows)): float(ns) / 1000 for name, rows, ns in map(str.split, lines)}
    found = []
    for number, (name, model, feeds, tensors) in models.items():
        for count in (1, zoo.ROWS):
            reference = theirs(model, feeds, tensors, count)
            # Some exports take one row only.
            if reference is not None:
                found.append((ours[number, count] / reference, name, count, ours[number, count], reference))
    for count in (1, zoo.ROWS):
        ratios = sorted(ratio for ratio, _, rows, _, _ in found if rows == count)
        quarters = ", ".join(f"{ratios[len(ratios) * i // 4]:.2f}" for i in (1, 2, 3))
        print(f"{len(ratios)} models, {count} rows: a quarter, half and three quarters of them take at most {quarters} of onnxruntime's time")
    print("\n| model, rows | µs a row | onnxruntime | of it |\n|---|--:|--:|--:|")
    for ratio, name, count, own, reference in sorted(found, reverse=True):
        print(f"| {name}, {count} | {own:.2f} | {reference:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
