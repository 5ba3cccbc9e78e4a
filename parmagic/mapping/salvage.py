"""The entries that can be read in a journal's file, whatever was done to it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from parmagic.mapping.entry import Entry
from parmagic.mapping.pages import Pages

# Of a file that may be another one no more is read.
_PAGES_OF_STRANGERS = 1024


def entries_left(path: str) -> Iterator[Entry]:
    """Yield the sound entries of the file at ``path``, in no order, some perhaps twice."""
    with _pages(path) as pages:
        yield from pages.rows(_sound)


def entries_in_log(path: str) -> dict[int, Entry]:
    """Return by their ids the sound entries in what SQLite has left beside the file at ``path``.

    There is such a log while the file is open, or after a crash. SQLite reads it up to the first
    damage. Here all is read.
    """
    with _pages(path) as pages:
        return {entry.id: entry for entry in pages.rows_in_log(_sound)}


def has_entries(path: str) -> bool:
    """Tell whether the file at ``path``, which is no SQLite file of ours any more, was one."""
    with _pages(path, _PAGES_OF_STRANGERS) as pages:
        return any(True for _ in pages.rows(_sound))


def _sound(id_: int, columns: tuple[Any, ...]) -> Entry | None:
    if len(columns) != len(Entry._fields):
        return None
    entry = Entry(id_, *columns[1:])
    return entry if entry.is_sound else None


@contextlib.contextmanager
def _pages(path: str, most: int | None = None) -> Iterator[Pages]:
    with _opened(path) as file, _opened(f"{path}-wal") as log:
        yield Pages(file, log, most)


def _opened(path: str) -> BinaryIO:
    return open(path, "rb") if os.path.exists(path) else io.BytesIO()
