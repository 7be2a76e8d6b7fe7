"""What tests start: a Redis, and folders with models."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import models
import pytest

import foretold

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exported churn model."""
    folder = tmp_path_factory.mktemp("churn") / "churn"
    foretold.export(*models.churn(), folder, target="cancelled")
    return folder


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Redis."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is missing; install it: sudo apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen([program, "--port", str(port), "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait()


def ask(server: foretold.Server, row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The answer over HTTP, and what the cache did."""
    body = json.dumps(dict(row)).encode()
    request = urllib.request.Request(server.address + "/predictions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer), answer.headers["cache-status"]
