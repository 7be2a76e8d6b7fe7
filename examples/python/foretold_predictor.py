"""Predictions inside a Python program, by a component that `foretold bake --target library` has made.

    predictor = Predictor("credit-library.wasm", DictStore())
    prediction = predictor.predict({"age_in_years": 30, ...})
    prediction.outputs["probability"], prediction.cache.hit

The component checks rows, makes keys and entries, and runs the model. The program supplies the store.
"""
from __future__ import annotations

import numbers
import os
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Union

import wasmtime
from wasmtime.component import Component, Instance, Linker, Record, ResourceAny, ResourceHost, ResourceType, Variant
from wasmtime.component._types import VariantLikeType

if TYPE_CHECKING:
    import redis

INTERFACE = "foretold:component/predictor@0.1.0"
STORE = "wasi:keyvalue/store@0.2.0-draft"
BUCKET = 1  # a number for the resource type, of no meaning to anybody else
S64 = range(-(2**63), 2**63)

Value = Union[None, bool, int, float, str, Sequence[Union[int, float, None]]]
Row = Mapping[str, Value]


class Store(Protocol):
    """Where entries are kept. It may forget entries at any time, and raise: predictions are then computed."""

    def get(self, key: str) -> bytes | None:
        """The value under a key, or None where there is none."""

    def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        """Puts a value under a key. After `ttl_seconds` it is of no more use."""


class DictStore:
    """Entries in a dict, or another mapping. Those that have expired are replaced when asked for, never removed."""

    def __init__(self, entries: MutableMapping[str, bytes] | None = None) -> None:
        self.entries: MutableMapping[str, bytes] = {} if entries is None else entries

    def get(self, key: str) -> bytes | None:
        return self.entries.get(key)

    def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        self.entries[key] = value


class RedisStore:
    """Entries in Redis, as `foretold serve --store redis://…` has them in its default layout.

    Every prediction waits for the client: give it short timeouts and no retries.
    """

    def __init__(self, client: redis.Redis) -> None:
        if client.get_encoder().decode_responses:
            raise ValueError("entries are bytes: make the client without decode_responses")
        self.client = client

    def get(self, key: str) -> bytes | None:
        return self.client.get(key)  # type: ignore[return-value]

    def set(self, key: str, value: bytes, ttl_seconds: int) -> None:
        self.client.set(key, value, ex=ttl_seconds)


@dataclass(frozen=True)
class Feature:
    """One input of the model."""

    name: str
    type: str
    """`number`, `integer`, `boolean` or `category`."""
    domain: dict[str, Any]
    """What is accepted: `minimum` and `maximum` (inclusive), `step` and `round`, or `categories`."""
    length: int | None
    """How many such elements it has, if it is a vector."""
    optional: bool
    """Whether it may be left out or None; of a vector elements, too."""
    unit: str | None
    description: str
    example: Value


@dataclass(frozen=True)
class Description:
    """What the model takes and gives."""

    model: str
    model_id: str
    """Digest of everything that decides the outputs; it stands in the keys."""
    description: str
    ttl_seconds: int
    """Longest that an entry is served."""
    features: list[Feature]
    outputs: list[str]
    endpoints: list[str]


@dataclass(frozen=True)
class Cache:
    """What the cache did for a row."""

    hit: bool
    age_seconds: int | None
    """Seconds since the outputs were computed, on a hit."""
    ttl_seconds: int | None
    """Seconds that the entry will still be served, on a hit."""
    status: str
    """The same as the header `Cache-Status` says it, e.g. `foretold; fwd=miss; stored`."""


@dataclass(frozen=True)
class Prediction:
    outputs: dict[str, float]
    """By name; exact values of 32-bit floats."""
    cache: Cache


@dataclass(frozen=True)
class Answer:
    value: float | str
    """What the endpoint makes of the outputs: the number or a label."""
    cache: Cache


@dataclass(frozen=True)
class FieldError:
    field: str
    """Empty where the whole row is meant."""
    value: str | None
    """What was found, as text."""
    expected: str
    """E.g. `an integer from 18 to 127`."""
    detail: str
    """The whole sentence."""


class RowError(Exception):
    """A row gets no prediction."""


class InvalidRow(RowError):
    """Some fields of a row are wrong; `errors` has all of them."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(error.detail for error in errors))
        self.errors = errors


class ModelFailed(RowError):
    """The model could not be run on a row."""


class Predictor:
    """A model and a store, ready to predict.

    Threads may share it; their calls take turns. The store must not call the predictor.
    """

    def __init__(
        self, path: str | os.PathLike[str], store: Store, variables: Mapping[str, str] | None = None
    ) -> None:
        """Compiles the component, which takes seconds the first time; wasmtime keeps the result in its cache folder.

        `variables` are those of `configure` in wit/component.wit, e.g. `{"ttl_seconds": "60"}`.

        Raises OSError if the file cannot be read, `wasmtime.WasmtimeError` if it is no such component, ValueError
        for wrong variables.
        """
        config = wasmtime.Config()
        try:
            config.cache = True
        except wasmtime.WasmtimeError as error:
            warnings.warn(f"no cache folder for compiled components, so every start compiles: {error}", stacklevel=2)
        self._engine = wasmtime.Engine(config)
        self._component = Component.from_file(self._engine, path)
        self._bucket = _Bucket(store)
        self._linker = _linker(self._engine, self._bucket)
        self._variables = [*(variables or {}).items()]
        self._lock = threading.Lock()
        self._instance: tuple[wasmtime.Store, Instance] | None = None
        self._description = _description(self._call("describe"))
        self._bucket.ttl_seconds = self._description.ttl_seconds

    def describe(self) -> Description:
        """What the model takes and gives."""
        return self._description

    def predict(self, row: Row) -> Prediction:
        """The outputs for a row: the features by name, in any order.

        Raises InvalidRow or ModelFailed; TypeError for a value that is none of None, bool, int, float and str, and
        UnicodeEncodeError for text with half a surrogate pair; `wasmtime.WasmtimeError` if the component broke
        down: the next call has a new instance.
        """
        return _raised(self.predict_many([row])[0])

    def predict_many(self, rows: Iterable[Row]) -> list[Prediction | RowError]:
        """The outputs for some rows, in their order; a row that gets none has its error in its place.

        Raises as `predict` does otherwise.
        """
        names = self._description.outputs
        results = self._call("predict", [_row(row) for row in rows])
        return [_prediction(names, result) for result in results]

    def answer(self, endpoint: str, row: Row) -> Answer:
        """What an endpoint answers for a row, e.g. `/decisions`.

        Raises ValueError if there is no such endpoint, and as `predict` does.
        """
        [result] = self._call("answer", endpoint, [_row(row)])
        if not isinstance(result, Record):
            raise _row_error(result)
        fields = _fields(result)
        return Answer(fields["value"], Cache(**_fields(fields["cache"])))

    def _call(self, name: str, *arguments: Any) -> Any:
        # Two calls at once would break the instance's memory: wasmtime lets go of Python's own lock.
        with self._lock:
            if self._instance is None:
                self._instance = self._instantiate()
            self._bucket.interrupt = None
            try:
                with _interrupts_wait():
                    result = _function(*self._instance, name)(self._instance[0], *arguments)
            except BaseException:
                # An instance that broke down can never be called again.
                self._instance = None
                raise
            if self._bucket.interrupt is not None:
                raise self._bucket.interrupt
        if isinstance(result, str):
            raise ValueError(result)
        return result

    def _instantiate(self) -> tuple[wasmtime.Store, Instance]:
        store = wasmtime.Store(self._engine)
        wasi = wasmtime.WasiConfig()
        wasi.inherit_stderr()  # where a panic says what happened
        store.set_wasi(wasi)
        instance = self._linker.instantiate(store, self._component)
        error = _function(store, instance, "configure")(store, self._variables)
        if error is not None:
            raise ValueError(error)
        return store, instance


class _Bucket:
    """The resource `bucket` of wasi:keyvalue. There is one store, so a handle says nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ttl_seconds = 0
        self.interrupt: BaseException | None = None

    def open(self, _: wasmtime.Store, label: str) -> ResourceHost:
        return ResourceHost.own(0, BUCKET)

    def get(self, context: wasmtime.Store, bucket: ResourceAny, key: str) -> _Case:
        bucket.drop(context)  # the package does not, and a borrowed handle must not outlive the call
        try:
            value = self.store.get(key)
            return _Case("ok", _Case("none") if value is None else _Case("some", bytes(value)))
        except BaseException as error:
            return self._refuse(error)

    def set(self, context: wasmtime.Store, bucket: ResourceAny, key: str, value: bytes) -> _Case:
        bucket.drop(context)
        try:
            self.store.set(key, value, self.ttl_seconds)
            return _Case("ok")
        except BaseException as error:
            return self._refuse(error)

    def _refuse(self, error: BaseException) -> _Case:
        # What is no Exception crashes the process if it leaves a function that the component calls.
        if not isinstance(error, Exception):
            self.interrupt = error
        return _Case("err", _Case("other", f"{error!a}"))


class _Case(Variant):
    """A case of a variant, option or result, by name.

    The package picks the case by the class of the value: it would make an integer of True, and no error of an
    exception in `get`. And it does so in a variable that all threads share.
    """


def _lower(self: VariantLikeType, store: Any, value: Any, by_class: Any = VariantLikeType._lower) -> Any:
    if isinstance(value, _Case):
        self._tagged = lambda: True  # type: ignore[method-assign]
    return by_class(self, store, value)


VariantLikeType._lower = _lower  # type: ignore


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Keeps Ctrl-C until the end, since it can also come while the package itself handles a call of the store."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if received:
            raise KeyboardInterrupt


def _linker(engine: wasmtime.Engine, bucket: _Bucket) -> Linker:
    linker = Linker(engine)
    linker.add_wasip2()
    with linker.root() as root, root.add_instance(STORE) as interface:
        interface.add_resource("bucket", ResourceType.host(BUCKET), lambda _store, _rep: None)
        interface.add_func("open", bucket.open)
        interface.add_func("[method]bucket.get", bucket.get)
        interface.add_func("[method]bucket.set", bucket.set)
    return linker


def _function(store: wasmtime.Store, instance: Instance, name: str) -> Any:
    interface = instance.get_export_index(store, INTERFACE)
    index = interface and instance.get_export_index(store, name, interface)
    if index is None:
        raise wasmtime.WasmtimeError(f"the component has no {INTERFACE}: bake it with --target library")
    return instance.get_func(store, index)


def _row(row: Row) -> list[Record]:
    return [_record(name=name, value=_value(name, value)) for name, value in row.items()]


def _value(name: str, value: Any) -> _Case:
    if value is None:
        return _Case("missing")
    if isinstance(value, bool):
        return _Case("boolean", value)
    if isinstance(value, numbers.Integral) and int(value) in S64:
        return _Case("integer", int(value))
    if isinstance(value, numbers.Real):
        return _Case("number", _float(value))
    if isinstance(value, str):
        return _Case("text", value)
    if isinstance(value, Sequence) and all(element is None or isinstance(element, numbers.Real) for element in value):
        return _Case("vector", [float("nan") if element is None else _float(element) for element in value])
    raise TypeError(f"{name}: expected None, bool, int, float, str or a sequence of numbers, got {value!r}")


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # refused with the field's name, as an infinite number is
        return float("inf") if number > 0 else float("-inf")


def _record(**fields: Any) -> Record:
    record = Record()
    record.__dict__.update(fields)
    return record


def _fields(record: Record) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in vars(record).items()}


def _description(record: Record) -> Description:
    fields = _fields(record)
    return Description(**{**fields, "features": [_feature(feature) for feature in fields["features"]]})


def _feature(record: Record) -> Feature:
    fields = _fields(record)
    case = fields.pop("domain")
    domain = {"categories": case.payload} if case.tag == "category" else _fields(case.payload) if case.payload else {}
    return Feature(type=case.tag, domain=domain, **fields)


def _prediction(names: list[str], result: Any) -> Prediction | RowError:
    if not isinstance(result, Record):
        return _row_error(result)
    fields = _fields(result)
    return Prediction(dict(zip(names, fields["outputs"])), Cache(**_fields(fields["cache"])))


def _row_error(error: list[Record] | str) -> RowError:
    if isinstance(error, str):
        return ModelFailed(error)
    return InvalidRow([FieldError(**_fields(field)) for field in error])


def _raised(result: Prediction | RowError) -> Prediction:
    if isinstance(result, RowError):
        raise result
    return result
