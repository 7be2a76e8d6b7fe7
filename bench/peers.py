"""The servers that are compared: how each is started, and what it takes of the machine.

Each is started anew, with a store of its own, so that what it took and what it keeps are its own.
"""
import http.client
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from load import ALL_ROWS, ROOT, SAMPLE, row

sys.path.insert(0, str(ROOT / "tests" / "fleet"))
from fleet import Client, Host, Redis, Server, free_port  # noqa: E402

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
NO_NEAR_CACHE = ("--near-cache-mib", "0")
# For a thousand connections from one address, and as many instances of a large model: the others have no such limits.
MANY_CLIENTS = ("--max-connections", "2048", "--max-connections-per-address", "2048", "--max-concurrent-requests", "2048",
                "--memory-mib", "8192")
WASMTIME = (sys.executable, "tests/wasmtime.py")
# So that a request does not unmap and map anew what its instance takes.
POOLING = ("-Opooling-allocator=y", "-Opooling-pagemap-scan=y", "-Opooling-memory-keep-resident=1048576",
           "-Opooling-table-keep-resident=65536")
# Rows that are compared; some are accepted and some declined.
COMPARED_ROWS = 40


class Build:
    """What a model is made into, when it is first asked for."""

    def __init__(self, foretold: str, native: str, folder: Path, scratch: Path) -> None:
        self.foretold, self.native, self.folder, self.scratch = foretold, native, folder, scratch

    @cached_property
    def edge(self) -> Path:
        return self.bake("edge")

    @cached_property
    def spin(self) -> Path:
        return self.bake("spin")

    @cached_property
    def precompiled(self) -> Path:
        """For wasmtime, which else compiles at each start."""
        path = self.scratch / f"{self.folder.name}.cwasm"
        command(*WASMTIME, "compile", str(self.edge), "-o", str(path))
        return path

    def bake(self, target: str) -> Path:
        path = self.scratch / f"{self.folder.name}-{target}.wasm"
        command(self.foretold, "bake", str(self.folder), "--target", target, "-o", str(path))
        return path


@dataclass(frozen=True)
class Peer:
    """A server to measure, with what it goes to behind it."""

    title: str
    # Gives the servers, the first of which is asked.
    start: Callable[[ExitStack, Build], list[Server]]
    is_ours: bool = False
    # Else it answers every row as it does the sample.
    has_model: bool = True
    has_cache: bool = True
    takes_arrays: bool = False
    # Programs and Python modules that it needs besides.
    needs: tuple[str, ...] = ()

    def lacks(self) -> list[str]:
        return [name for name in self.needs if not shutil.which(name) and importlib.util.find_spec(name) is None]


class Gentle(Server):
    """Ended so that it can end its own processes."""

    def kill(self) -> None:
        self.end()


def start(server: Server) -> Server:
    server.start()
    return server


def native(cache: str) -> Callable[[ExitStack, Build], list[Server]]:
    def begin(stack: ExitStack, build: Build) -> list[Server]:
        behind = [] if cache == "none" else [Redis(stack)]
        urls = [redis.url for redis in behind]
        return [start(Server(stack, port := free_port(), build.native, f"127.0.0.1:{port}", cache, *urls)), *behind]

    return begin


def fastapi(stack: ExitStack, build: Build) -> list[Server]:
    redis = Redis(stack)
    return [start(Server(
        stack, port := free_port(), "env", f"REDIS_URL={redis.url}", f"CREDIT_MODEL={build.folder / 'model.onnx'}",
        sys.executable, "-m", "uvicorn", "--app-dir", "tests/python", "--factory", "credit:app", "--port", str(port),
        "--log-level", "warning", "--no-access-log")), redis]


NGINX = """
daemon off;
worker_processes auto;
pid FOLDER/pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/temp;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  proxy_cache_path FOLDER/cache keys_zone=answers:128m inactive=1h;
  # The variable with the body has what lies in memory.
  client_body_in_single_buffer on;
  client_body_buffer_size 64k;
  upstream service { server 127.0.0.1:SERVICE; keepalive 64; }
  server {
    listen 127.0.0.1:PORT backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header connection '';
    proxy_cache answers;
    proxy_cache_methods POST;
    proxy_cache_key $request_uri$content_type$request_body;
    proxy_cache_valid 200 1h;
    location / { proxy_pass http://service; }
  }
}
"""


def nginx(stack: ExitStack, build: Build) -> list[Server]:
    behind = fastapi(stack, build)
    folder, port = scratch_folder(stack), free_port()
    text = NGINX.replace("FOLDER", str(folder)).replace("SERVICE", str(behind[0].port)).replace("PORT", str(port))
    (folder / "nginx.conf").write_text(text, "utf-8")
    return [start(Gentle(stack, port, "nginx", "-e", "stderr", "-c", str(folder / "nginx.conf"))), *behind]


def wasmtime(*flags: str) -> Callable[[ExitStack, Build], list[Server]]:
    def begin(stack: ExitStack, build: Build) -> list[Server]:
        return [start(Server(stack, port := free_port(), *WASMTIME, "serve", *flags, "-Scli", "-Skeyvalue", "--env",
                             "FORETOLD_STORE=", "--allow-precompiled", "--addr", f"127.0.0.1:{port}", str(build.precompiled)))]

    return begin


def spin(stack: ExitStack, build: Build) -> list[Server]:
    redis, folder, port = Redis(stack), scratch_folder(stack), free_port()
    application = (ROOT / "spin.toml").read_text("utf-8").replace("dist/credit-spin.wasm", str(build.spin))
    (folder / "spin.toml").write_text(application, "utf-8")
    store = (ROOT / "deploy" / "runtime-config.toml").read_text("utf-8").replace("redis://127.0.0.1:6379", redis.url)
    (folder / "store.toml").write_text(store, "utf-8")
    return [start(Gentle(stack, port, "spin", "up", "--quiet", "--listen", f"127.0.0.1:{port}", "--state-dir",
                         str(folder / "state"), "--runtime-config-file", str(folder / "store.toml"), "--from",
                         str(folder / "spin.toml"))), redis]


def foretold(store: str, *options: str, artefact: str = "edge") -> Callable[[ExitStack, Build], list[Server]]:
    def begin(stack: ExitStack, build: Build) -> list[Server]:
        behind = [Redis(stack)] if store == "redis" else []
        url = behind[0].url if behind else "memory:"
        return [Host(stack, build.foretold, url, *MANY_CLIENTS, *options, source=getattr(build, artefact)), *behind]

    return begin


OURS = {"is_ours": True, "takes_arrays": True}
PEERS = {
    "native": Peer("native, nothing kept", native("none"), has_model=False, has_cache=False),
    "memory": Peer("foretold, memory", foretold("memory"), **OURS),
    "redis": Peer("foretold, Redis", foretold("redis"), **OURS),
    "native-near": Peer("native, its own near cache, Redis", native("near"), has_model=False),
    "nginx": Peer("nginx proxy_cache, FastAPI, Redis", nginx, needs=("nginx", "uvicorn")),
    "memory-no-near": Peer("foretold, memory, no near cache", foretold("memory", *NO_NEAR_CACHE), **OURS),
    "redis-no-near": Peer("foretold, Redis, no near cache", foretold("redis", *NO_NEAR_CACHE), **OURS),
    "native-redis": Peer("native, Redis", native("redis"), has_model=False),
    "isolate": Peer("foretold --isolate, memory, no near cache", foretold("memory", "--isolate", *NO_NEAR_CACHE), **OURS),
    "spin-artefact": Peer("foretold, artefact for Spin, memory", foretold("memory", *NO_NEAR_CACHE, artefact="spin"), **OURS),
    "spin": Peer("Spin, Redis", spin, is_ours=True, takes_arrays=True, needs=("spin",)),
    "wasmtime": Peer("wasmtime serve, as it is", wasmtime(), has_cache=False, **OURS, needs=("wasmtime_cli",)),
    "wasmtime-pooling": Peer("wasmtime serve, pooling", wasmtime(*POOLING), has_cache=False, **OURS, needs=("wasmtime_cli",)),
    "fastapi": Peer("FastAPI, Redis", fastapi, needs=("uvicorn",)),
}


def check(peers: dict[str, Peer], build: Build) -> None:
    """Ends where two of them answer the same request otherwise: then they are not to be compared."""
    right: dict[str, tuple[object, str]] = {}
    questions = [row(number) for number in random.Random(1).sample(range(ALL_ROWS), COMPARED_ROWS)]
    for peer in peers.values():
        with ExitStack() as stack:
            client = Client(peer.start(stack, build)[0].port)
            stack.callback(client.close)
            asked = [SAMPLE, *(questions if peer.has_model else [])]
            # The second answer may be another one's than the model's.
            for question in asked * 2:
                answer = ask(client, peer, question)
                expected, first = right.setdefault(question, (answer, peer.title))
                if answer != expected:
                    raise SystemExit(f"{peer.title} answers {answer} to {question}, and {first} {expected}")
            if peer.takes_arrays:
                array, single = ask(client, peer, f"[{','.join(asked)}]"), [right[question][0] for question in asked]
                if array != single:
                    raise SystemExit(f"{peer.title} answers {array} to an array, and {single} to its rows")
    if len({str(answer) for answer, _ in right.values()}) == 1 and any(peer.has_model for peer in peers.values()):
        raise SystemExit("all compared rows have the same answer, so nothing was compared")


def ask(client: Client, peer: Peer, body: str) -> object:
    status, text, _ = client.ask("POST", "/decisions", body)
    if status != http.client.OK:
        raise SystemExit(f"{peer.title} answers {status} to {body}:\n{text}")
    return json.loads(text)


@dataclass(frozen=True)
class Usage:
    """What processes have taken since they began."""

    processor_seconds: float
    page_faults: int


def usage(servers: list[Server]) -> Usage:
    seconds, faults = 0.0, 0
    for pid in processes(servers):
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(") ", 1)[1].split()
        faults += int(fields[7])
        seconds += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return Usage(seconds, faults)


def memory_mib(servers: list[Server]) -> float:
    """The proportional set size: what is shared with other processes counts in part."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8") for pid in processes(servers))
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


def processes(servers: list[Server]) -> list[int]:
    """Those of servers, and what these started."""
    found = [server.process.pid for server in servers]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text("utf-8").split())
    return found


def scratch_folder(stack: ExitStack) -> Path:
    """For a server that may give up its rights to read as root."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o755)
    return folder


def command(*words: str) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
