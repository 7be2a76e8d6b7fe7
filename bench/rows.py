"""Predictions per second of single requests and of arrays of 100 and 1000, hits and misses.

    python3 bench/rows.py FORETOLD [--seconds N] [--rounds N] [--connections N]

The medians of rounds in which all kinds take turns are compared. Absolute figures depend on the
machine: only the ratios within one run count.
"""
import argparse
import os
import re
import statistics
import subprocess
import tempfile
from contextlib import ExitStack

from run import ROOT, foretold, free_port, start

SIZES = (1, 100, 1000)
# Different rows that the features allow.
ALL_ROWS = 401 * 110 * 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("foretold")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    # What one load of misses may take of all rows.
    share = ALL_ROWS // len(SIZES)
    results = {(name, kind, size): [] for name in ("memory", "Redis") for kind in ("hit", "miss") for size in SIZES}
    # The first round is only to warm up.
    for round_number in range(options.rounds + 1):
        # Each round has stores of its own, so that rows can be misses again.
        with ExitStack() as stack:
            redis = free_port()
            start(stack, redis, "redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "",
                  "--dir", stack.enter_context(tempfile.TemporaryDirectory()))
            stores = {"memory": "memory:", "Redis": f"redis://127.0.0.1:{redis}"}
            # The near cache would answer arrays whole.
            no_near_cache = ("--near-cache-mib", "0")
            hosts = {name: foretold(stack, options.foretold, url, *no_near_cache) for name, url in stores.items()}
            first = dict.fromkeys(hosts, 0)
            for (name, kind, size), rates in results.items():
                rate = load(hosts[name], size, kind, first[name], options)
                if kind == "miss":
                    if rate * options.seconds > share:
                        raise SystemExit(f"{rate:,.0f} misses/s are more than there are rows for; use fewer seconds")
                    first[name] += share
                if round_number > 0:
                    rates.append(rate)
    report(results, options)


def load(port: int, rows: int, kind: str, first: int, options: argparse.Namespace) -> float:
    """Predictions per second."""
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--timeout", "20s",
               "-s", "bench/rows.lua", f"http://127.0.0.1:{port}/decisions"]
    environment = os.environ | {"ROWS": str(rows), "UNIQUE": str(int(kind == "miss")), "FIRST": str(first)}
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"failures under load:\n{output}")
    return rows * float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def report(results: dict, options: argparse.Namespace) -> None:
    medians = {key: statistics.median(rates) for key, rates in results.items()}
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s each, medians, "
          "in predictions/s:\n")
    print("| | single | array of 100 | array of 1000 | 1000 / single |\n|---|---|---|---|---|")
    for name, kind in dict.fromkeys((name, kind) for name, kind, _ in medians):
        rates = [medians[name, kind, size] for size in SIZES]
        print(f"| {kind}, {name} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + f" | {rates[2] / rates[0]:.1f} |")


if __name__ == "__main__":
    main()
