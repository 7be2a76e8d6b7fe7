"""How many requests by Zipf's law the near cache answers, and the best that its bytes could.

No cache that does not know the future does better with such requests than one that always holds the most frequent rows:
as many as fit, each with the bytes that its entry takes.
"""
import re
import subprocess
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass

from load import Bodies, closed_loop, row
from peers import Build, Client, Host, Redis, free_port

NEAR_CACHE_MIB = 64
# To learn what an entry takes.
TRIED_ROWS, ARRAY_ROWS = 10_000, 100


@dataclass(frozen=True)
class HitRatio:
    # Shares of requests: answered by either tier, by whole answers, and by the best cache there could be.
    measured: float
    answers: float
    best: float
    entry_bytes: float
    fitting_rows: int


def measure(build: Build, rows: int, seconds: int) -> HitRatio:
    """Asks a host with Redis behind it by Zipf's law, and counts what went to Redis."""
    with ExitStack() as stack:
        redis, metrics = Redis(stack), free_port()
        host = Host(stack, build.foretold, redis.url, "--near-cache-mib", str(NEAR_CACHE_MIB), "--metrics",
                    f"127.0.0.1:{metrics}", source=build.edge)
        url = f"http://127.0.0.1:{host.port}/decisions"
        client = Client(host.port)
        stack.callback(client.close)
        # None of those that come later.
        for begin in range(rows, rows + TRIED_ROWS, ARRAY_ROWS):
            client.ask("POST", "/decisions", f"[{','.join(map(row, range(begin, begin + ARRAY_ROWS)))}]")
        entry_bytes = counter(metrics, "foretold_near_cache_bytes") / TRIED_ROWS
        # Arrays fill it sooner; single rows then bring in whole answers.
        closed_loop(url, Bodies("zipf", ARRAY_ROWS, rows), 16, seconds, seed=1)
        closed_loop(url, Bodies("zipf", of=rows), 64, seconds, seed=2)
        before = counts(redis, metrics)
        closed_loop(url, Bodies("zipf", of=rows), 64, seconds, seed=3)
        requests, reused, looked_up = (end - begin for begin, end in zip(before, counts(redis, metrics)))
    fitting = int(NEAR_CACHE_MIB * 2**20 / entry_bytes)
    best = harmonic(min(fitting, rows)) / harmonic(rows)
    return HitRatio(1 - looked_up / requests, reused / requests, best, entry_bytes, fitting)


def counts(redis: Redis, metrics: int) -> tuple[float, float, float]:
    """Requests, those that whole answers were reused for, and entries that Redis was asked for."""
    info = subprocess.run(["redis-cli", "-p", str(redis.port), "INFO", "stats"], check=True, capture_output=True, text=True).stdout
    looked_up = sum(int(number) for number in re.findall(r"keyspace_(?:hits|misses):(\d+)", info))
    return counter(metrics, "foretold_requests_total"), counter(metrics, "foretold_hits_reused_total"), looked_up


def counter(port: int, name: str) -> float:
    """A metric, over all its labels."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def harmonic(number: int) -> float:
    return sum(1 / rank for rank in range(1, number + 1))
