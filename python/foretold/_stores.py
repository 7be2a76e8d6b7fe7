"""Where a predictor keeps entries."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    import redis


@runtime_checkable
class Store(Protocol):
    """Where entries are kept. It may forget entries at any time, and raise: predictions are then computed."""

    def get_many(self, keys: Sequence[str], /) -> Sequence[bytes | None]:
        """The value under each key, or None where there is none."""
        ...

    def set_many(self, entries: Sequence[tuple[str, bytes]], ttl_seconds: int, /) -> None:
        """Puts values under keys. After `ttl_seconds` they are of no more use."""
        ...


class _MappingStore:
    """Entries in a dict. Those that have expired are replaced when asked for, never removed."""

    def __init__(self, entries: MutableMapping[str, bytes]) -> None:
        self._entries = entries

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._entries.get(key) for key in keys]

    def set_many(self, entries: Sequence[tuple[str, bytes]], ttl_seconds: int) -> None:
        self._entries.update(entries)


class _RedisStore:
    """Entries as `foretold serve --store redis://…` has them in its default layout: one key each."""

    def __init__(self, client: redis.Redis) -> None:
        if client.get_encoder().decode_responses:
            raise ValueError("store: entries are bytes; make the client of Redis without decode_responses")
        self._client = client

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return cast("list[bytes | None]", self._client.mget(keys))

    def set_many(self, entries: Sequence[tuple[str, bytes]], ttl_seconds: int) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for key, value in entries:
            pipeline.set(key, value, ex=ttl_seconds)
        pipeline.execute()


def store_of(given: Any) -> Store | None:
    """The store that a user means: a dict, a client of Redis, an object with the functions, or none."""
    if given is None:
        return None
    if isinstance(given, MutableMapping):
        return _MappingStore(cast("MutableMapping[str, bytes]", given))
    if isinstance(given, Store):
        return given
    if type(given).__name__ == "RedisCluster":
        raise TypeError("store: a client of a Redis Cluster cannot be used; serve with --store redis+cluster://…")
    if hasattr(given, "mget") and hasattr(given, "get_encoder"):
        return _RedisStore(given)
    raise TypeError(
        f"store: expected a dict, a redis.Redis, an object with get_many and set_many, or None, got {given!r}"
    )
