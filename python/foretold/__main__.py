"""The command `foretold`, as the native one: `foretold …` or `python -m foretold …`."""

import signal
import sys

from foretold._native import run_command


def main() -> None:
    """Runs the command with the arguments of this process, and ends it."""
    # Python's own handler would only note Ctrl-C, for when the command has ended. Where the signal is
    # ignored, as under `nohup`, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_command(["foretold", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
