"""Models of all kinds, made ready by `foretold new` alone, answered by `foretold predict` and compared with onnxruntime.

    python tests/zoo/zoo.py target/release/foretold            prints what differs
    python tests/zoo/zoo.py target/release/foretold --write    writes the tables into models/README.md

What is compared: all numbers that are answered, and all classes. Models with missing values, or with texts that were not
in training, are given to `foretold new` with the rows as a sample, since only rows tell of such; all others alone.
"""
import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path

import numpy as np
import onnxruntime

warnings.filterwarnings("ignore")

import boosted
import columns
import networks
import sklearn_pipelines
from case import ROWS, with_extremes
from data import random

README = Path(__file__).resolve().parents[2] / "models" / "README.md"
START, END = "<!-- zoo: start -->", "<!-- zoo: end -->"
FAMILIES = {"scikit-learn": sklearn_pipelines, "Tables: texts, numbers, missing and unseen values": columns, "XGBoost, LightGBM, CatBoost": boosted, "Networks": networks}
RELATIVE = 1e-5
# Sums of hundreds of float32 products that cancel: their order decides, and onnxruntime is as far from scikit-learn as from us.
LOOSE = {"SVC, linear": 1e-4, "SVC, poly": 1e-4, "SVC, poly, 3 classes, probabilities": 1e-4, "SVR, linear": 1e-4, "SVR, poly": 1e-4, "GaussianProcessRegressor": 1e-4,
         "GaussianProcessRegressor, sum of kernels": 1e-3}
# What is exported and not served, and what is said of it.
REFUSED = {
    "SimpleImputer(add_indicator=True) and Ridge, missing values": "12 coefficients for 1 classes or targets and 6 features",
    "SimpleImputer(add_indicator=True) beside OneHotEncoder, Ridge, missing values": "15 coefficients for 1 classes or targets and 11 features",
}
# Rows at least that must have numbers by onnxruntime: some of the extreme ones have none.
ENOUGH = 900
# What is nearer to another class than this has none: the last bit decides.
TIE = 1e-6


class Refused(Exception):
    """The command ended with an error."""


class Unexported(Exception):
    """There is no file, or onnxruntime does not run it."""


def command(*arguments):
    run = subprocess.run([str(it) for it in arguments], check=False, capture_output=True, text=True)
    return run.returncode, run.stdout, run.stderr


def expected(model, feeds):
    """onnxruntime's outputs for each row alone, as it is served; none where it fails."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = []
    for i in range(ROWS):
        try:
            rows.append(dict(zip(names, map(flat, session.run(None, {name: values[i:i + 1] for name, values in feeds.items()})))))
        except Exception:
            rows.append(None)
    if not any(rows):
        session.run(None, {name: values[:1] for name, values in feeds.items()})
    return [it.name for it in session.get_inputs()], rows


def flat(answer):
    """All that an output has for a row, one after the other."""
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        return np.array(list(answer[0].values()))
    if isinstance(answer, list):
        return np.concatenate([flat(part) for part in answer])
    return np.asarray(answer).flatten()


def plain(value):
    """A value as JSON has it; none where it is missing."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def by_column(order, feeds):
    """The columns of all inputs, in the order of the file: names as a sample has them, and values."""
    found = []
    for name in order:
        values = feeds[name].reshape(ROWS, -1)
        width = values.shape[1]
        found += [(name if width == 1 else f"{name}_{i}", [plain(it) for it in values[:, i]]) for i in range(width)]
    return found


def write_csv(path, names, rows):
    def cell(value):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([cell(it) for it in row] for row in rows)


def write_json(path, names, rows):
    path.write_text("".join(json.dumps(dict(zip(names, row))) + "\n" for row in rows), "utf-8")


def made(foretold, folder, case, order, feeds):
    """Makes a folder of the model alone, and gives its manifest, and all rows by the names of its features."""
    values = by_column(order, feeds)
    rows = list(zip(*(column for _, column in values)))
    sample = []
    if case.sampled:
        write_csv(folder / "sample.csv", [name for name, _ in values], rows)
        sample = ["--sample", folder / "sample.csv"]
    code, _, said = command(foretold, "new", folder / "model.onnx", "-o", folder / "served", *sample)
    if code:
        raise Refused(f"new: {said.strip()}")
    manifest = tomllib.loads((folder / "served" / "manifest.toml").read_text("utf-8"))
    names = [feature["name"] for feature in manifest["feature"]]
    if len(names) != len(values):
        raise Refused(f"new: {len(names)} features for {len(values)} columns")
    return manifest, names, rows


def served(foretold, folder, case, order, feeds, as_json):
    """Makes a folder of the model, and gives its manifest and the answers to all rows."""
    manifest, names, rows = made(foretold, folder, case, order, feeds)
    file = folder / ("rows.jsonl" if as_json else "rows.csv")
    if as_json:
        write_json(file, names, rows)
    else:
        write_csv(file, names, rows)
    _, _, said = command(foretold, "predict", folder / "served", file, "-o", folder / "answers.jsonl")
    if not (folder / "answers.jsonl").exists():
        raise Refused(f"predict: {said.strip()}")
    with (folder / "answers.jsonl").open(encoding="utf-8") as lines:
        answers = [json.loads(line) for line in lines]
    return manifest, [{name: value for name, value in answer.items() if name not in names} for answer in answers]


def label_of(endpoint, outputs, row):
    """The class that onnxruntime says, and whether another one is as near."""
    if "threshold" in endpoint:
        output = outputs[endpoint["output"]]
        number = row[output["tensor"]][output["column"]]
        labels, scores = [endpoint["otherwise"], endpoint["above"]], np.array([2 * endpoint["threshold"] - number, number])
    elif "bands" in endpoint:
        output = outputs[endpoint["output"]]
        return str(row[output["tensor"]][output["column"]]), False
    else:
        labels = [it["label"] for it in endpoint["classes"]]
        scores = np.array([row[outputs[it["output"]]["tensor"]][outputs[it["output"]]["column"]] for it in endpoint["classes"]])
    best = np.sort(scores)[-2:]
    is_tie = bool(abs(best[1] - best[0]) <= TIE * max(1.0, abs(best[1])))
    said = [str(values[0]) for values in row.values() if len(values) == 1 and not np.issubdtype(values.dtype, np.floating)]
    said = [it for it in said if it in labels]
    return said[0] if len(said) == 1 else labels[int(np.argmax(scores))], is_tie


def compared(manifest, answers, rows):
    """The largest difference, relative to 1 or more; or what is wrong."""
    outputs = {output["name"]: output for output in manifest["output"]}
    largest, wrong, others, count = 0.0, [], 0, 0
    for i, (answer, row) in enumerate(zip(answers, rows)):
        shown = [row[it["tensor"]][it["column"]] for it in outputs.values()] if row else []
        shown = [it for it in shown if not isinstance(it, str)]
        if not row or not np.isfinite(np.array(shown, dtype=float)).all():
            continue
        if "error" in answer:
            wrong.append(f"row {i}: {answer['error']}, expected {shown[:6]}")
            continue
        count += 1
        for endpoint in manifest["endpoint"]:
            found = answer[endpoint["field"]]
            if isinstance(found, str):
                label, is_tie = label_of(endpoint, outputs, row)
                others += found != label and not is_tie
            else:
                output = outputs[endpoint["output"]]
                wanted = float(row[output["tensor"]][output["column"]])
                largest = max(largest, abs(found - wanted) / max(abs(wanted), 1.0))
    if wrong:
        return f"{len(wrong)} rows: {wrong[0]}"
    if others:
        return f"{others} rows have another class"
    return largest if count >= ENOUGH else f"only {count} rows have numbers"


def tried(foretold, folder, case, as_json):
    try:
        random.seed(0)
        model, feeds = case.make()
        if case.extreme:
            feeds = {name: with_extremes(values, random) for name, values in feeds.items()}
        order, rows = expected(model, feeds)
    except Exception as error:  # exporters and onnxruntime have a kind of exception for each reason
        raise Unexported(f"{type(error).__name__}: {error}") from error
    (folder / "model.onnx").write_bytes(model)
    manifest, answers = served(foretold, folder, case, order, feeds, as_json)
    return compared(manifest, answers, rows)


def one_line(text, length=300):
    return " ".join(str(text).split())[:length]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("foretold", help="the command")
    arguments.add_argument("--write", action="store_true", help="write the tables into models/README.md")
    arguments.add_argument("--only", default="", help="models whose names have this in them")
    arguments.add_argument("--keep", type=Path, help="a folder in which all that is made stays")
    given = arguments.parse_args()
    lines, bad, refused, unexported, count = [], [], [], [], 0
    with tempfile.TemporaryDirectory() as place:
        place = given.keep or Path(place)
        for family, module in FAMILIES.items():
            lines += ["", f"### {family}", "", f"| model | largest difference in {ROWS} rows |", "|---|--:|"]
            for case in module.cases():
                if given.only not in case.name:
                    continue
                number = count + len(refused) + len(unexported)
                folder = place / str(number)
                folder.mkdir(parents=True)
                try:
                    found = tried(given.foretold, folder, case, as_json=number % 2 == 0)
                except Unexported as error:
                    unexported.append(case.name)
                    print(f"NOT EXPORTED {case.name}: {one_line(error)}", flush=True)
                    continue
                except Refused as error:
                    found = one_line(error)
                    if case.name in REFUSED and REFUSED[case.name] in found:
                        refused.append(case.name)
                        continue
                count += 1
                is_good = not isinstance(found, str) and found <= LOOSE.get(case.name, RELATIVE)
                shown = found if isinstance(found, str) else f"{found:.0e}"
                lines.append(f"| {case.name} | {shown} |")
                if not is_good:
                    bad.append(case.name)
                    print(f"DIFFERS {case.name} ({folder.name}): {shown}", flush=True)
    print(f"{count - len(bad)} of {count} models agree with onnxruntime on {ROWS} rows; {len(refused)} are refused, {len(unexported)} cannot be exported")
    if given.write:
        before, _, rest = README.read_text("utf-8").partition(START)
        README.write_text(before + START + "\n".join(lines) + "\n" + END + rest.partition(END)[2], "utf-8")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
