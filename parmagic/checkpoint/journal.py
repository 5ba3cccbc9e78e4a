"""A file of entries, each of which is safe as soon as it is written.

It is an SQLite database with one table, to which rows are added::

    a kernel is killed       what it has written is read from the file and its -wal
    the power fails          the same, but for what the system had not yet put on the disk
    a part becomes garbage   the entries that can still be read are put into a new file
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from parmagic.checkpoint.database import Damaged, connect
from parmagic.checkpoint.entry import Entry, Kind
from parmagic.checkpoint.place import SIDES, CheckpointError, check_place
from parmagic.pool.warning import warn_user
from parmagic.report.units import count

if TYPE_CHECKING:
    import sqlite3

_ADD = "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?, ?)"

# SQLite's locks are those of the process: it does not see its own, and loses them when it closes
# the file that it has opened a second time.
_open_paths: set[str] = set()


class Head(NamedTuple):
    """An entry without its body."""

    id: int
    kind: int
    first: int
    length: int | None


class Journal:
    """The entries in the file at ``path``, which is made if it is not there.

    No other process can open it meanwhile. What cannot be written is said in a warning.

    Raises
    ------
    CheckpointError
        The file is no journal, is not safe to read, or is in use.

    Attributes
    ----------
    heads
        All entries, in the order in which they were added.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.realpath(path)
        self.heads: list[Head] = []
        self._connection: sqlite3.Connection | None = None
        self._is_writable = True
        self._is_open = False
        check_place(self.path)
        if self.path in _open_paths:
            raise CheckpointError.locked(self.path)
        _open_paths.add(self.path)
        self._is_open = True
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def add(self, kind: Kind, first: int, length: int | None, body: bytes) -> None:
        """Write an entry; if that fails, warn, and write nothing from then on."""
        last = self.heads[-1].id if self.heads else 0
        entry = Entry.sealed(max(last + 1, time.time_ns()), kind, first, length, body)
        if self._write(_ADD, entry):
            self.heads.append(Head(*entry[:4]))

    def body(self, head: Head) -> bytes | None:
        """Return what an entry tells, or None if it cannot be read any more."""
        import sqlite3

        if self._connection is None:
            return None
        try:
            query = "SELECT * FROM entries WHERE id = ?"
            entry = Entry(*self._connection.execute(query, (head.id,)).fetchone())
        except (sqlite3.Error, UnicodeDecodeError, TypeError):  # TypeError: there is none
            return None
        return entry.body if entry.is_sound else None

    def clear(self) -> None:
        """Remove all entries, so that they are not even found in a damaged file."""
        empty_log = "PRAGMA wal_checkpoint(TRUNCATE)"
        for statement in (empty_log, "DELETE FROM entries", "VACUUM", empty_log):
            self._write(statement)
        self.heads.clear()

    def close(self) -> None:
        """Leave the file to others."""
        self._disconnect()
        if self._is_open:
            _open_paths.discard(self.path)
        self._is_open = False

    def _write(self, statement: str, parameters: Sequence[Any] = ()) -> bool:
        import sqlite3

        if self._connection is None or not self._is_writable:
            return False
        try:
            self._connection.execute(statement, parameters)
        except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
            self._is_writable = False
            warn_user(
                f"cannot write to the checkpoint {self.path!r}: {error}. The job goes on, but what"
                " finishes from now on is kept in memory only"
            )
        return self._is_writable

    def _open(self) -> None:
        import sqlite3

        try:
            try:
                self._connect()
            except Damaged:
                self._disconnect()
                self._mend()
                self._connect()
        except (OSError, sqlite3.Error, Damaged) as error:
            raise CheckpointError.failed(self.path, error) from None

    def _connect(self) -> None:
        self._connection = connect(self.path)
        self.heads = list(self._read(self._connection))

    def _read(self, connection: sqlite3.Connection) -> Iterator[Head]:
        import sqlite3

        try:
            for row in connection.execute("SELECT * FROM entries ORDER BY id"):
                entry = Entry(*row)
                if not entry.is_sound:
                    raise Damaged
                yield Head(*entry[:4])
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            raise Damaged from None

    def _mend(self) -> None:
        """Put the entries that can be read into a new file, and the damaged one beside it."""
        new = _free_name(f"{self.path}.saved")
        saved = _save(_entries_left(self.path), new)
        damaged = _free_name(f"{self.path}.damaged")
        for side in ("", *SIDES):
            with suppress(FileNotFoundError):
                os.replace(self.path + side, damaged + side)
        os.replace(new, self.path)
        warn_user(
            f"the checkpoint {self.path!r} was damaged: {count(saved, 'value')} could be saved. The"
            f" damaged file is kept as {damaged!r}"
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _entries_left(path: str) -> Iterator[Entry]:
    """Yield the sound entries that SQLite can reach from either end, some of them twice."""
    import sqlite3

    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as connection:
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error, UnicodeDecodeError):
                for row in connection.execute(f"SELECT * FROM entries ORDER BY id {order}"):
                    entry = Entry(*row)
                    if entry.is_sound:
                        yield entry


def _save(entries: Iterable[Entry], path: str) -> int:
    """Put ``entries`` into a new file; return how many values are in them."""
    connection, saved = connect(path), 0
    try:
        connection.execute("BEGIN")
        for entry in entries:
            is_first = connection.execute(_ADD, entry).rowcount > 0
            if is_first and entry.kind == Kind.VALUES:
                saved += entry.length or 0
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        _remove(path)
        raise
    connection.close()
    return saved


def _remove(path: str) -> None:
    for side in ("", *SIDES):
        with suppress(FileNotFoundError):
            os.remove(path + side)


def _free_name(path: str) -> str:
    names = (f"{path}{number or ''}" for number in range(1_000_000))
    return next(name for name in names if not os.path.lexists(name))
