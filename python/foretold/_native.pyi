"""The native module: bytes go in and out."""

from foretold._stores import Store

__version__: str

def run_command(arguments: list[str]) -> int:
    """Runs the command, the first argument being its name, and gives the exit code. Once in a process."""

class Model:
    """A model over a store. Calls take turns; the interpreter's lock is released meanwhile."""

    def __new__(
        cls,
        path: str,
        store: Store | None,
        *,
        keys: str,
        ttl_seconds: int | None,
        key_secret: bytes | None,
        mac_secret: bytes | None,
    ) -> Model: ...
    def describe(self) -> str:
        """What the model takes and gives, as JSON."""

    def post(self, target: str, body: bytes) -> tuple[int, bytes, str, int]:
        """Answers JSON as the service does: status, body, `Cache-Status` and how many rows were hits."""
