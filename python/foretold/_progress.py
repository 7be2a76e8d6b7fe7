"""A bar for what takes long, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_BATCH = 1000
# Less than that is done before anybody looks.
_SHOWN_FROM = 10 * _BATCH


def batches(rows: Sequence[T], what: str, *, progress: bool) -> Iterator[Sequence[T]]:
    """Rows in batches of a thousand, with a bar of how many have passed."""
    starts = range(0, len(rows), _BATCH)
    bar = _bar(len(rows), what) if progress and len(rows) >= _SHOWN_FROM else None
    try:
        for start in starts:
            batch = rows[start : start + _BATCH]
            yield batch
            if bar is not None:
                bar.update(len(batch))
    finally:
        if bar is not None:
            bar.close()


def _bar(total: int, what: str):  # type: ignore[no-untyped-def]
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=what, unit=" rows", leave=False)
