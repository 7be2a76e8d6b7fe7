"""From a fitted model and a frame to a folder that can be served."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foretold._errors import DifferenceError, MissingColumn, UnsupportedModel
from foretold._predictor import Predictor
from foretold._rows import plain
from foretold.exporting import _causes, _columns, _library, _manifest, _runtime
from foretold.exporting._columns import Column
from foretold.exporting._compare import (
    Comparison,
    Difference,
    Tolerance,
    compare,
    differing,
    expected,
    is_comparable,
    matching,
    settled,
)
from foretold.exporting._convert import Exporter, exporter
from foretold.exporting._estimators import final, kind
from foretold.exporting._manifest import MANIFEST, MODEL
from foretold.exporting._packages import need

if TYPE_CHECKING:
    import pandas

GOLDEN = "golden.csv"
_GOLDEN_ROWS = 100
_SHOWN = 5
_SHOWN_NUMBERS = 10


@dataclass(frozen=True)
class Export:
    """What `export` has written, and what it has compared."""

    folder: Path
    fields: list[str]
    """The names of the answers."""
    rows: int
    """The rows that were compared."""
    of: int
    """The rows of the frame."""
    largest: dict[str, float]
    """The largest difference of each number, between any two of library, onnxruntime and Foretold."""
    differences: list[Difference]
    """None, unless they were to be warned of only."""
    report: str
    """What the command `foretold new` says of the manifest: what it has, and what to look at."""

    def __str__(self) -> str:
        numbers = ", ".join(f"{field} by at most {size:.1e}" for field, size in self.largest.items())
        which = f"{self.rows} of {self.of} rows" if self.rows < self.of else f"all {self.rows} rows"
        differ = f"; they differ in {numbers}" if numbers else ""
        return f"{self.report}\ncompared library, onnxruntime and Foretold on {which}{differ}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = str(self).splitlines()
        return f"<b>{escape(str(self.folder))}</b><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def export(
    model: Any,
    frame: pandas.DataFrame,
    folder: str | os.PathLike[str],
    target: str | Sequence[str] | None = None,
    *,
    compare_rows: int = 10_000,
    absolute: float = 1e-6,
    relative: float = 1e-5,
    on_difference: Literal["raise", "warn"] = "raise",
    overwrite: bool = False,
    keep_manifest: bool = False,
    progress: bool = True,
) -> Export:
    """Makes a folder that can be served of a fitted model and a frame of rows as it was trained on.

    `model` is a fitted classifier, regressor or detector of outliers of scikit-learn, a Pipeline with one
    at its end, a model of XGBoost or LightGBM (also as the last step of a Pipeline), or of CatBoost.
    `frame` has the columns that it was trained on, and may have others; `target` names the one that it
    predicts, or those of a classifier of several labels, which are left out. A column of arrays is a
    vector, for a model that was trained on one matrix. The bounds, steps, categories and missing values of
    the manifest are those of the frame.

    `folder` gets `model.onnx`, written by skl2onnx, onnxmltools or CatBoost, `manifest.toml`, written by
    `foretold new`, and `golden.csv`: rows with the library's answers, for `foretold check`. What is there
    is not overwritten, unless `overwrite` is true, which replaces these three, or `keep_manifest` is, for
    a model that was trained again: that replaces the model and the golden rows, and compares under the
    manifest that is there.

    Then library, onnxruntime and Foretold are asked for every row, or for `compare_rows` rows evenly
    spaced where there are more. Numbers agree that differ by at most `absolute` + `relative` × the larger
    of the expected one and the mean of all. A difference raises DifferenceError with row, column, the
    three values and what is known of its cause, and nothing is written; with `on_difference="warn"` it is
    a warning.

    Raises UnsupportedModel for what cannot be exported, MissingPackage with what to install,
    FileExistsError, KeyError for a column that is missing, CommandError with why the manifest is refused.

    >>> foretold.export(pipeline, customers, "churn/", target="cancelled")
    wrote churn/manifest.toml: 3 features (1 number, 1 integer, 1 category), POST /probabilities, /classes
    ...
    compared library, onnxruntime and Foretold on all 2000 rows; they differ in probability by at most 2.1e-07
    """
    if on_difference not in ("raise", "warn"):
        raise ValueError(f"on_difference: expected raise or warn, got {on_difference!r}")
    need("pandas", "sklearn")
    if not hasattr(frame, "columns"):
        use = "use pandas.DataFrame(rows, columns=[…])"
        raise TypeError(f"frame: expected a pandas DataFrame, got a {type(frame).__name__}; {use}")
    if len(frame) == 0:
        raise ValueError("the frame has no rows; expected some that the model was trained on")
    targets = _targets(target, frame)
    # Names of features are texts.
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    destination = Path(folder)
    _check_free(destination, overwrite, keep_manifest)
    how = exporter(model)
    trained = _columns.names(model, frame, targets)
    names = _columns.selected(model, trained)
    columns = _columns.read(model, frame, names)
    _columns.check_filled(model, frame, columns)
    sample = _evenly(frame, compare_rows)
    index = list(sample.index)
    # Labels need not tell rows apart.
    sample = sample.reset_index(drop=True)
    named = _is_named(model)
    said = _library.ask(model, sample[trained] if named else _columns.flat(sample, columns), targets, named=named)
    tolerance = Tolerance(absolute, relative)
    large = _columns.large(frame, columns)
    onnx, tensors, said = _convert(how, model, columns, _columns.flat(sample, columns), said, tolerance, bool(large))
    columns, singles = _columns_of_file(columns, onnx)
    rounded = [column.name for column in columns if column.name in large and column.input in singles]
    if rounded and how.name != "XGBoost":
        warnings.warn(
            f"column {rounded[0]!r} has integers beyond 2^24, which the file rounds to 32 bits and {how.name} does not: rows that "
            "are not in the frame may get the answer of a neighbouring number; subtract a constant before fit, or leave out "
            "what only identifies a row",
            stacklevel=2,
        )
    numbers = next((name for name, values in tensors.items() if values is matching(said, tensors)), "")

    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".foretold-") as place:
        made = Path(place) / destination.resolve().name
        made.mkdir()
        file = _manifest.model_of(destination / MANIFEST) if keep_manifest else MODEL
        (made / file).write_bytes(onnx)
        if keep_manifest:
            shutil.copyfile(destination / MANIFEST, made / MANIFEST)
            predictor = _under_its_manifest(made, destination, sample)
            _check_classes(destination / file, onnx)
            report = f"kept {destination / MANIFEST}: {', '.join(endpoint.path for endpoint in predictor.endpoints)}"
        else:
            report = _manifest.write(made, destination, frame, columns, said, numbers)
            for name, known in _columns.gaps(model, columns).items():
                report += (
                    f"\nlook at {name!r}: the model's encoder knows {_some(known)} only, and the manifest takes each integer "
                    f"from {known[0]} to {known[-1]}; others get an answer, or status 500, where the library raises an error"
                )
            predictor = Predictor(made)
        if not is_comparable(said, tensors, predictor.endpoints):
            raise UnsupportedModel(
                f"the file that {how.writer} wrote has no output with what {how.name} says, so that nothing can be compared; "
                "export it yourself and run: foretold new MODEL.onnx -o DIR --sample FILE.csv"
            )
        answers, refused = predictor.answers(sample, progress)
        endpoints, outputs = predictor.endpoints, predictor.outputs
        found = compare(index, said, tensors, answers, refused, endpoints, outputs, tolerance)
        if found.differences:
            text = _text(how, model, sample, columns, found)
            if on_difference == "raise":
                text += f'\nnothing was written to {destination}; on_difference="warn" writes it all the same'
                raise DifferenceError(text, found.differences)
            warnings.warn(text, stacklevel=2)
        _golden(sample, said, tensors, answers, predictor).to_csv(made / GOLDEN, index=False)
        _move(made, destination, [file, GOLDEN] if keep_manifest else [MODEL, GOLDEN, MANIFEST])
    fields = predictor.fields
    return Export(destination, fields, len(sample), len(frame), found.largest, found.differences, report)


def _targets(target: Any, frame: pandas.DataFrame) -> list[str]:
    """The names of the columns that are predicted, as texts."""
    if target is None:
        return []
    names: list[Any] = list(frame.columns)
    if isinstance(target, (str, int)) or isinstance(target, tuple) and target in names:
        return [str(target)]
    if hasattr(target, "dtype") or hasattr(target, "columns") or not isinstance(target, Sequence):
        raise TypeError(
            f"target: expected the name of a column of the frame, or several, got a {type(target).__name__}; leave it out where "
            "the frame has nothing but what the model was trained on"
        )
    return [str(each) for each in target]


def _columns_of_file(columns: list[Column], file: bytes) -> tuple[list[Column], set[str]]:
    """The columns, and the inputs of those that the file has in 32 bits.

    One column alone has the name of the file's input, which the command takes for the feature's.
    """
    onnx = need("onnx", "sklearn")
    found = onnx.load_from_string(file).graph.input
    if len(columns) == 1 and columns[0].kind != "vector":
        columns = [replace(columns[0], input=found[0].name)]
    singles = {each.name for each in found if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    # One matrix has the columns in their order.
    is_matrix = len(found) == 1 < len(columns)
    return columns, {column.input for column in columns} if is_matrix and singles else singles


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN_NUMBERS]))
    return shown if len(numbers) <= _SHOWN_NUMBERS else f"{shown} and {len(numbers) - _SHOWN_NUMBERS} more"


def _under_its_manifest(made: Path, destination: Path, frame: pandas.DataFrame) -> Predictor:
    """A model under a manifest that was written for another."""
    try:
        predictor = Predictor(made)
    except ValueError as error:
        text = str(error).replace(str(made), str(destination)).removeprefix(f"{made.name}: ")
        raise ValueError(
            f"the new model does not fit the manifest: {text}\nchange it, or give overwrite=True instead of keep_manifest=True"
        ) from error
    for feature in predictor.features:
        if feature.name not in frame.columns and not feature.optional:
            raise MissingColumn(
                f"the manifest has the feature {feature.name!r}, and the frame no such column: add it, with "
                f"frame.assign(**{{{feature.name!r}: …}})"
            )
    return predictor


def _check_classes(old: Path, new: bytes) -> None:
    """Refuses a model of other classes than the one that it replaces: columns and labels of the manifest are those of
    the old ones."""
    onnx = need("onnx", "sklearn")
    if not old.is_file():
        return
    before, after = _file_classes(onnx.load(str(old))), _file_classes(onnx.load_from_string(new))
    if before and after and before != after:
        raise ValueError(
            f"the new model has the classes {', '.join(after)}, and {old} has {', '.join(before)}, so that the columns in the "
            f"manifest would be of other classes: change its outputs and labels, remove {old}, and export again; or give "
            "overwrite=True instead of keep_manifest=True"
        )


def _file_classes(model: Any) -> list[str]:
    """The classes that the last classifier in a file knows."""
    found: list[str] = []
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("classlabels_ints", "classlabels_int64s"):
                found = [str(each) for each in attribute.ints] or found
            if attribute.name == "classlabels_strings":
                found = [each.decode() for each in attribute.strings] or found
    return found


def _check_free(folder: Path, overwrite: bool, keep_manifest: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; name a folder")
    if keep_manifest and overwrite:
        raise ValueError("overwrite=True replaces the manifest, and keep_manifest=True does not; give one of them")
    if keep_manifest and not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"{folder} has no {MANIFEST} to keep; leave keep_manifest out")
    found = [name for name in (MODEL, MANIFEST, GOLDEN) if (folder / name).exists()]
    if found and not (overwrite or keep_manifest):
        raise FileExistsError(
            f"{folder} has {', '.join(found)} already; name another folder, or give overwrite=True, or keep_manifest=True for a "
            "new model under the manifest that is there"
        )


def _move(made: Path, folder: Path, names: Sequence[str]) -> None:
    """Each file is replaced as a whole; the manifest, which names the model, comes last."""
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.move(made / name, folder / name)


def _evenly(frame: pandas.DataFrame, count: int) -> pandas.DataFrame:
    """So many rows, from all parts of the frame."""
    if count < 1:
        raise ValueError(f"compare_rows: expected at least 1, got {count}")
    if len(frame) <= count:
        return frame
    return frame.iloc[[i * len(frame) // count for i in range(count)]]


def _is_named(model: Any) -> bool:
    """Whether a model was trained on a frame, and knows its columns by name."""
    return _columns.trained(model) is not None or _columns.by_name(model)


def _convert(
    how: Exporter,
    model: Any,
    columns: Sequence[Column],
    rows: pandas.DataFrame,
    said: _library.Said,
    tolerance: Tolerance,
    are_large: bool,
) -> tuple[bytes, Any, _library.Said]:
    """The file of the first plan that agrees with the library, or else of the one that differs least.

    Integers that 32 bits round go in 64 bits, where that can be: rows that agree say nothing of those between them.
    """
    best: tuple[int, bytes, Any, _library.Said] | None = None
    first_error: Exception | None = None
    for plan in reversed(how.plans) if are_large else how.plans:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                onnx = how.convert(model, columns, plan).SerializeToString()
            tensors = _runtime.tensors(onnx, rows)
        except (UnsupportedModel, ImportError):
            raise
        except Exception as error:  # the exporters raise anything
            first_error = first_error or error
            continue
        here = settled(said, tensors, tolerance)
        count = differing(here, tensors, tolerance)
        if best is None or count < best[0]:
            best = (count, onnx, tensors, here)
        if count == 0:
            break
    if best is None:
        assert first_error is not None
        raise UnsupportedModel(f"{how.writer} cannot write this model as ONNX: {_why(model, said, first_error)}") from first_error
    return best[1:]


# What to do, by a part of what an exporter says.
_HINTS = {
    "flatten_transform": "use VotingClassifier(flatten_transform=False)",
    "'list' object has no attribute 'sum'": "give weights as numpy.array([…])",
    "at most 1 input(s)": "it takes one matrix: put an OneHotEncoder and the model into a Pipeline instead of giving it categories",
    "FunctionTransformer": "compute what it does before the model",
    "missing values are string": (
        "a SimpleImputer fills in texts where it cannot be left out: take it out, and use frame.fillna before fit"
    ),
    "cannot convert float NaN to integer": "an encoder knows NaN as a category: fill in what is missing before fit",
}


def _why(model: Any, said: _library.Said, error: Exception) -> str:
    """Why an exporter fails, and what to do where that is known."""
    unknown = re.search(r"Unable to find a shape calculator for type '<class '([\w.]+)'>'", str(error))
    if unknown:
        name = unknown[1].rpartition(".")[2]
        return f"it has no converter for {name}; use another class instead of it, or compute what it does before the model"
    text = str(error)
    if said.several:
        is_text = any(not each.lstrip("-").isdigit() for label in said.several for each in label.classes)
        text += f"; of a {kind(final(model))} of several labels " + (
            "with texts for classes: use integers for them"
            if is_text
            else "it may write none: use MultiOutputClassifier, or fit and export a model for each label"
        )
    for part, hint in _HINTS.items():
        if part in text:
            text += f"; {hint}"
    return text


def _golden(
    sample: pandas.DataFrame,
    said: _library.Said,
    tensors: Mapping[str, Any],
    answers: pandas.DataFrame,
    predictor: Predictor,
) -> pandas.DataFrame:
    """Some rows with what is expected: what the library says, where it is an answer, or else Foretold."""
    rows = sample[[feature.name for feature in predictor.features if feature.name in sample.columns]].copy()
    for feature in predictor.features:
        if feature.type == "vector" and feature.name in rows.columns:
            rows[feature.name] = [json.dumps(plain(feature.name, value)) for value in rows[feature.name]]
    says = answers.copy()
    outputs = {output.name: output for output in predictor.outputs}
    for endpoint in predictor.endpoints:
        found = expected(said, tensors, outputs[endpoint.outputs[0]])
        if endpoint.is_number and found is not None:
            says[endpoint.field] = found
    # A feature of an answer's name keeps it: `foretold check --expected expected_NAME --field NAME`.
    taken = set(rows.columns)
    says.columns = [f"expected_{name}" if name in taken else name for name in says.columns]
    return _evenly(rows.join(says), _GOLDEN_ROWS)


def _text(
    how: Exporter,
    model: Any,
    sample: pandas.DataFrame,
    columns: Sequence[Column],
    found: Comparison,
) -> str:
    """What differs, the worst first, and what is known of why."""
    differences = found.differences
    lines: list[str] = []
    for between, what in (
        ("library and onnxruntime", f"between {how.name} and onnxruntime, which runs the file that {how.writer} wrote"),
        ("onnxruntime and Foretold", "between onnxruntime and Foretold"),
        ("refused", "because Foretold refuses the row"),
    ):
        rows = {difference.position for difference in differences if difference.between == between}
        if rows:
            lines.append(f"{len(rows)} of {found.rows} rows differ {what}")
    names = [column.name for column in columns]
    for difference in differences[:_SHOWN]:
        values = sample[names].iloc[difference.position]
        said = [f"{how.name} {difference.library}", f"onnxruntime {difference.onnxruntime}"]
        said.append(f"Foretold {difference.foretold}" if not difference.reason else f"Foretold: {difference.reason}")
        lines.append(f"row {difference.row}, {difference.column}: {', '.join(said)}")
        lines.append("  of " + ", ".join(f"{name}={_shortened(value)}" for name, value in values.to_dict().items()))
    between_first = {difference.between for difference in differences}
    if "library and onnxruntime" in between_first:
        positions = [each.position for each in differences if each.between == "library and onnxruntime"]
        causes = _causes.of_file(model, sample[names].iloc[positions], columns)
        lines += [f"known cause: {cause}" for cause in causes] or [
            f"no known cause fits: the file does not describe what {how.name} computes, and every program that runs it "
            "answers like onnxruntime; another kind of model, or another version of the exporter, may help"
        ]
    if "refused" in between_first:
        lines.append("let the manifest accept what these rows have, or leave them out of the frame")
    ours = [difference for difference in differences if difference.between == "onnxruntime and Foretold"]
    if ours and _are_nearer(ours):
        lines.append(
            f"on the whole Foretold is nearer to {how.name} than onnxruntime, whose sums of float32 numbers that cancel lose "
            "digits, as those of support vector machines and kernels do; a larger `relative` or `absolute` takes the file"
        )
    elif ours:
        lines.append("Foretold computes what onnxruntime does: that is a bug in Foretold; please report it, with row and model")
    return "\n".join(lines)


def _shortened(value: Any) -> str:
    if hasattr(value, "__len__") and not isinstance(value, str) and len(value) > _SHOWN:
        return f"[{', '.join(repr(plain('', each)) for each in value[:_SHOWN])}, … {len(value)} in all]"
    return repr(value)


def _are_nearer(differences: Sequence[Difference]) -> bool:
    """Whether Foretold's numbers are on the whole nearer to the library's than onnxruntime's, by half."""
    runtime = foretold = 0.0
    for each in differences:
        said = each.library, each.onnxruntime, each.foretold
        if not all(isinstance(value, float) for value in said):
            return False
        library, one, other = (float(value) for value in said if value is not None)
        runtime += abs(one - library)
        foretold += abs(other - library)
    return foretold < runtime / 2
