"""Writes the inputs that fuzzing begins with, from the repository's own test data.

    python3 fuzz/seeds.py FOLDER

makes FOLDER/TARGET/… for every target. The formats are those that the targets' first lines describe.
"""
import json
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("credit", "credit-full")
# Larger models only make each run slower.
MAX_ONNX_BYTES = 4096
TYPES = {"float32": 0, "float64": 0, "int64": 1, "int32": 1, "bool": 2, "string": 3}


def text(path):
    return (ROOT / path).read_text()


def bodies():
    for model in MODELS:
        sample = text(f"models/{model}/sample.json")
        yield sample
        yield f"[{sample},{sample}]"
        yield json.dumps([row["features"] for row in golden_rows(model)[:3]])
    for folder in sorted((ROOT / "tests/reports").iterdir()):
        yield json.dumps(json.loads((folder / "rows.json").read_text())[:2])
    yield from ("[]", "{}", "null", '{"a":1e999,"b":"\\ud800","c":[[[]]]}', "\ufeff{}")


def golden_rows(model):
    golden = json.loads(text(f"models/{model}/golden.json"))
    return [
        {"features": dict(zip(golden["features"], row["features"]))} for row in golden["rows"]
    ]


def v2_requests():
    sample = json.loads(text("models/credit/sample.json"))
    datatypes = {str: "BYTES", int: "INT64", float: "FP64"}
    tensor = lambda name, value: {
        "name": name, "shape": [1, 1], "datatype": datatypes[type(value)], "data": [value]}
    inputs = [tensor(name, value) for name, value in sample.items()]
    outputs = [{"name": "probability", "parameters": {"binary_data": True}}, {"name": "decision"}]
    yield json.dumps({"inputs": inputs})
    yield json.dumps({"id": "7", "inputs": inputs, "outputs": outputs, "parameters": {"x": [{}]}})
    yield json.dumps({"inputs": [{**it, "shape": [1], "data": [it["data"]]} for it in inputs]})
    head, binary = [], b""
    for name, value in sample.items():
        match value:
            case str():
                data = struct.pack("<I", len(value.encode())) + value.encode()
            case int():
                data = struct.pack("<q", value)
            case _:
                data = struct.pack("<d", value)
        head.append({
            "name": name, "shape": [1, 1], "datatype": datatypes[type(value)],
            "parameters": {"binary_data_size": len(data)}})
        binary += data
    head = json.dumps({"inputs": head, "parameters": {"binary_data_output": True}}).encode()
    yield str(len(head)).encode() + b"\n" + head + binary


def heads():
    sample = text("models/credit/sample.json")
    headers = ["application/json", "", "", "", "", "", "", "", ""]
    set_to = lambda **values: [
        values.get(f"h{position}", value) for position, value in enumerate(headers)]
    for method, target, values in [
        ("POST", "/decisions", headers),
        ("POST", "/predictions?include=decision,probability", set_to(h1="no-cache, max-age=5")),
        ("QUERY", "/decisions", set_to(h2='"x", W/"y"', h3="application/json;q=0.5, */*;q=0.1")),
        ("OPTIONS", "/decisions", set_to(h7="https://example.com", h8="POST")),
        ("GET", "/", set_to(h0="", h3="text/html", h4="gzip")),
        ("GET", "/docs", set_to(h0="", h4="gzip;q=0")),
        ("GET", "/%64ecisions", set_to(h0="")),
        ("POST", "/v2/models/credit/infer", set_to(h6="2")),
        ("POST", "/decisions", set_to(h1="only-if-cached", h5="gzip, deflate")),
        ("600,/decisions=60", "all", set_to(h0="no-cache,cache-status", h1="https://example.com,*")),
    ]:
        yield "\n".join([method, target, *values, sample])


def manifests():
    for path in sorted([*ROOT.glob("models/*/manifest.toml"), *ROOT.glob("tests/reports/*/manifest.toml")]):
        yield path.read_text()


def models():
    operators = ROOT / "component/inference/tests/operators"
    for name in ("malformed.json", "widths.json"):
        for case in json.loads((operators / name).read_text()):
            yield bytes([0]) + bytes.fromhex(case["onnx"])
    seen = set()
    for case in json.loads((operators / "cases.json").read_text()):
        model, width = bytes.fromhex(case["onnx"]), len(case["rows"][0])
        # One for each operator and type of input: the names begin with the operator.
        kind = (case["name"].removeprefix("hard_").split("_float")[0].rstrip("_0123456789"), case["type"])
        if kind in seen or width > 7 or len(model) > MAX_ONNX_BYTES or case["tensor"] != "Y":
            continue
        seen.add(kind)
        missing = any(value is None for row in case["rows"] for value in row)
        yield bytes([width | TYPES[case["type"]] << 3 | missing << 6]) + model
    for path in sorted((operators.parent / "models").glob("*.onnx")):
        model = path.read_bytes()
        if len(model) <= MAX_ONNX_BYTES:
            yield bytes([0x80]) + model


def entries():
    key = "foretold:nFu_DsCDgACvUlg:pGRgA"
    for value in ("0.25", "1e-05", "ACCEPT", "nan", "-0.0"):
        yield f"DecisionRequest(age_in_years=30)\0{value}"
    # The golden entry of component/core/tests/it/entry.rs is made by the target itself.
    for outputs in ([0.25], [0.5, 0.25]):
        yield key.encode() + b"\0" + struct.pack(f"<II{len(outputs)}f", 7, 0, *outputs)
        yield key.encode() + b"\0" + struct.pack(f"<I16x{len(outputs)}f", 7, *outputs)


def keys():
    yield from ("pGRgAAAA", "pAAAAAAA", "dGRgAGRgAGRgAGRgAGRgAGQ", "nFu_DsCDgACvUlg")
    yield "foretold:nFu_DsCDgACvUlg:pGRgA"
    yield "DecisionRequest(age_in_years=30, foreign_worker='yes')"
    for model in MODELS:
        sample = json.loads(text(f"models/{model}/sample.json"))
        yield "r" + json.dumps(sample, separators=(",", ":"), ensure_ascii=False)


def replies():
    head = lambda size, commands: bytes([size, commands])
    yield head(255, 3) + b"+OK\r\n:1\r\n$-1\r\n_\r\n$0\r\n\r\n$3\r\na\r\n\r\n"
    yield head(7, 1) + b"*2\r\n$1\r\na\r\n*1\r\n%1\r\n+a\r\n,1.5\r\n-ERR no\r\n*0\r\n*-1\r\n"
    yield head(1, 2) + b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n|1\r\n+a\r\n:1\r\n$1\r\nx\r\n"
    yield head(3, 4) + b"*3\r\n$1\r\na\r\n$1048577\r\nxxxx"
    yield head(3, 4) + b"~2\r\n#t\r\n(3492890328409238509324850943850943825024385\r\n=7\r\ntxt:abc\r\n!3\r\nERR\r\n"
    yield head(16, 1) + b"*1\r\n" * 17 + b"$99999999999999999999\r\n"


TARGETS = {
    "json": bodies, "v2": v2_requests, "head": heads, "manifest": manifests, "onnx": models,
    "entry": entries, "key": keys, "replies": replies,
}

for target, seeds in TARGETS.items():
    folder = Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        data = seed if isinstance(seed, bytes) else seed.encode()
        (folder / f"{number:03}").write_bytes(data)
