"""The service, in a process of its own."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from html import escape
from types import TracebackType

from foretold._command import command, message
from foretold._errors import CommandError

_SERVING = re.compile(r" at (http://[0-9a-fA-F.:\[\]]+): (POST .*?); store: ")
_LOG_LINES = 1000
# The host goes on accepting for half a second, and ends requests that are under way.
_STOP_SECONDS = 15.0
_running: set[Server] = set()


class Server:
    """A service that `serve` has started. It is stopped by `stop()`, at the end of its `with` block, or with
    this process, however that ends.
    """

    address: str
    """E.g. `http://127.0.0.1:41529`."""
    endpoints: str
    """What answers, e.g. `POST /probabilities, /classes`."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], start_seconds: float) -> None:
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._ready = threading.Event()
        self.address = self.endpoints = ""
        # Not in the session of a terminal or a notebook: interrupting a cell is not meant for the server.
        self._process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True,
        )
        _running.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait(start_seconds)
        except BaseException:
            self.stop()
            raise

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)
            found = _SERVING.search(line)
            if found and not self._ready.is_set():
                self.address, self.endpoints = found[1], found[2]
                self._ready.set()
        self._ready.set()

    def _wait(self, seconds: float) -> None:
        if not self._ready.wait(seconds):
            raise CommandError(f"the server was not ready within {seconds:g} s; give start_seconds more:\n{self.log}")
        if not self.address:
            raise CommandError(message(self.log, self._process.wait()))

    @property
    def log(self) -> str:
        """The last lines that the server has logged."""
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def stop(self) -> None:
        """Stops the server, as SIGTERM does: requests that are under way are answered."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()
        _running.discard(self)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<foretold.Server at {self.address}{'' if self._process.poll() is None else ', stopped'}>"

    def _repr_html_(self) -> str:
        if self._process.poll() is not None:
            return escape(repr(self))
        address = escape(self.address)
        return f'<a href="{address}/">{address}</a>: {escape(self.endpoints)}'


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()


def serve(
    model: str | os.PathLike[str],
    *,
    store: str = "memory:",
    host: str = "127.0.0.1",
    port: int = 0,
    options: Sequence[str] = (),
    start_seconds: float = 120,
) -> Server:
    """Starts the service for a model's folder or a baked file, and waits until it answers.

    Predictions are cached in `store`: `memory:`, `file:PATH`, `redis://…` or what else `foretold serve
    --store` takes; a password in it stays out of the list of processes. Port 0 is a free one. `options` are
    words for the command `foretold serve`, e.g. `["--keys", "digest"]`. The first start with a model takes
    some seconds, at most `start_seconds`.

    Raises CommandError with the server's message if it does not start.

    >>> with foretold.serve("churn/", store="redis://127.0.0.1:6379") as server:
    ...     requests.post(server.address + "/predictions", json={"months": 12, ...}).json()
    {'probability': 0.8503414, 'class': '1'}
    """
    listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    words = command("serve", os.fspath(model), "--listen", listen, *options, watched=True)
    return Server(words, {**os.environ, "FORETOLD_STORE": store}, start_seconds)
