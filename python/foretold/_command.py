"""Runs this package's own command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from foretold._errors import CommandError

# Whatever the working folder and PYTHONPATH have, it is this interpreter and this package. The first word
# is a folder, and a command that is told to watch ends with the process that started it.
_RUN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
if sys.argv[1] == "--watch":
    import os, signal, threading
    sys.argv.pop(1)
    def watch():
        # Not through sys.stdin, which a thread that reads keeps the interpreter from closing.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=watch, daemon=True).start()
from foretold.__main__ import main
main()
"""


def command(*arguments: str, watched: bool = False) -> list[str]:
    """The words that run the command. With `watched` it ends when its standard input does."""
    if not sys.executable:
        raise CommandError("there is no Python to run the command foretold with: sys.executable is empty")
    package = Path(__file__).resolve().parents[1]
    watch = ["--watch"] if watched else []
    return [sys.executable, "-I", "-c", _RUN, str(package), *watch, *arguments]


def run(*arguments: str | os.PathLike[str], folder: Path | None = None) -> str:
    """Runs the command, in a folder if one is given, and gives what it printed.

    Raises CommandError with the command's message.
    """
    words = [os.fspath(argument) for argument in arguments]
    done = subprocess.run(
        command(*words), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0:
        raise CommandError(message(done.stderr, done.returncode))
    return done.stdout


def message(log: str, code: int) -> str:
    """The error that a log ends with."""
    _, found, error = log.rpartition("error: ")
    if found:
        return error.strip()
    return log.strip() or f"the command foretold ended with {code}"
