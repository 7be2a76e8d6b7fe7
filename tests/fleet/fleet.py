"""What the tests of several hosts start: servers on free ports, hosts, HAProxy, clients that check answers."""
import csv
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "credit"
SAMPLE = json.loads((MODEL / "sample.json").read_text("utf-8"))
# Nobody listens there: a host with this store computes everything.
NO_STORE = "redis://127.0.0.1:1"
START_LIMIT_S = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_until(what: str, holds, limit_s: float = START_LIMIT_S) -> float:
    """Waits until something holds, and gives how many seconds that took."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > limit_s:
            raise SystemExit(f"{what}: not within {limit_s} s")
        time.sleep(0.01)
    return time.monotonic() - start


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Server:
    """A command that listens on a port, and can be ended and started again."""

    def __init__(self, stack: ExitStack, port: int, *command: str) -> None:
        self.port, self.command = port, command
        self.process = None
        # What it said is shown where it is no longer there.
        self.log = stack.enter_context(tempfile.TemporaryFile("w+"))
        stack.callback(self.kill)

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self.log)

        def is_up() -> bool:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit(f"{' '.join(self.command)} ended with {self.process.returncode}:\n{self.log.read()}")
            return listens(self.port)

        wait_until(f"{self.command[0]} listens", is_up)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


class Redis(Server):
    def __init__(self, stack: ExitStack, port: int | None = None) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port = port or free_port()
        program = os.environ.get("FORETOLD_TEST_REDIS", "redis-server")
        super().__init__(stack, port, program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        self.url = f"redis://127.0.0.1:{port}"
        self.start()


class Host(Server):
    """`foretold serve` of the credit model, or of another folder or component; `through` is a command that runs it."""

    def __init__(self, stack: ExitStack, foretold: str, store: str, *options: str, source: Path = MODEL,
                 through: Sequence[str] = ()) -> None:
        self.options = ("--listen", f"127.0.0.1:{(port := free_port())}", "--log", "warn", "--store", store, *options)
        self.foretold = foretold
        super().__init__(stack, port, *through, foretold, "serve", str(source), *self.options)
        self.start()

    def serve(self, source: Path) -> None:
        """What to serve from the next start on."""
        self.command = (self.foretold, "serve", str(source), *self.options)

    def memory_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class HaProxy(Server):
    """The configuration of docs/scaling.md in front of hosts."""

    def __init__(self, stack: ExitStack, hosts: list[Host]) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, self.socket = free_port(), folder / "admin.sock"
        servers = "\n".join(f"    server host{number} 127.0.0.1:{host.port}" for number, host in enumerate(hosts))
        text = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
        if text.strip() not in (ROOT / "docs" / "scaling.md").read_text("utf-8"):
            raise SystemExit("docs/scaling.md shows another configuration than deploy/haproxy.cfg")
        for pattern, line in ((r"    stats socket \S+", f"    stats socket {self.socket}"),
                              (r"    bind \S+", f"    bind 127.0.0.1:{port}"), (r"(    server .*\n?)+", servers + "\n")):
            text, count = re.subn(pattern, line, text)
            if count != 1:
                raise SystemExit(f"deploy/haproxy.cfg: {pattern!r} is there {count} times")
        (folder / "haproxy.cfg").write_text(text, "utf-8")
        super().__init__(stack, port, "haproxy", "-db", "-f", str(folder / "haproxy.cfg"))
        self.start()

    def up(self) -> int:
        """How many hosts it sends requests to."""
        return sum(line["svname"].startswith("host") and line["status"].startswith("UP") for line in self.statistics())

    def statistics(self) -> list[dict[str, str]]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(b"show stat\n")
            text = b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()
        return list(csv.DictReader(line for line in text.removeprefix("# ").splitlines() if line))


class Client:
    """A connection that is kept, as programs keep theirs."""

    def __init__(self, port: int) -> None:
        self.port, self.connection = port, None

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, dict]:
        """Status, body and headers. Only a connection that the server closed while idle is made again."""
        for attempt in (1, 2):
            is_fresh = self.connection is None
            if is_fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.connection.request(method, path, body, {"content-type": "application/json"})
                response = self.connection.getresponse()
                answer = response.status, response.read().decode(), dict(response.getheaders())
                if response.will_close:
                    self.close()
                return answer
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.close()
                if is_fresh or attempt == 2:
                    raise

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Load:
    """Clients that go on asking, each answer compared with the ones that are right."""

    def __init__(self, ports: list[int], questions: list[tuple[str, str, str | None]], pause_s: float = 0.002,
                 clients: int = 8) -> None:
        self.questions, self.pause_s = questions, pause_s
        self.right: list[dict] = []
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.asked, self.hits, self.wrong = 0, 0, []
        # How long each took, in seconds, since who reads it has cleared it.
        self.took: list[float] = []
        self.threads = [threading.Thread(target=self.run, args=(Client(ports[number % len(ports)]), number, clients),
                                         daemon=True) for number in range(clients)]

    def start(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def run(self, client: Client, number: int, clients: int) -> None:
        first = number * len(self.questions) // clients
        for question in itertools.islice(itertools.cycle(self.questions), first, None):
            if self.stopped.is_set():
                return
            start = time.monotonic()
            try:
                status, body, headers = client.ask(*question)
                answer = f"{status} {body}"
                is_hit = headers.get("cache-status", "").startswith("foretold; hit")
            except OSError as error:
                client.close()
                answer, is_hit = repr(error), False
            except http.client.HTTPException as error:
                client.close()
                answer, is_hit = repr(error), False
            with self.lock:
                self.asked += 1
                self.took.append(time.monotonic() - start)
                self.hits += is_hit
                if not any(answers[question] == answer for answers in self.right):
                    self.wrong.append((question, answer))
            time.sleep(self.pause_s)

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def check(self) -> None:
        if self.wrong:
            question, answer = self.wrong[0]
            raise SystemExit(f"{len(self.wrong)} of {self.asked} answers are wrong, the first: {question}: {answer[:500]}")


def answers_of(host: Host, questions: list[tuple[str, str, str | None]]) -> dict:
    """What a host answers, by question."""
    client = Client(host.port)

    def ask(question: tuple) -> str:
        status, body, _ = client.ask(*question)
        return f"{status} {body}"

    return {question: ask(question) for question in questions}


def request(**changes) -> str:
    return json.dumps(SAMPLE | changes)


def rows() -> list[dict]:
    """Different requests, all legal."""
    employments = ["unemployed", "... < 1 year", "1 <= ... < 4 years", "4 <= ... < 7 years"]
    return [SAMPLE | {"age_in_years": age, "present_employment_since": employment}
            for age in range(18, 128) for employment in employments]


def single_questions() -> list[tuple[str, str, str]]:
    paths = itertools.cycle(["/decisions", "/probabilities", "/risk_categories"])
    return [("POST", path, json.dumps(row)) for path, row in zip(paths, rows())]
