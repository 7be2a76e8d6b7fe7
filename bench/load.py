"""What is asked of a server, and how fast: requests, and the two programs that send them.

wrk sends the next request on a connection when the last one is answered (closed loop), so a server that hangs is asked
nothing meanwhile. oha sends at a fixed rate whatever the server does, and counts a request's time from when it was due:
what waits because others were slow is counted as slow (coordinated omission corrected).
"""
import itertools
import json
import os
import random
import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = (ROOT / "models" / "credit" / "sample.json").read_text("utf-8").strip()
OHA_VERSION = "1.16.0"

CATEGORIES = {
    "foreign_worker": ["yes", "no"],
    "present_employment_since": ["unemployed", "... < 1 year", "1 <= ... < 4 years", "4 <= ... < 7 years", "... >= 7 years"],
    "personal_status_and_sex": ["male: single", "male: divorced/separated", "male: married/widowed",
                                "female: divorced/separated/married"],
}
# The end of a row with each combination of categories.
TAILS = [",".join(f'"{name}":"{value}"' for name, value in zip(CATEGORIES, values)) + "}"
         for values in itertools.product(*CATEGORIES.values())]
AGES = range(18, 128)
RATES = range(401)
# Different rows that the features allow.
ALL_ROWS = len(RATES) * len(AGES) * len(TAILS)
# Of white space in bench/bodies.lua.
SPELLINGS = 1024 * 1024
# The share of a core from which a generator is said to be at its limit, which for wrk is one core.
BUSY = 0.95


@dataclass(frozen=True)
class Bodies:
    """Which rows a request has; bench/bodies.lua says what the kinds are."""

    kind: str
    rows: int = 1
    of: int = ALL_ROWS

    def new(self) -> int | None:
        """How many requests there are that no earlier one is the same as; else they are meant to come again."""
        return {"spelt": SPELLINGS, "next": self.of // self.rows}.get(self.kind)


@dataclass(frozen=True)
class Load:
    """How hard a server is asked: a closed loop, or else a fixed rate: a share of the closed loop's, or so many."""

    name: str
    connections: int = 64
    share: float | None = None
    per_second: float | None = None

    @property
    def is_closed(self) -> bool:
        return self.share is None and self.per_second is None

    @staticmethod
    def read(text: str) -> "Load":
        """`64` are connections of a closed loop, `50%` a share of what that answers, `2000/s` a rate."""
        if match := re.fullmatch(r"(\d+)(%|/s|)", text):
            number, unit = int(match[1]), match[2]
            if number > 0 and not (unit == "%" and number > 100):
                return {"": Load(text, connections=number), "%": Load(text, share=number / 100),
                        "/s": Load(text, per_second=float(number))}[unit]
        raise ValueError(f"{text!r} is no load: expected connections like 64, a share like 50% or a rate like 2000/s")


@dataclass(frozen=True)
class Seen:
    """What a generator saw."""

    # Those that were answered with 200, and those that were not.
    requests: int
    failures: int
    seconds: float
    # Of both.
    p50_ms: float
    p99_ms: float
    p999_ms: float
    # The generator could not have sent more, or did not send what it should.
    is_limited: bool


def closed_loop(url: str, bodies: Bodies, connections: int, seconds: int, first: int = 0, seed: int = 1,
                may_fail: bool = False) -> Seen:
    """Loads a server with wrk."""
    environment = os.environ | {"KIND": bodies.kind, "ROWS": str(bodies.rows), "OF": str(bodies.of), "SAMPLE": SAMPLE,
                                "TAILS": "\n".join(TAILS), "FIRST": str(first), "SEED": str(seed)}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", "bench/bodies.lua", url]
    output, busy = run(command, environment)
    seen = json.loads(output.splitlines()[-1])
    if not seen["requests"] or (seen["failures"] and not may_fail):
        raise SystemExit(f"failures under load at {url}:\n{output}")
    return Seen(**seen, is_limited=busy / seen["seconds"] > BUSY)


def fill(url: str, rows: int) -> None:
    """Asks for each of the first rows once."""
    filled = 0
    while filled < rows:
        filled += closed_loop(url, Bodies("next", of=rows), connections=64, seconds=1, first=filled).requests


def fixed_rate(oha: str, url: str, bodies: Bodies, load: Load, per_second: float, seconds: int, seed: int = 1) -> Seen:
    """Loads a server with oha at a rate."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        # oha takes one of these lines at random for each request.
        file.write("\n".join(lines(bodies, seed)))
        file.flush()
        command = [oha, "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-w", "-c", str(load.connections), "-q",
                   f"{per_second:.0f}", "--latency-correction", "-m", "POST", "-T", "application/json", "-Z", file.name, url]
        output, _ = run(command, os.environ)
    seen = json.loads(output)
    statuses, errors = seen["statusCodeDistribution"], seen["errorDistribution"]
    requests = statuses.pop("200", 0)
    if not requests:
        raise SystemExit(f"failures under load at {url}: {statuses} {errors}")
    failures = sum(statuses.values()) + sum(errors.values())
    p50, p99, p999 = (seen["latencyPercentiles"][name] * 1e3 for name in ("p50", "p99", "p99.9"))
    is_limited = requests + failures < 0.98 * per_second * seconds
    return Seen(requests, failures, seen["summary"]["total"], p50, p99, p999, is_limited)


def lines(bodies: Bodies, seed: int) -> list[str]:
    if bodies == Bodies("same"):
        return [SAMPLE]
    if bodies.kind != "zipf" or bodies.rows != 1:
        raise SystemExit("fixed rates are for the same request and for single rows by Zipf's law")
    weights = itertools.accumulate(1 / rank for rank in range(1, bodies.of + 1))
    return [row(number) for number in random.Random(seed).choices(range(bodies.of), cum_weights=list(weights), k=100_000)]


def row(number: int) -> str:
    """The row with a number, as bench/bodies.lua writes it."""
    age, tail = divmod(number, len(TAILS))
    rate, age = divmod(age, len(AGES))
    return (f'{{"installment_rate_in_percentage_of_disposable_income":{RATES[rate % len(RATES)] / 100:.2f},'
            f'"age_in_years":{AGES[age]},{TAILS[tail]}')


def run(command: list[str], environment: dict[str, str]) -> tuple[str, float]:
    """What a generator printed, and the time of a processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def oha_command() -> str:
    """The pinned generator, installed at first use, which takes some minutes."""
    done = subprocess.run([".ci/tool", "oha", OHA_VERSION], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
