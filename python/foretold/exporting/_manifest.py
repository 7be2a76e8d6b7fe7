"""The manifest that the command writes, and what only the library knows of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretold._command import run
from foretold._rows import plain
from foretold.exporting import _columns
from foretold.exporting._columns import Column
from foretold.exporting._library import Label, Said

if TYPE_CHECKING:
    import pandas

MODEL, MANIFEST = "model.onnx", "manifest.toml"
_SAMPLE = "rows.csv"
# More elements than a reader wants to see.
_SHOWN = 64
# A text of TOML, and the one of a class.
_TEXT = r'"(?:[^"\\]|\\.)*"'
_LABEL = rf"(?<=label = ){_TEXT}"


def write(folder: Path, destination: Path, frame: pandas.DataFrame, columns: Sequence[Column], said: Said, tensor: str) -> str:
    """Writes the manifest of the model that is in `folder`, and gives what the command says of it as if it had written to
    `destination`; `tensor` is the file's output with the library's numbers."""
    place, name = folder.parent, folder.name
    _columns.flat(frame, columns).to_csv(place / _SAMPLE, index=False)
    # Under names that say nothing of this machine, since the manifest has them.
    report = run("new", f"{name}/{MODEL}", "--output", name, "--sample", _SAMPLE, folder=place).strip()
    report = report.replace(f"wrote {name}/", f"wrote {destination}/", 1)
    report = report.removesuffix(f"foretold serve {name}") + f"foretold serve {destination}"
    text = (folder / MANIFEST).read_text("utf-8")
    for column in columns:
        if column.kind == "vector":
            text = _with_vector(text, column, frame[column.name].iloc[0])
        elif column.input != column.name:
            text = _with_name(text, column)
    vectors = sum(column.kind == "vector" for column in columns)
    if vectors:
        others = f", {len(columns) - vectors} other" if vectors < len(columns) else ""
        counted = f"{len(columns)} feature{'' if len(columns) == 1 else 's'}"
        about = f"{counted} ({vectors} vector{'' if vectors == 1 else 's'} without bounds{others})"
        report = re.sub(r"\d+ features? \([^)]*\)", about, report, count=1)
    if said.several:
        text, paths = _with_labels(text, said.several, tensor)
        report = re.sub(r"(?<=\), POST ).*", lambda _: paths, report, count=1)
        if "threshold 0.5" not in report:
            report = report.replace("look at ", "look at the threshold 0.5 of each label; ", 1)
    else:
        text = _with_classes(text, said.classes)
    (folder / MANIFEST).write_text(text, "utf-8")
    return report


def model_of(manifest: Path) -> str:
    """The name of the model's file that a manifest names."""
    found = re.search(r'^\s*file\s*=\s*["\']([^"\'/\\]+)["\']', manifest.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else MODEL


def _with_name(text: str, column: Column) -> str:
    """With the frame's name for a feature that has another in the file."""
    old = f'[[feature]]\nname = {_quoted(column.input)}\n'
    return text.replace(old, f'[[feature]]\nname = {_quoted(column.name)}\ninput = {_quoted(column.input)}\n', 1)


def _with_vector(text: str, column: Column, example: Any) -> str:
    """With one feature for all elements. It has no bounds: those of a sample would refuse the next embedding."""
    blocks = re.findall(r"\[\[feature\]\]\n(?:(?!\[\[|#).+\n)+\n?", text)
    named = {(re.search(rf"^name = ({_TEXT})$", block, re.MULTILINE) or [0, ""])[1]: block for block in blocks}
    # The command makes one of the columns itself, with bounds, where the file does not name them.
    mine = [named[name] for name in [_quoted(column.name), *map(_quoted, column.elements)] if name in named]
    if len(mine) not in (1, column.length):
        return text
    lines = ["[[feature]]", f"name = {_quoted(column.name)}", 'type = "vector"', f"length = {column.length}"]
    if column.is_whole:
        lines.append('elements = "integer"')
    if column.has_missing:
        lines.append("optional = true")
    values = ["nan" if value is None else json.dumps(value) for value in plain(column.name, example)]
    # A number stands for all elements.
    lines.append(f"example = [{', '.join(values)}]" if len(values) <= _SHOWN else "example = 0")
    text = text.replace(mine[0], "\n".join(lines) + "\n\n", 1)
    for block in mine[1:]:
        text = text.replace(block, "", 1)
    return text


def _with_classes(text: str, classes: Sequence[str]) -> str:
    """With the library's classes, where the file does not know them and has numbers instead: those of models that are
    made of others."""
    names = [_quoted(name) for name in classes]

    def renamed(lines: re.Match[str]) -> str:
        found = re.findall(_LABEL, lines[0])
        if len(found) != len(names) or set(found) == set(names):
            return lines[0]
        positions = [_quoted(str(i)) for i in range(len(names))]
        # The numbers are the classes' positions, which a support vector machine has the other way round.
        named = dict(zip(positions if set(found) == set(positions) else found, names))
        return re.sub(_LABEL, lambda label: named[label[0]], lines[0])

    text = re.sub(r"^classes = \[\n(?:  \{.*\n)+\]$", renamed, text, flags=re.MULTILINE)
    # Above the threshold is the second.
    threshold = re.search(rf"^above = ({_TEXT})\notherwise = ({_TEXT})$", text, re.MULTILINE)
    if threshold and len(names) == 2 and set(threshold.groups()) != set(names):
        text = text.replace(threshold[0], f"above = {names[1]}\notherwise = {names[0]}")
    return text


def _with_labels(text: str, labels: Sequence[Label], tensor: str) -> tuple[str, str]:
    """With an answer for each of several labels, and their paths; the file does not say which of its numbers are whose."""
    outputs: list[str] = []
    endpoints: list[str] = []
    paths: list[str] = []

    def endpoint(path: str, field: str, *lines: str) -> None:
        paths.append(path)
        head = f'[[endpoint]]\npath = {_quoted(path)}\nfield = {_quoted(field)}\n'
        endpoints.append(head + "".join(f"{line}\n" for line in lines))

    for label, slug in zip(labels, _slugs([label.name for label in labels])):
        two = len(label.classes) == 2
        places = list(zip(label.classes, _slugs(label.classes), label.columns))
        # Of two classes the second's probability says all.
        served = [("", "", label.columns[-1])] if two else [(f"_{name}", f"/{each}", place) for name, each, place in places]
        for suffix, _, place in served:
            name = _quoted(f"probability_{label.name}{suffix}")
            outputs.append(f"[[output]]\nname = {name}\ntensor = {_quoted(tensor)}\ncolumn = {place}\n")
        if two:
            chosen = [f"output = {_quoted(f'probability_{label.name}')}", "threshold = 0.5  # strictly above it `above`, else `otherwise`"]
            chosen += [f"above = {_quoted(label.classes[1])}", f"otherwise = {_quoted(label.classes[0])}"]
        else:
            of_class = [f"  {{ output = {_quoted(f'probability_{label.name}_{name}')}, label = {_quoted(name)} }}," for name, _, _ in places]
            chosen = ["classes = [", *of_class, "]"]
        endpoint(f"/labels/{slug}", label.name, *chosen)
        for suffix, below, _ in served:
            field = f"probability_{label.name}{suffix}"
            endpoint(f"/probabilities/{slug}{below}", field, f"output = {_quoted(field)}")
    start = text.index("\n[[output]]\n") + 1
    comment = "# What is answered where: of each label the class, and the probabilities.\n\n"
    made = text[:start] + "\n".join(outputs) + "\n" + comment + "\n".join(endpoints)
    return made, ", ".join(paths[:6]) + (f" and {len(paths) - 6} more" if len(paths) > 6 else "")


def _slugs(names: Sequence[str]) -> list[str]:
    """The names as they can stand in a path, each once."""
    made: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "label"
        while slug in made:
            slug += "-"
        made.append(slug)
    return made


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
