"""Starts Foretold for the scripts beside this file, asks it the plain way, and makes up rows for it."""
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "credit": ROOT / "models" / "credit",
    "credit-full": ROOT / "models" / "credit-full",
    "kinds": ROOT / "tests" / "python" / "kinds",  # a feature of every kind, some of them optional
}
START_SECONDS = 120  # the first start of a model compiles it
CLEARED_DIGITS = 3  # decimal places of made-up numbers, so that 32-bit floats keep them


class Foretold:
    """`foretold serve` on a free port, until the stack is left: of a model's folder, or of what was made of it."""

    def __init__(self, stack: ExitStack, command: str, model: Path, *options: str, source: Path | None = None) -> None:
        self.manifest = tomllib.loads((model / "manifest.toml").read_text("utf-8"))
        self.name = self.manifest["model"]["name"]
        self.endpoints = {endpoint["path"]: endpoint["field"] for endpoint in self.manifest["endpoint"]}
        self.log = Path(stack.enter_context(tempfile.TemporaryDirectory()), "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [command, "serve", str(source or model), "--listen", "127.0.0.1:0", "--no-snapshot", *options],
                stdout=log, stderr=log,
            )
        stack.callback(self.process.wait)
        stack.callback(self.process.terminate)
        self.address = self.wait()
        self.url = f"http://{self.address}"

    def wait(self) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"serving .* at http://([0-9.]+:[0-9]+)[^0-9]", self.log.read_text("utf-8")):
                return found[1]
            time.sleep(0.02)
        sys.exit(f"foretold does not serve {self.name}: {self.log.read_text('utf-8')}")

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None):
        """The response of the standard library's client, and its body."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def get(self, path: str) -> dict:
        response, content = self.request("GET", path)
        check(response.status == 200, f"GET {path} is answered with {response.status}: {content.decode()}")
        return json.loads(content)

    def ask(self, path: str, rows: list[dict]) -> tuple[list, str]:
        """What an endpoint answers for each row, and what it says of the cache."""
        headers = {"content-type": "application/json"}
        response, content = self.request("POST", path, json.dumps(rows).encode(), headers)
        check(response.status == 200, f"POST {path} is answered with {response.status}: {content.decode()}")
        field = self.endpoints[path]
        return [answer[field] for answer in json.loads(content)], response.headers["cache-status"]

    def answers(self, rows: list[dict]) -> dict[str, list]:
        """What every endpoint answers for each row, by the endpoint's field."""
        return {field: self.ask(path, rows)[0] for path, field in self.endpoints.items()}


def rows(manifest: dict, count: int, seed: int) -> list[dict]:
    """Legal rows at random, no two of them the same. A value that is missing is None."""
    chance, seen = random.Random(seed), {}
    while len(seen) < count:
        row = {feature["name"]: value(feature, chance) for feature in manifest["feature"]}
        seen[json.dumps(row)] = row
    return list(seen.values())


def value(feature: dict, chance: random.Random):
    if feature.get("optional") and chance.random() < 0.3:
        return None
    match feature["type"]:
        case "boolean":
            return chance.random() < 0.5
        case "category":
            return chance.choice(feature["categories"])
        case "integer":
            return chance.randint(feature.get("minimum", -1000), feature.get("maximum", 1000))
        case "number":
            low, high = Decimal(str(feature.get("minimum", -100))), Decimal(str(feature.get("maximum", 100)))
            step = Decimal(str(feature.get("step", Decimal(1).scaleb(-CLEARED_DIGITS))))
            return float(low + step * chance.randint(0, int((high - low) / step)))


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(message)
