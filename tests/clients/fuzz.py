"""schemathesis makes up requests from the OpenAPI document, right and wrong ones, and checks every response.

    .venv-clients/bin/python tests/clients/fuzz.py FORETOLD [EXAMPLES] [SEED]

EXAMPLES is the number of requests per operation and phase, 50 without it; SEED repeats a run, and is
random without it. All checks are on: no 5xx, no status, header, type or body that the document does not
have, no right request refused and no wrong one answered; fuzz_hooks.py has the exceptions. Ends with
1 and the smallest request that shows the failure.
"""
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from served import MODELS, Foretold

HERE = Path(__file__).resolve().parent
FUZZED = ["credit", "credit-full"]
EXAMPLES = "50"


def main() -> None:
    command, examples, seed = [*sys.argv[1:], *[EXAMPLES, ""][len(sys.argv) - 2 :]]
    failed = []
    for name in FUZZED:
        with ExitStack() as stack:
            server = Foretold(stack, command, MODELS[name])
            folder = stack.enter_context(tempfile.TemporaryDirectory())  # it keeps what it found in .hypothesis
            run = subprocess.run(
                [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run",
                 f"{server.url}/openapi.json", "--max-examples", examples, "--continue-on-failure",
                 "--no-color", *(["--seed", seed] if seed else [])],
                cwd=folder, env={**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "fuzz_hooks.py")},
            )
            if run.returncode != 0:
                failed.append(name)
            if server.process.poll() is not None:
                sys.exit(f"foretold ended while {name} was fuzzed: {server.log.read_text('utf-8')}")
    if failed:
        sys.exit(f"schemathesis found failures in {', '.join(failed)}")


if __name__ == "__main__":
    main()
