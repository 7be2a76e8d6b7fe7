"""Has `foretold bake` judge the manifests in toml blocks, those that are only parts of one too."""
import tempfile
from pathlib import Path

from sandbox import Sandbox

TABLES = {"model", "cache", "feature", "output", "endpoint"}
ACCEPTED = "cannot read the model"  # it is read after the manifest was found to be right; there is none


def is_one(document: dict) -> bool:
    return bool(document) and set(document) <= TABLES


def error(sandbox: Sandbox, text: str, document: dict) -> str | None:
    with tempfile.TemporaryDirectory(dir=sandbox.folder) as folder:
        Path(folder, "manifest.toml").write_text(text + "\n" + missing(document), "utf-8")
        done = sandbox.run("foretold", "bake", folder, "-o", f"{folder}/out.wasm")
        return None if ACCEPTED in done.stderr else f"as a manifest it is refused:\n{done.stderr}"


def missing(document: dict) -> str:
    """The tables that a part of a manifest does not have."""
    parts = []
    outputs = {endpoint.get("output") for endpoint in document.get("endpoint", [])} or {"value"}
    used = [output["name"] for output in document.get("output", [])] or ["value"]
    if "model" not in document:
        parts.append('[model]\nname = "part"\nfile = "none.onnx"')
    if "cache" not in document:
        parts.append("[cache]\nttl_seconds = 1")
    if "feature" not in document:
        parts.append('[[feature]]\nname = "part_feature"\ntype = "boolean"\nexample = true')
    if "output" not in document:
        parts += [f'[[output]]\nname = "{name}"\ntensor = "t"' for name in sorted(outputs)]
    if "endpoint" not in document:
        parts += [f'[[endpoint]]\npath = "/{name}"\nfield = "{name}"\noutput = "{name}"' for name in used]
    return "\n".join(parts) + "\n"
