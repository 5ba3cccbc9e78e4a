"""Rows of a damaged SQLite file, found page by page, without SQLite.

A table is a tree of pages, its rows lie in the leaves::

    leaf      [13 | ... cells | offset of each cell ...        cell  cell  cell]
    cell      [bytes of the payload | row id | payload, as far as it fits | page of the rest]
    overflow  [page of the rest | payload]
    payload   [bytes of the header | type of each column ... | columns]

SQLite needs the way from the first page on to be whole. Here each leaf counts that can be read,
in the file or in its write-ahead log. https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")

PAGE_BYTES = 8192

_LEAF = 13
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_FIRST_BLOB = 12
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_CONSTANTS = {8: 0, 9: 1}

Make = Callable[[int, tuple[Any, ...]], T | None]


class Pages:
    """The pages of a file and of its log, whose pages are the newer ones.

    Parameters
    ----------
    file, log
        The file and its ``-wal``, each of which may end anywhere.
    most
        How many pages of each to look at.
    """

    def __init__(self, file: BinaryIO, log: BinaryIO, most: int | None = None) -> None:
        self._file, self._log = file, log
        self._file_bytes, log_bytes = (each.seek(0, os.SEEK_END) for each in (file, log))
        self._starts = range(0, self._file_bytes, PAGE_BYTES)[:most]
        frame_bytes = _FRAME_HEADER_BYTES + PAGE_BYTES
        self._frames = range(_LOG_HEADER_BYTES, log_bytes, frame_bytes)[:most]
        self._nbytes = self._file_bytes + log_bytes
        self._in_log = {_integer(_read(log, frame, 4)): frame for frame in self._frames}

    def rows(self, make: Make[T]) -> Iterator[T]:
        """Yield what ``make`` makes of the rows, in no order, and of some more than once.

        Parameters
        ----------
        make
            Called with the id and the columns of what looks like a row. Garbage may do so too:
            for that it is to return None.
        """
        for start in self._starts:
            yield from self._rows_of(_read(self._file, start), make)
        yield from self.rows_in_log(make)

    def rows_in_log(self, make: Make[T]) -> Iterator[T]:
        """Yield what ``make`` makes of the rows whose leaf is in the log."""
        for frame in self._frames:
            yield from self._rows_of(_read(self._log, frame + _FRAME_HEADER_BYTES), make)

    def _rows_of(self, page: bytes, make: Make[T]) -> Iterator[T]:
        if page[:1] != bytes([_LEAF]):
            return
        for place in range(8, 8 + 2 * _integer(page[3:5]), 2):
            for overflow in (self._page, self._page_of_file):
                with suppress(IndexError, ValueError):  # it is cut short, or garbage
                    id_, payload = self._cell(page, _integer(page[place : place + 2]), overflow)
                    made = make(id_, _columns(payload))
                    if made is not None:
                        yield made
                        break

    def _cell(self, page: bytes, start: int, overflow: Callable[[int], bytes]) -> tuple[int, bytes]:
        nbytes, start = _varint(page, start)
        id_, start = _varint(page, start)
        if nbytes > self._nbytes:
            raise ValueError
        local = _local_bytes(nbytes)
        parts = [page[start : start + local]]
        rest = page[start + local : start + local + 4]
        for place in range(local, nbytes, PAGE_BYTES - 4):
            page = overflow(_integer(rest))
            parts.append(page[4 : 4 + nbytes - place])
            rest = page[:4]
        return id_, b"".join(parts)

    def _page(self, number: int) -> bytes:
        frame = self._in_log.get(number)
        if frame is None:
            return self._page_of_file(number)
        return _read(self._log, frame + _FRAME_HEADER_BYTES)

    def _page_of_file(self, number: int) -> bytes:
        start = (number - 1) * PAGE_BYTES
        if not 0 <= start < self._file_bytes:
            raise ValueError
        return _read(self._file, start)


def _read(file: BinaryIO, start: int, nbytes: int = PAGE_BYTES) -> bytes:
    # Not mapped: where the disk fails that would be a SIGBUS.
    file.seek(start)
    return file.read(nbytes)


def _local_bytes(nbytes: int) -> int:
    """Return how much of a payload lies in the leaf itself."""
    most, least = PAGE_BYTES - 35, (PAGE_BYTES - 12) * 32 // 255 - 23
    if nbytes <= most:
        return nbytes
    local = least + (nbytes - least) % (PAGE_BYTES - 4)
    return local if local <= most else least


def _columns(payload: bytes) -> tuple[Any, ...]:
    end, at = _varint(payload, 0)
    start, columns = end, []
    while at < end:
        kind, at = _varint(payload, at)
        column, start = _column(kind, payload, start)
        columns.append(column)
    return tuple(columns)


def _column(kind: int, payload: bytes, start: int) -> tuple[Any, int]:
    """Return a column, which in our files is no text and no fraction, and where it ends."""
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], start
    if kind >= _FIRST_BLOB:
        end = start + (kind - _FIRST_BLOB) // 2
        return payload[start:end], end
    end = start + _INTEGER_BYTES[kind]
    return int.from_bytes(payload[start:end], "big", signed=True) if kind else None, end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index in range(at, at + 8):
        number = number << 7 | data[index] & 0x7F
        if data[index] < 0x80:
            return number, index + 1
    return number << 8 | data[at + 8], at + 9


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "big")
