"""Golden files: a model's inputs and onnxruntime's answers to them, one row per line.

The Rust tests hold the component's inference against these files; `stale` holds the files
against a fresh training run.
"""
import json
import math
from importlib.metadata import version
from pathlib import Path

TOLERANCE = 1e-6
MADE_WITH = ["onnxruntime", "scikit-learn", "skl2onnx", "onnx"]


def versions() -> dict[str, str]:
    """The packages that decide the bytes of a model and its answers."""
    return {package: version(package) for package in MADE_WITH}


def render(head: dict, inputs_name: str, inputs: list[list], outputs) -> str:
    """The file's text: `head`, then `rows` with their inputs under `inputs_name`. NaN is written as null."""
    rows = ",\n".join(
        f'{{"{inputs_name}":[{",".join(map(value, row))}],"outputs":[{",".join(map(float32, answer))}]}}'
        for row, answer in zip(inputs, outputs, strict=True)
    )
    return f'{compact(head)[:-1]},"rows":[\n{rows}\n]}}\n'


def value(item) -> str:
    return "null" if isinstance(item, float) and math.isnan(item) else compact(item)


def float32(number) -> str:
    """Nine significant digits, which tell any two float32 apart."""
    return format(float(number), ".9g")


def compact(item) -> str:
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False)


def stale(model: bytes, text: str, model_path: Path, golden_path: Path) -> list[str]:
    """What differs between the committed files and a fresh run; empty when they agree."""
    for path in (model_path, golden_path):
        if not path.exists():
            return [f"{path.name} is missing"]
    faults = []
    if model_path.read_bytes() != model:
        faults.append(f"{model_path.name} differs from a fresh training run: its bytes are not the same")
    old, new = json.loads(golden_path.read_text("utf-8")), json.loads(text)
    for key in sorted((old.keys() | new.keys()) - {"rows", "made_with"}):
        if old.get(key) != new.get(key):
            faults.append(f"{golden_path.name}: {key} is {old.get(key)}, a fresh run gives {new.get(key)}")
    if len(old["rows"]) != len(new["rows"]):
        faults.append(f"{golden_path.name} has {len(old['rows'])} rows, a fresh run gives {len(new['rows'])}")
    for number, (before, after) in enumerate(zip(old["rows"], new["rows"])):
        if not same_row(before, after):
            faults.append(f"{golden_path.name}: row {number} is {before}, a fresh run gives {after}")
            break
    return faults


def same_row(before: dict, after: dict) -> bool:
    """Equal inputs, and outputs within TOLERANCE."""
    a, b = before["outputs"], after["outputs"]
    inputs_equal = {**before, "outputs": None} == {**after, "outputs": None}
    return inputs_equal and len(a) == len(b) and all(abs(x - y) <= TOLERANCE for x, y in zip(a, b))


def settle(model: bytes, text: str, model_path: Path, golden_path: Path, check: bool) -> bool:
    """Write both files, or with `check` only compare them. False, with a message, when they are stale."""
    if not check:
        model_path.write_bytes(model)
        golden_path.write_text(text, "utf-8")
        return True
    faults = stale(model, text, model_path, golden_path)
    print("\n".join(faults) or f"{model_path.name}, {golden_path.name}: up to date")
    return not faults
