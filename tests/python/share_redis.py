"""A Python service and Foretold share one Redis: each reads what the other wrote.

    .venv/bin/python tests/python/share_redis.py FORETOLD

For the credit model and for the made-up one with a feature of every kind, the real services run
over a real redis-server. All requests go to one of them first, then all to the other, which must
find every answer; then the other way round from an empty Redis. The keys must be the same each way.
"""
import http.client
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

import redis

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = {"credit": ROOT / "models" / "credit", "kinds": HERE / "kinds", "ties": ROOT / "tests" / "reports" / "ties_in_tenths"}
TOLERANCE = 1e-6
TTL_SECONDS = 3600
START_SECONDS = 120  # the first start of a model compiles it
STORE_TIMEOUT_MS = 5000  # a machine that is busy with other things must not look like a Redis that is away
ROWS = 150  # drawn at random, besides those that have every spelling and every category once

# Spellings as a client may send them; those in one line are one number and must have one key.
FLOATS = """
0 0.0 0e5
30 30.0 3e1 300e-1 3.0E+1
0.1 1e-1 0.10
1e-05 0.00001
0.0001 1e-4
0.00012345
1e16 1E16 10000000000000000 10000000000000000.0
9999999999999998 9999999999999998.0
1e15
123456789012345680 123456789012345680.0 1.2345678901234568e17
1e22
1e23
0.30000000000000004
2.675
5e-324 4.9e-324
2.2250738585072014e-308
1.401298464324817e-45
3.4028234663852886e38
-30 -30.0 -3e1
-0.1
-1e-05
-1e16
-5e-324
-3.4028234663852886e38
-123456789.123
"""
INTEGERS = """
0 0.0
30 30.0 3e1
-30 -30.0 -3e1
1000000 1e6
9007199254740991 9007199254740991.0
9007199254740993
9223372036854775807
-9223372036854775808
"""
SPELLINGS = {
    "installment_rate_in_percentage_of_disposable_income": "0 0.0\n0.25 2.5e-1\n3 3.0 30e-1\n0.1\n0.01 1e-2\n3.99\n4",
    "age_in_years": "30 30.0 3e1\n18\n127 127.0",
    "amount": FLOATS,
    "balance": FLOATS + "\nnull",
    "count": INTEGERS,
    "children": "0 0.0\n3 3.0 3e0\n20\nnull",
    "tenths": "\n".join(map(str, range(11))),
}


def main() -> None:
    [foretold] = sys.argv[1:]
    for name, folder in MODELS.items():
        with ExitStack() as stack:
            manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
            requests = list(itertools.product([end["path"] for end in manifest["endpoint"]], bodies(manifest)))
            distinct = len(manifest["endpoint"]) * len({read(body) for _, body in requests})
            server = Server(stack)
            services = [Python(stack, name, server), Foretold(stack, foretold, folder, server)]
            (entries, answers), (other_entries, other_answers) = [
                share(server, *pair, requests, distinct) for pair in (services, services[::-1])
            ]
            only = sorted(entries.keys() ^ other_entries.keys())
            check(not only, f"keys that only one of the two writes: {only[:4]}")
            for key, value in entries.items():
                other = other_entries[key]
                check(value == other or close(value, other), f"{key!r}: Python writes {value!r}, Foretold {other!r}")
            for (path, body), answer, other in zip(requests, answers, other_answers):
                check(same(answer, other), f"{path} {body}: Python computes {answer}, Foretold {other}")
        print(f"{name}: {len(requests)} requests, {distinct} keys, each found by the other, both ways")


def share(server: "Server", first, second, requests: list, distinct: int) -> tuple[dict[bytes, bytes], list[dict]]:
    """Asks one service everything, then the other; returns the entries, and the answers that the first computed."""
    server.empty()
    answers, seen = [], set()
    for path, body in requests:
        answer, found = first.ask(path, body)
        expected = "hit" if (path, read(body)) in seen else "miss"
        check(found == expected, f"{first.name} says {found} for {path} {body}, not {expected}")
        seen.add((path, read(body)))
        answers.append(answer)
    keys = server.keys()
    entries = {key: server.client.get(key) for key in keys}
    check(len(keys) == distinct, f"{first.name} wrote {len(keys)} keys, not {distinct}")
    for key in keys:
        ttl = server.client.ttl(key)
        check(0 < ttl <= TTL_SECONDS, f"{first.name} gave {key!r} a time to live of {ttl} s")
    for (path, body), answer in zip(requests, answers):
        other, found = second.ask(path, body)
        check(found == "hit", f"{second.name} says {found} for what {first.name} wrote: {path} {body}")
        check(same(answer, other), f"{path} {body}: {first.name} says {answer}, {second.name} {other}")
    check(server.keys() == keys, f"{second.name} wrote keys of its own")
    return entries, answers


def bodies(manifest: dict) -> list[str]:
    """Requests as JSON text: every spelling of every feature beside the same others, and some at random."""
    values = {feature["name"]: spellings(feature) for feature in manifest["feature"]}
    usual = {name: texts[0] for name, texts in values.items()}
    rows = [{**usual, name: text} for name, texts in values.items() for text in texts]
    chance = random.Random(0)
    rows += [{name: chance.choice(texts) for name, texts in values.items()} for _ in range(ROWS)]
    return [
        "{" + ", ".join(f'"{name}": {text}' for name, text in row.items() if text != "absent") + "}" for row in rows
    ]


def spellings(feature: dict) -> list[str]:
    if feature["type"] == "boolean":
        return ["true", "false"]
    if feature["type"] == "category":
        # As they are, and all beyond ASCII escaped.
        return [json.dumps(text, ensure_ascii=escape) for text in feature["categories"] for escape in (False, True)]
    texts = SPELLINGS[feature["name"]].split()
    return texts + ["absent"] if feature.get("optional") else texts


def read(body: str) -> tuple:
    """What a request means, so that two spellings of it are equal. Integers stay exact."""
    members = json.loads(body).items()
    return tuple(sorted((name, value) for name, value in members if value is not None))


def same(one: dict, other: dict) -> bool:
    [(name, answer)], [(other_name, other_answer)] = one.items(), other.items()
    if isinstance(answer, float) and isinstance(other_answer, float):
        return name == other_name and abs(answer - other_answer) <= TOLERANCE
    return (name, answer) == (other_name, other_answer)


def close(one: bytes, other: bytes) -> bool:
    """Whether both are numbers that agree: the services compute them, and labels follow from them."""
    try:
        return abs(float(one) - float(other)) <= TOLERANCE
    except ValueError:
        return False


class Server:
    def __init__(self, stack: ExitStack) -> None:
        self.port = free_port()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        start(stack, self.port, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
              "--dir", folder, "--loglevel", "warning")
        self.url = f"redis://127.0.0.1:{self.port}"
        self.client = redis.Redis.from_url(self.url)

    def empty(self) -> None:
        """Key by key: to Foretold, FLUSHALL is a purge, and what it predicts at that moment is not stored."""
        for key in self.keys():
            self.client.delete(key)

    def keys(self) -> set[bytes]:
        """As an operator sees them."""
        command = ["redis-cli", "-p", str(self.port), "--scan"]
        return set(subprocess.run(command, check=True, capture_output=True).stdout.splitlines())


class Service:
    """A prediction service on a port, asked over one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, path: str, body: str) -> tuple[dict, str]:
        """The answer, and `hit`, `miss` or what else the service says of its cache."""
        self.connection.request("POST", path, body.encode(), {"content-type": "application/json"})
        response = self.connection.getresponse()
        text = response.read().decode()
        check(response.status == 200, f"{self.name} answers {path} {body} with {response.status}: {text}")
        return json.loads(text), self.found(response)


class Python(Service):
    name = "Python"

    def __init__(self, stack: ExitStack, module: str, server: Server) -> None:
        port = free_port()
        start(stack, port, sys.executable, "-m", "uvicorn", "--factory", f"{module}:app", "--port", str(port),
              "--log-level", "warning", "--timeout-keep-alive", "60",
              cwd=HERE, env={**os.environ, "REDIS_URL": server.url})
        super().__init__(port)

    def found(self, response: http.client.HTTPResponse) -> str:
        return response.headers["x-cache"]


class Foretold(Service):
    name = "Foretold"

    def __init__(self, stack: ExitStack, command: str, model: Path, server: Server) -> None:
        port = free_port()
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        start(stack, port, command, "serve", str(model), "--listen", f"127.0.0.1:{port}", "--keys", "repr",
              "--store", server.url, "--store-timeout-ms", str(STORE_TIMEOUT_MS),
              "--writes", "waited", "--cache-dir", cache, "--no-snapshot", "--log", "error")
        super().__init__(port)

    def found(self, response: http.client.HTTPResponse) -> str:
        status = response.headers["cache-status"]
        if status.startswith("foretold; hit"):
            return "hit"
        return "miss" if status == "foretold; fwd=miss; stored" else status


def start(stack: ExitStack, port: int, *command: str, **options) -> None:
    """Starts a server and waits until it accepts connections; stops it at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"{' '.join(command)} does not listen on port {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(message)


if __name__ == "__main__":
    main()
