"""The folder that a page's blocks run in, with its commands, ports and servers."""
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

COPIED = ["models", "examples", "deploy", "tests/python", "bench/capacity.py", "spin.toml", "spin-several.toml", "Makefile"]
NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__")
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{4,5}\b|(?<=localhost:)\d{4,5}\b|(?<=--port[ =])\d{4,5}\b")
BLOCK_SECONDS = 120
START_SECONDS = 120
STOP_SECONDS = 15

FORETOLD = """#!/bin/bash
if [ "$1" = serve ] && [[ " $* " != *" --listen"* ]]; then exec {foretold} "$@" --listen 127.0.0.1:{listen}; fi
exec {foretold} "$@"
"""
REDIS_CLI = """#!/bin/bash
if [[ " $* " == *" -p "* || " $* " == *" -u "* ]]; then exec {program} "$@"; fi
exec {program} -p {redis} "$@"
"""
REDIS_SERVER = """#!/bin/bash
if [[ "$*" == *"--daemonize yes"* ]]; then  # which returns before it listens
  {program} --port {redis} --save '' "$@" && until {cli} -p {redis} ping; do sleep 0.1; done >/dev/null 2>&1
  exit
fi
if [[ " $* " == *" --port "* ]]; then exec {program} "$@"; fi
exec {program} --port {redis} --save '' "$@"
"""
MAKE = """#!/bin/bash
exec {program} -o build -o component "$@"
"""
PYTHON = """#!/bin/bash
if [[ "$*" == "-m venv "* ]]; then exit; fi
exec {python} "$@"
"""


class Sandbox:
    def __init__(self, root: Path, folder: Path, foretold: Path, cache: Path) -> None:
        self.folder = folder
        self.ports: dict[int, int] = {}
        self.servers: dict[int, "Server"] = {}
        for name in COPIED:
            source, target = root / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, ignore=NOT_COPIED) if source.is_dir() else shutil.copy(source, target)
        makefile = folder / "Makefile"
        makefile.write_text(self.with_ports(makefile.read_text("utf-8")), "utf-8")
        (folder / "docs").mkdir()
        (folder / ".venv").symlink_to(sys.prefix)
        self.commands(foretold)
        path = os.pathsep.join([str(folder / ".commands"), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FORETOLD_", "MAKE"))}
        kept.pop("CARGO_TARGET_DIR", None)
        self.environment = kept | {
            "PATH": path,
            "XDG_CACHE_HOME": str(cache),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
        }

    def commands(self, foretold: Path) -> None:
        redis = self.port(6379)
        scripts = {"foretold": FORETOLD.format(foretold=foretold, listen=self.port(8080))}
        templates = {"redis-cli": REDIS_CLI, "redis-server": REDIS_SERVER, "make": MAKE}
        for name, template in templates.items():
            if program := shutil.which(name):
                scripts[name] = template.format(program=program, redis=redis, cli=shutil.which("redis-cli"))
        for name in ("python", "python3"):
            scripts[name] = PYTHON.format(python=sys.executable)
        scripts["pip"] = PYTHON.format(python=f"{sys.executable} -m pip")
        commands = self.folder / ".commands"
        commands.mkdir()
        for name, script in scripts.items():
            (commands / name).write_text(script)
            (commands / name).chmod(0o755)
        release = self.folder / "target" / "release"
        release.mkdir(parents=True)
        (release / "foretold").symlink_to(commands / "foretold")

    def port(self, documented: int) -> int:
        if documented not in self.ports:
            self.ports[documented] = free_port()
        return self.ports[documented]

    def with_ports(self, text: str) -> str:
        return PORT.sub(lambda match: str(self.port(int(match[0]))), text)

    def with_documented_ports(self, text: str) -> str:
        for documented, port in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", str(documented), text)
        return text

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.with_ports(text), "utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Output goes to files, since a daemon that a block leaves would keep a pipe open."""
        out, err = self.folder / ".out", self.folder / ".err"
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=stdout, stderr=stderr, start_new_session=True)
            try:
                code = process.wait(BLOCK_SECONDS)
            except subprocess.TimeoutExpired:
                end_group(process)
                code = -1
        texts = (self.with_documented_ports(path.read_text("utf-8", "replace")) for path in (out, err))
        return subprocess.CompletedProcess(command, code, *texts)

    def serve(self, documented: int, *command: str) -> "Server":
        if earlier := self.servers.pop(documented, None):
            earlier.stop()
        server = Server(self, documented, command)
        self.servers[documented] = server
        return server

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()
        if listens(self.port(6379)):  # `make redis` leaves one
            self.run("redis-cli", "shutdown", "nosave")


class Server:
    def __init__(self, sandbox: Sandbox, documented: int, command: tuple[str, ...]) -> None:
        self.sandbox, self.port = sandbox, sandbox.port(documented)
        self.log = sandbox.folder / f".log-{documented}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=sandbox.folder, env=sandbox.environment, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"nothing listens on port {documented}; its log:\n{self.text()}")
            time.sleep(0.05)

    def text(self) -> str:
        return self.sandbox.with_documented_ports(self.log.read_text("utf-8", "replace"))

    def stop(self) -> None:
        """Returns when the port is free: foretold goes on accepting for a moment."""
        if self.process.poll() is None:
            end_group(self.process)
        end = time.monotonic() + STOP_SECONDS
        while listens(self.port) and time.monotonic() < end:
            time.sleep(0.05)


def end_group(process: subprocess.Popen) -> None:
    """Ends a command and what it started, which have a session of their own."""
    for number, seconds in ((signal.SIGTERM, 12), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Below those that outgoing connections take, so that none of these comes first."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
