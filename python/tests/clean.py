"""Installs the wheel where there is nothing but Python, and goes from a model to a hit.

    python python/tests/clean.py FOLDER

FOLDER has the wheel. Everything is in a temporary folder: the environment, the home and the caches. There is no Rust on
PATH, and nothing of this repository. It prints how long each step took.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATH = "/usr/bin:/bin"
PROGRAM = """
import json, time, urllib.request
start = time.monotonic()

def step(what):
    global start
    print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)
    start = time.monotonic()

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import foretold

data = load_breast_cancer(as_frame=True)
frame = data.data.iloc[:, :6].astype("float32").assign(benign=data.target)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame.drop(columns="benign"), frame["benign"])
step("import and train")
print(foretold.export(model, frame, "tumours/", target="benign"))
step("export and compare")
row = {name: float(value) for name, value in frame.drop(columns="benign").iloc[0].items()}
with foretold.serve("tumours/") as server:
    step("serve")
    for expected in ("foretold; fwd=miss; stored", "foretold; hit; ttl=3600"):
        body = json.dumps(row).encode()
        request = urllib.request.Request(server.address + "/predictions", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            found = answer.headers["cache-status"]
            print(answer.read().decode(), found)
        assert found == expected, found
step("ask twice, and stop")
"""


def main() -> None:
    [wheel] = Path(sys.argv[1]).resolve(strict=True).glob("*.whl")
    rust = [name for name in ("cargo", "rustc") if shutil.which(name, path=PATH)]
    if rust:
        sys.exit(f"{', '.join(rust)} is on {PATH}: this would show nothing")
    with tempfile.TemporaryDirectory(prefix="foretold-clean-") as place:
        folder = Path(place)
        (folder / "home").mkdir(mode=0o700)
        python = folder / "venv" / "bin" / "python"
        # The settings by which pip finds packages, and nothing else.
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "https_", "HTTPS_"))}
        environment = kept | {"PATH": f"{python.parent}:{PATH}", "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}

        def step(what: str, *command: str | os.PathLike[str]) -> None:
            start = time.monotonic()
            subprocess.run(command, cwd=folder, env=environment, check=True)
            print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)

        start = time.monotonic()
        step("venv", sys.executable, "-m", "venv", folder / "venv")
        # By its file: under its name an index may have another package.
        step("pip install", python, "-m", "pip", "install", "--quiet", f"{wheel}[sklearn]")
        step("from a model to a hit", python, "-c", PROGRAM)
        step("the command", python.with_name("foretold"), "--version")
        print(f"with Python only: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
