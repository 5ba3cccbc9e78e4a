"""The SQLite file that a journal is: ours alone, locked, and seen to be whole."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from parmagic.checkpoint.place import SIDES, CheckpointError

if TYPE_CHECKING:
    import sqlite3

FORMAT = 1
PAGE_BYTES = 8192
# And its complement, so that garbage is not taken for a newer version.
_VERSION = FORMAT << 16 | FORMAT ^ 0xFFFF

_MAGIC = b"SQLite format 3\0"
_APPLICATION = 0x706D_6167  # "pmag"

# A kernel that was killed takes a moment to let go of its file.
_LOCK_SECONDS = 0.5

_LOCK = (
    f"PRAGMA page_size = {PAGE_BYTES}",
    "PRAGMA locking_mode = EXCLUSIVE",
    "BEGIN EXCLUSIVE",
)
_TABLE = (
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY, kind INTEGER, first INTEGER, length INTEGER, body BLOB,
        checksum INTEGER
    )""",
)
# So an entry of 200 bytes costs 15 µs and one of a megabyte 4 ms. After every 4 MB the log is
# copied into the file, and that to the disk, which takes some 5 ms.
_LOG = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    f"PRAGMA wal_autocheckpoint = {2**22 // PAGE_BYTES}",
    f"PRAGMA journal_size_limit = {2**24}",
)


class Damaged(Exception):
    """The file is ours, and not as it was written."""

    def __str__(self) -> str:
        return "it is damaged"


def connect(path: str) -> sqlite3.Connection:
    """Open the file at ``path`` for this process alone; make it if it is not there.

    Raises
    ------
    CheckpointError
        It is another kind of file, from a newer version, or in use.
    Damaged
        Parts of it cannot be read.
    OSError, sqlite3.Error
        The system refuses it.
    """
    import sqlite3  # 4 ms, which most jobs need not spend

    is_empty = _is_empty(path)
    # One thread at a time uses it, but perhaps not always the same.
    connection = sqlite3.connect(
        path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, is_empty=is_empty)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise _explained(error, path) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(path: str) -> bool:
    """Make the file if there is none; tell whether it has no content."""
    if not os.path.exists(path):
        _make(path)
    with open(path, "rb") as file:
        header = file.read(100)
    log = f"{path}-wal"
    if not header and not (os.path.exists(log) and os.path.getsize(log)):
        return True
    if header[:16] == _MAGIC and _integer(header, 68) == _APPLICATION:
        _check_version(path, _integer(header, 60))
        return False
    raise CheckpointError.other_file(path)


def _make(path: str) -> None:
    for side in SIDES:  # of a file that was deleted
        with contextlib.suppress(FileNotFoundError):
            os.remove(path + side)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    os.chmod(path, 0o600)  # whatever the umask is


def _check_version(path: str, number: int) -> None:
    version, complement = number >> 16, number & 0xFFFF
    if version != complement ^ 0xFFFF:
        raise Damaged
    if version > FORMAT:
        raise CheckpointError.newer(path, version)


def _integer(header: bytes, start: int) -> int:
    return int.from_bytes(header[start : start + 4], "big")


def _prepare(connection: sqlite3.Connection, *, is_empty: bool) -> None:
    _execute(connection, *_LOCK)
    if is_empty and not _execute(connection, "PRAGMA application_id"):
        _execute(connection, *_TABLE)
    # 0.2 s a gigabyte. Rows can be read, and yet the next one be written over them.
    if _execute(connection, "COMMIT", "PRAGMA quick_check(1)") != "ok":
        raise Damaged
    _execute(connection, *_LOG)


def _execute(connection: sqlite3.Connection, *statements: str) -> Any:
    """Return the first column of what the last statement finds."""
    row = None
    for statement in statements:
        row = connection.execute(statement).fetchone()
    return row and row[0]


def _explained(error: Exception, path: str) -> Exception:
    import sqlite3

    # Without a code it is Python's, such as for a text that garbage is in.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CheckpointError.locked(path)
    if code == sqlite3.SQLITE_READONLY:  # says the file's header, or the system
        return Damaged() if os.access(path, os.W_OK) else error
    system = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    return error if code in (*system, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL) else Damaged()
