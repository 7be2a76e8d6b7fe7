"""One file of a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from foretold._command import run


def bake(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    target: Literal["edge", "spin", "library"] = "edge",
    max_memory_mib: int = 128,
    time_limit_s: int = 60,
) -> Path:
    """Makes one file of a model's folder, which `serve`, `Predictor` and any host of its target can run.

    It is written to `output`, or beside the folder under its name: `bake("churn/")` gives `churn.wasm`. The
    target `edge` is for `serve`, `Predictor` and the command, `spin` for Spin, `library` for programs in
    Rust and JavaScript. An instance may have `max_memory_mib` of memory (MiB), and loading the model may
    take `time_limit_s` (seconds).

    Raises CommandError with every mistake in the manifest, or with why the model is refused.

    >>> foretold.bake("churn/")
    PosixPath('churn.wasm')
    """
    folder = Path(folder)
    path = Path(output) if output is not None else folder.parent / f"{folder.resolve().name}.wasm"
    limits = ["--max-memory-mib", str(max_memory_mib), "--time-limit-s", str(time_limit_s)]
    run("bake", folder, "--output", path, "--target", target, *limits)
    return path
