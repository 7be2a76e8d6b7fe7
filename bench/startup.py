"""Size of the component, its times to start, and the time of a prediction in it.

    python3 bench/startup.py FORETOLD [--rounds N]

Prints medians. A start is from the command to the answer of a first request.
"""
import argparse
import http.client
import itertools
import json
import re
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = json.loads((ROOT / "models/credit/sample.json").read_text("utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("foretold")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        component = Path(folder, "credit.wasm")
        began = time.perf_counter()
        subprocess.run([options.foretold, "bake", "models/credit", "-o", component], cwd=ROOT, check=True,
                       capture_output=True)
        baked = time.perf_counter() - began
        with serving(options.foretold, component, folder) as (_, first_answer):
            pass
        warm = []
        for _ in range(options.rounds):
            with serving(options.foretold, component, folder) as (connection, seconds):
                warm.append(seconds)
        with serving(options.foretold, component, folder) as (connection, _):
            warm_model = model_times(connection)
        with serving(options.foretold, component, folder, "--isolate") as (connection, _):
            fresh_model = model_times(connection)
        print("| what | figure |\n|---|---|")
        print(f"| component with the credit model | {component.stat().st_size / 1e6:.1f} MB |")
        print(f"| `foretold bake` | {baked:.1f} s |")
        print(f"| `foretold serve` to the first answer, nothing compiled | {first_answer:.1f} s |")
        print(f"| the same with a warm cache folder | {statistics.median(warm) * 1e3:.0f} ms |")
        print(f"| prediction in a warm instance | {warm_model * 1e3:.0f} µs |")
        print(f"| prediction in a fresh instance (`--isolate`) | {fresh_model * 1e3:.0f} µs |")


@contextmanager
def serving(command: str, source: Path, folder: str, *options: str):
    """A connection to a running host, and the seconds from its start to its first answer."""
    began = time.perf_counter()
    host = subprocess.Popen([command, "serve", source, "--listen", "127.0.0.1:0", "--cache-dir", Path(folder, "cache"),
                             *options], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        line = next(line for line in host.stderr if "serving " in line)
        connection = http.client.HTTPConnection(re.search(r"http://([\d.:]+):", line)[1])
        post(connection, SAMPLE)
        yield connection, time.perf_counter() - began
    finally:
        host.terminate()
        host.communicate()


def model_times(connection: http.client.HTTPConnection) -> float:
    """Median of the model's time in milliseconds over requests that are all misses."""
    times = []
    for age, rate in itertools.product(range(18, 128), range(10, 20)):
        request = SAMPLE | {"age_in_years": age, "installment_rate_in_percentage_of_disposable_income": rate / 10}
        timing = post(connection, request)
        times.append(float(re.search(r"model;dur=([\d.]+)", timing)[1]))
    return statistics.median(times)


def post(connection: http.client.HTTPConnection, request: dict) -> str:
    connection.request("POST", "/decisions", json.dumps(request), {"content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise SystemExit(f"status {response.status}")
    return response.headers["server-timing"]


if __name__ == "__main__":
    main()
