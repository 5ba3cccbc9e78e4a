"""One row of a checkpoint's file."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple
from zlib import crc32


class Kind(IntEnum):
    """What an entry tells. The numbers are in the files."""

    JOB = 1
    ITEMS = 2
    VALUES = 3
    NO_VALUES = 4  # that the values noted before count no more


class Entry(NamedTuple):
    """What was written at one moment, and a checksum of all that.

    Attributes
    ----------
    id
        The nanoseconds since 1970, so that no two are the same, not even after a crash.
    first, length
        Which consecutive items it is about.
    body
        What it tells of them.
    """

    id: int
    kind: int
    first: int
    length: int | None
    body: bytes
    checksum: int

    @classmethod
    def sealed(cls, id_: int, kind: Kind, first: int, length: int | None, body: bytes) -> Entry:
        """Make an entry with its checksum."""
        return cls(id_, kind, first, length, body, _checksum(id_, kind, first, length, body))

    @property
    def is_sound(self) -> bool:
        """Whether it is as it was written. A garbled row may hold anything."""
        *numbers, body, checksum = self
        if not isinstance(body, bytes) or not all(isinstance(n, int | None) for n in numbers):
            return False
        return _checksum(*numbers, body) == checksum


def _checksum(*sealed: Any) -> int:
    *numbers, body = sealed
    text = " ".join("" if number is None else f"{number:d}" for number in numbers)
    return crc32(body, crc32(text.encode()))
