"""Items that may be kept for as long as the results are: small, and not to be changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from parmagic.worker.loaded import loaded

_TYPES = frozenset({int, float, complex, bool, str, bytes, type(None)})
_CHARACTERS = 200
_LENGTH = 8
_CHECKED = 10_000
_ARRAY_BYTES = 1 << 20


class Gone:
    """What stands for an item that was not kept."""


GONE = Gone()


def is_plain(item: object) -> bool:
    """Tell whether ``item`` is a number, a short text, a path, or a short tuple of such."""
    kind = type(item)
    if kind in (str, bytes):
        return len(item) <= _CHARACTERS  # type: ignore[arg-type]
    if kind is tuple:
        return len(item) <= _LENGTH and all(map(is_plain, item))  # type: ignore[arg-type, call-overload]
    return kind in _TYPES or issubclass(kind, PurePath)  # isinstance would ask the item


def is_quick_to_print(value: Any) -> bool:
    """Tell whether ``value`` is plain, or a number, date or short text of NumPy."""
    numpy = loaded("numpy")
    if numpy is None or not issubclass(type(value), numpy.generic):
        return is_plain(value)
    return bool(value.dtype.kind != "V" and value.nbytes <= 4 * _CHARACTERS)


def plain_only(items: Sequence[Any]) -> Sequence[Any]:
    """Return ``items`` with `GONE` for those that are not plain; a copy unless it is a range."""
    if isinstance(items, range):
        return items
    if getattr(items, "nbytes", _ARRAY_BYTES) < _ARRAY_BYTES:  # of an array
        return list(items)
    if hasattr(items, "nbytes"):
        return ()
    if len(items) > _CHECKED and is_plain(items[0]) and is_plain(items[-1]):
        return list(items)  # a million items take 3 instead of 100 ms
    return [item if is_plain(item) else GONE for item in items]
