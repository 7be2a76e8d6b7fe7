"""Tests the example with a dict, a real redis-server and, if its command is given, a real `foretold serve`.

    .venv/bin/python examples/python/test_example.py COMPONENT [FORETOLD]
"""
import json
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import share_redis  # noqa: E402
from example import redis_store  # noqa: E402
from foretold_predictor import DictStore, InvalidRow, Predictor  # noqa: E402
from share_redis import check  # noqa: E402

MODEL = ROOT / "models" / "credit"
SAMPLE = json.loads((MODEL / "sample.json").read_text("utf-8"))
STORED = "foretold; fwd=miss; stored"
ROWS = 50
TTL_SECONDS = 3600
ENTRY_BYTES = 12  # time, check, one output


def main() -> None:
    component, *foretold = sys.argv[1:]
    # Where SIGINT is ignored, as under `nohup … &`, Python does not set its own handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    golden = golden_rows()
    dict_hits(component)
    expired(component)
    bits(component, golden)
    wrong_values(component)
    failing_stores(component)
    threads(component, golden)
    example_prints(component)
    with ExitStack() as stack:
        server = share_redis.Server(stack)
        redis_hits(component, server)
        for command in foretold:
            shares_with_host(component, golden, server, Host(stack, command, server))
            every_kind(command, stack.enter_context(tempfile.TemporaryDirectory()))
            vectors(command, stack.enter_context(tempfile.TemporaryDirectory()))
    print(f"examples/python: passed{'' if foretold else ', without a host'}")


def golden_rows() -> list[tuple[dict[str, Any], bytes]]:
    """Rows, each with the bits of its probability."""
    golden = json.loads((MODEL / "golden.json").read_text("utf-8"))
    rows = [
        (dict(zip(golden["features"], row["features"])), bits_of(row["outputs"][0]))
        for row in random.Random(0).sample(golden["rows"], ROWS)
    ]
    return list({json.dumps(row): (row, output) for row, output in rows}.values())


def bits_of(output: float) -> bytes:
    return struct.pack("<f", output)


def dict_hits(component: str) -> None:
    entries: dict[str, bytes] = {}
    first = Predictor(component, DictStore(entries))
    description = first.describe()
    check(description.ttl_seconds == TTL_SECONDS, f"the time to live is {description.ttl_seconds} s")
    check([feature.name for feature in description.features] == [*SAMPLE], f"features: {description.features}")
    check({feature.name: feature.example for feature in description.features} == SAMPLE, "examples are no sample")
    [age] = [feature for feature in description.features if feature.name == "age_in_years"]
    check((age.type, age.domain) == ("integer", {"minimum": 18, "maximum": 127}), f"age_in_years: {age}")

    miss, hit = first.predict(SAMPLE), first.predict(SAMPLE)
    check(miss.cache.status == STORED and not miss.cache.hit, f"first: {miss}")
    check(hit.cache.hit and hit.cache.age_seconds is not None and hit.cache.age_seconds < 60, f"second: {hit}")
    check(miss.outputs == hit.outputs, f"{miss} is not {hit}")
    other = Predictor(component, DictStore(entries)).predict(SAMPLE)
    check(other.cache.hit and other.outputs == hit.outputs, f"another predictor over the same dict: {other}")
    check([len(entry) for entry in entries.values()] == [ENTRY_BYTES], f"entries: {entries}")

    answers = {endpoint: first.answer(endpoint, SAMPLE) for endpoint in description.endpoints}
    values = {endpoint: answer.value for endpoint, answer in answers.items()}
    probability = miss.outputs["probability"]
    expected = {"/decisions": "ACCEPT", "/probabilities": probability, "/risk_categories": "MEDIUM"}
    check(values == expected, f"answers: {values}")
    check(all(answer.cache.hit for answer in answers.values()), f"answers that are no hits: {answers}")
    raised(ValueError, "/x", lambda: first.answer("/x", SAMPLE))
    raised(ValueError, "ttl_seconds", lambda: Predictor(component, DictStore(), {"ttl_seconds": "never"}))


def expired(component: str) -> None:
    """A store that keeps entries for too long does no harm."""
    predictor = Predictor(component, store := DictStore(), {"ttl_seconds": "1"})
    predictor.predict(SAMPLE)
    time.sleep(2)
    status = predictor.predict(SAMPLE).cache.status
    check(status == "foretold; fwd=stale; stored", f"an expired entry: {status}")
    check(len(store.entries) == 1, f"an expired entry was not replaced: {store.entries}")


def bits(component: str, golden: list[tuple[dict[str, Any], bytes]]) -> None:
    predictor = Predictor(component, DictStore())
    for expected in (False, True):
        predictions = predictor.predict_many(row for row, _ in golden)
        for (row, output), prediction in zip(golden, predictions, strict=True):
            check(bits_of(prediction.outputs["probability"]) == output, f"{row}: {prediction}")
            check(prediction.cache.hit == expected, f"{row}: {prediction}")


def wrong_values(component: str) -> None:
    predictor = Predictor(component, store := DictStore())
    for value, found in [
        (17, "17"),
        (30.5, "30.5"),
        (True, "true"),
        ("30", "30"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
        (2**64 + 30, "e19"),
        (-(10**400), "-inf"),
    ]:
        row = {**SAMPLE, "age_in_years": value}
        [error] = raised(InvalidRow, "age_in_years", lambda: predictor.predict(row)).errors
        check(error.field == "age_in_years" and found in (error.value or ""), f"{value}: {error}")
        check(error.expected == "an integer from 18 to 127", f"{value}: {error}")
        check(error.detail.startswith("age_in_years: expected an integer from 18 to 127, got "), f"{value}: {error}")

    missing = {**SAMPLE, "age_in_years": None}
    [error] = raised(InvalidRow, "age_in_years", lambda: predictor.predict(missing)).errors
    check(error.detail == "age_in_years is missing: expected an integer from 18 to 127", f"{error}")

    several = {**SAMPLE, "age_in_years": 17, "foreign_worker": "maybe"}
    errors = raised(InvalidRow, "maybe", lambda: predictor.answer("/decisions", several)).errors
    check([error.field for error in errors] == ["age_in_years", "foreign_worker"], f"{errors}")
    raised(InvalidRow, "colour", lambda: predictor.predict({**SAMPLE, "colour": "red"}))
    raised(TypeError, "age_in_years", lambda: predictor.predict({**SAMPLE, "age_in_years": {30}}))
    check(not store.entries, f"a wrong row was stored: {store.entries}")
    wrong, right = predictor.predict_many([several, SAMPLE])
    check(isinstance(wrong, InvalidRow), f"a wrong row among others: {wrong}")
    check(right.cache.status == STORED, f"a right row beside a wrong one: {right}")


def failing_stores(component: str) -> None:
    expected = Predictor(component, DictStore()).predict(SAMPLE).outputs
    predictor = Predictor(component, store := FailingStore())
    for get, set, status in [
        (OSError("away"), OSError("away"), "foretold; fwd=miss; detail=store-unavailable"),
        (None, OSError("full"), "foretold; fwd=miss; detail=not-stored"),
        (None, None, STORED),
    ]:
        store.on_get, store.on_set = get, set
        prediction = predictor.predict(SAMPLE)
        check(prediction.outputs == expected, f"get raises {get!r}, set {set!r}: {prediction}")
        check(prediction.cache.status == status, f"get raises {get!r}, set {set!r}: {prediction}")
    check(predictor.predict(SAMPLE).cache.hit, "no hit after the store has come back")
    store.on_get = SystemExit()
    raised(SystemExit, "", lambda: predictor.predict(SAMPLE))
    store.on_get = None
    check(predictor.predict(SAMPLE).cache.hit, "no hit after an interrupted look-up")
    predictor = Predictor(component, interrupted := InterruptedStore())
    raised(KeyboardInterrupt, "", lambda: predictor.predict(SAMPLE))
    check(len(interrupted.entries) == 1, "Ctrl-C did not wait for the end of a call")
    check(signal.getsignal(signal.SIGINT) is signal.default_int_handler, "Ctrl-C is handled otherwise afterwards")


class FailingStore(DictStore):
    on_get: BaseException | None = None
    on_set: BaseException | None = None

    def get(self, key: str) -> bytes | None:
        if self.on_get:
            raise self.on_get
        return super().get(key)

    def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        if self.on_set:
            raise self.on_set
        super().set(key, value, ttl_seconds)


class InterruptedStore(DictStore):
    def get(self, key: str) -> bytes | None:
        signal.raise_signal(signal.SIGINT)
        return super().get(key)


def threads(component: str, golden: list[tuple[dict[str, Any], bytes]]) -> None:
    """Four share a predictor, four have their own over the same entries."""
    entries: dict[str, bytes] = {}
    shared = Predictor(component, DictStore(entries))
    right = []

    def run(predictor: Predictor) -> None:
        for row, output in golden * 2:
            right.append(bits_of(predictor.predict(row).outputs["probability"]) == output)

    own = [Predictor(component, DictStore(entries)) for _ in range(4)]
    running = [threading.Thread(target=run, args=[predictor]) for predictor in [shared] * 4 + own]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    sys.setswitchinterval(interval)
    check(right == [True] * 16 * len(golden), f"of 8 threads: {right.count(True)} right of {16 * len(golden)}")


def example_prints(component: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("example.py")), component]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    check(len(lines) == 5 and STORED in lines[0], f"example.py prints {lines}")
    check(all("hit; ttl=" in line for line in lines[1:]), f"example.py prints {lines}")


def redis_hits(component: str, server: share_redis.Server) -> None:
    miss = Predictor(component, redis_store(server.url, share_redis.STORE_TIMEOUT_MS / 1000)).predict(SAMPLE)
    hit = Predictor(component, redis_store(server.url, share_redis.STORE_TIMEOUT_MS / 1000)).predict(SAMPLE)
    check(miss.cache.status == STORED, f"first: {miss}")
    check(hit.cache.hit and hit.outputs == miss.outputs, f"{hit} after {miss}")
    [key] = server.keys()
    ttl = server.client.ttl(key)
    check(TTL_SECONDS - 60 < ttl <= TTL_SECONDS, f"{key!r} has a time to live of {ttl} s")


class Host(share_redis.Foretold):
    """`foretold serve` with its default keys and layout. Without a near cache: a key that is deleted behind
    its back is gone for it, too."""

    def __init__(self, stack: ExitStack, command: str, server: share_redis.Server) -> None:
        port = share_redis.free_port()
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        share_redis.start(stack, port, command, "serve", str(MODEL), "--listen", f"127.0.0.1:{port}",
                          "--store", server.url, "--store-timeout-ms", str(share_redis.STORE_TIMEOUT_MS),
                          "--near-cache-mib", "0", "--writes", "waited", "--cache-dir", cache, "--no-snapshot", "--log", "error")
        share_redis.Service.__init__(self, port)


def shares_with_host(
    component: str, golden: list[tuple[dict[str, Any], bytes]], server: share_redis.Server, host: Host
) -> None:
    predictor = Predictor(component, redis_store(server.url, share_redis.STORE_TIMEOUT_MS / 1000))

    def ask_python(row: dict[str, Any], output: bytes) -> str:
        prediction = predictor.predict(row)
        check(bits_of(prediction.outputs["probability"]) == output, f"Python: {row}: {prediction}")
        status = prediction.cache.status
        return "hit" if prediction.cache.hit else "miss" if status == STORED else status

    def ask_host(row: dict[str, Any], output: bytes) -> str:
        answer, found = host.ask("/probabilities", json.dumps(row))
        check(bits_of(answer["probability"]) == output, f"host: {row}: {answer}")
        return found

    stored = []
    for first, second in [(ask_python, ask_host), (ask_host, ask_python)]:
        server.empty()
        for ask, expected in [(first, "miss"), (second, "hit")]:
            for row, output in golden:
                found = ask(row, output)
                check(found == expected, f"{ask.__name__}, after {first.__name__}: {found} for {row}")
        keys = server.keys()
        check(len(keys) == len(golden), f"{len(keys)} keys for {len(golden)} rows")
        stored.append({key: entry(server.client.get(key)) for key in keys})
    check(stored[0] == stored[1], f"entries differ: {stored}")


def entry(value: bytes) -> tuple[int, bytes]:
    """What does not depend on when it was written: its length and its outputs."""
    return len(value), value[8:]


def every_kind(command: str, folder: str) -> None:
    """A model with booleans and optional features."""
    component = f"{folder}/kinds.wasm"
    model = ROOT / "tests" / "python" / "kinds"
    subprocess.run([command, "bake", model, "--target", "library", "-o", component], check=True, capture_output=True)
    predictor = Predictor(component, store := DictStore())
    features = predictor.describe().features
    row = {feature.name: feature.example for feature in features}
    [boolean] = [feature.name for feature in features if feature.type == "boolean"]
    optional = [feature.name for feature in features if feature.optional]
    check(len(optional) == 2, f"optional: {optional}")
    rows = [row, {**row, boolean: not row[boolean]}, *({**row, name: None} for name in optional)]
    statuses = [prediction.cache.status for prediction in map(predictor.predict, rows)]
    check(statuses == [STORED] * 4 and len(store.entries) == 4, f"{statuses} for {rows}")
    without = {name: value for name, value in row.items() if name != optional[0]}
    check(predictor.predict(without).cache.hit, f"{optional[0]} left out is not the same as None")
    raised(InvalidRow, boolean, lambda: predictor.predict({**row, boolean: 1}))


def vectors(command: str, folder: str) -> None:
    """A model that takes three numbers as one feature."""
    report = ROOT / "tests" / "reports" / "vector"
    component = f"{folder}/vector.wasm"
    subprocess.run([command, "bake", report, "--target", "library", "-o", component], check=True, capture_output=True)
    predictor = Predictor(component, DictStore())
    feature = predictor.describe().features[0]
    check((feature.type, feature.length, list(feature.example)) == ("number", 3, [1.0, 2.0, 3.5]), f"described: {feature}")
    for row, expected in zip(*(json.loads((report / name).read_text("utf-8")) for name in ("rows.json", "expected.json"))):
        found = predictor.predict(row)
        check(abs(found.outputs["value"] - expected["value"]) < 1e-5, f"{row}: {found}, expected {expected}")
    raised(InvalidRow, "num[1]: expected a number", lambda: predictor.predict({"num": [1, None, 3], "cat": "a"}))
    raised(TypeError, "num: expected None", lambda: predictor.predict({"num": ["1"], "cat": "a"}))


def raised(expected: type, part: str, call: Callable[[], Any]) -> Any:
    """What a call raises, which must be of a class and have a part in its message."""
    try:
        result = call()
    except BaseException as error:
        check(isinstance(error, expected) and part in str(error), f"expected {expected} with {part}, got {error!r}")
        return error
    sys.exit(f"expected {expected} with {part}, got {result}")


if __name__ == "__main__":
    main()
