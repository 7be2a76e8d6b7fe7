"""Runs the blocks of one page."""
import importlib.util
import json
import shutil
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import manifest
from compare import difference
from page import Block, Page
from sandbox import Sandbox

PROGRAMS = {"sh": ["bash", "-euo", "pipefail"], "python": ["python"], "js": ["node"]}
SUFFIX = {"sh": ".sh", "python": ".py", "js": ".mjs"}
LAST_LINES = 30


@dataclass
class Outcome:
    page: str
    ran: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0


class Failed(Exception):
    pass


def run_page(page: Page, root: Path, foretold: Path, folder: Path) -> Outcome:
    outcome, start = Outcome(page.name), time.monotonic()
    place = Path(tempfile.mkdtemp(prefix=page.name.replace(".md", "-"), dir=folder))
    cache = folder / "cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    sandbox = Sandbox(root, place, foretold, cache)
    try:
        runner = Runner(sandbox, root, outcome)
        for block in page.blocks:
            runner.block(block)
    finally:
        sandbox.close()
    outcome.seconds = time.monotonic() - start
    return outcome


class Runner:
    def __init__(self, sandbox: Sandbox, root: Path, outcome: Outcome) -> None:
        self.sandbox, self.root, self.outcome = sandbox, root, outcome
        self.count = 0
        self.was_skipped = False
        self.broken: str | None = None  # the place of a server that did not start
        self.printed = lambda stream: ""  # what the block before printed, by stream

    def block(self, block: Block) -> None:
        if block.get("expect") is not None:
            if not self.was_skipped:
                self.attempt(block, self.expect)
            return
        reason = why_skipped(block)
        action = None if reason else self.action(block)
        if reason:
            self.was_skipped = True
            self.outcome.skipped.append((block.place, reason))
        elif action:
            self.was_skipped = False
            self.attempt(block, action)

    def attempt(self, block: Block, action) -> None:
        if self.broken:
            self.outcome.failed.append((block.place, f"not run, since {self.broken} failed"))
            return
        try:
            action(block)
            self.outcome.ran.append(block.place)
        except (Failed, RuntimeError, OSError, ValueError) as error:
            self.outcome.failed.append((block.place, str(error) or repr(error)))
            self.broken = block.place if action == self.serve else None

    def action(self, block: Block):
        if block.get("file"):
            return self.write
        if (block.get("run") or "").startswith("background"):
            return self.serve
        if block.language in PROGRAMS:
            return self.program
        return {"json": self.json, "toml": self.toml, "rust": self.rust, "ts": self.ts}.get(block.language)

    def write(self, block: Block) -> None:
        self.setup(block)
        if check := {"json": self.json, "toml": self.toml}.get(block.language):
            check(block)
        self.sandbox.write(block.get("file"), block.text)

    def program(self, block: Block) -> None:
        self.setup(block)
        path = self.script(block)
        done = self.sandbox.run(*PROGRAMS[block.language], path)
        self.printed = lambda stream: done.stderr if stream == "stderr" else done.stdout
        if (done.returncode != 0) != (block.get("run") == "fails"):
            end = "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])
            raise Failed(f"ended with {done.returncode}\n{end}")

    def serve(self, block: Block) -> None:
        self.setup(block)
        _, _, port = block.get("run").partition(",")
        server = self.sandbox.serve(int(port or 8080), *PROGRAMS[block.language], self.script(block))
        self.printed = lambda stream: server.text()

    def setup(self, block: Block) -> None:
        for command in block.all("setup"):
            done = self.sandbox.run("bash", "-euo", "pipefail", "-c", self.sandbox.with_ports(command))
            if done.returncode != 0:
                raise Failed(f"its setup ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def script(self, block: Block) -> str:
        text = block.text
        for replacement in block.all("replace"):
            old, new = replacement.split("=>")
            if old.strip() not in text:
                raise Failed(f"{old.strip()!r} is not there to be replaced")
            text = text.replace(old.strip(), new.strip())
        self.count += 1
        path = f"block-{self.count}{SUFFIX[block.language]}"
        self.sandbox.write(path, text)
        return path

    def expect(self, block: Block) -> None:
        if found := difference(block.text, self.printed(block.get("expect"))):
            raise Failed(found)

    def json(self, block: Block) -> None:
        json.loads(block.text)

    def toml(self, block: Block) -> None:
        document = tomllib.loads(block.text)
        if manifest.is_one(document) and (error := manifest.error(self.sandbox, block.text, document)):
            raise Failed(error)

    def rust(self, block: Block) -> None:
        lines = (self.root / "host" / "src" / "lib.rs").read_text("utf-8").splitlines()
        docs = [line.removeprefix("//!").strip() for line in lines if line.startswith("//!")]
        shown = "\n".join(line for line in docs if line and not line.startswith("# "))
        text = "\n".join(line.strip() for line in block.text.splitlines() if line.strip())
        if text not in shown:
            raise Failed("this code does not stand in the documentation of host/src/lib.rs")

    def ts(self, block: Block) -> None:
        raise Failed("a ts block needs <!-- file: … -->")


def why_skipped(block: Block) -> str | None:
    kind, _, rest = (block.get("run") or "").partition(" ")
    if kind == "skip,":
        if not rest:
            raise SystemExit(f"{block.place}: skip needs a reason")
        return rest
    if kind == "needs":
        lacking = [name for name in rest.split() if not shutil.which(name) and importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(lacking)}" if lacking else None
    if kind not in ("", "background", "background,", "fails"):
        raise SystemExit(f"{block.place}: {kind!r} is not known")
    return None
