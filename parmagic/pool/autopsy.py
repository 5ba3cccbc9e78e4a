"""What a dead worker tells: an exception with its last prints, and where it was."""

from __future__ import annotations

import ast
import contextlib
import os
import re
from collections.abc import Iterator
from itertools import takewhile
from linecache import getlines
from types import TracebackType
from typing import TypeVar

import parmagic
from parmagic.pool.chunk import ChunkLost
from parmagic.worker.board import LOADING, RECEIVING, SENDING
from parmagic.worker.errors import WorkerDied
from parmagic.worker.frames import Frame, traceback_of

T = TypeVar("T", bound=WorkerDied)

_OURS = os.path.join(os.path.dirname(os.path.abspath(parmagic.__file__)), "")
# As faulthandler writes a frame; the newest comes first.
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)$', re.MULTILINE)
_DEFS = ast.FunctionDef | ast.AsyncFunctionDef
_DOINGS = {LOADING: "loaded the function", RECEIVING: "received", SENDING: "sent the result of"}


def worker_died(
    lost: ChunkLost,
    item: int | None = None,
    item_repr: str | None = None,
    *,
    kind: type[T] = WorkerDied,  # type: ignore[assignment]  # python/mypy#3737
) -> T:
    """Return the error that says how the worker ended, and what it did.

    At a fault in C code it has the traceback of the Python code that led there.

    Parameters
    ----------
    item, item_repr
        The item that is to blame, if it is one.
    kind
        The error's class.
    """
    doing = "ran" if lost.place is None else _DOINGS.get(lost.place, "ran")
    if item is None:
        doing = doing.removesuffix(" of")
    died = kind(lost.worker, lost.exitcode, item, item_repr, doing, lost.last_words.output)
    died.__cause__ = lost.cause
    return died.with_traceback(_traceback(lost.last_words.stack))


def _traceback(stack: str) -> TracebackType | None:
    newest_first = tuple(takewhile(_is_users, _read(stack)))
    return traceback_of(newest_first[::-1])


def _is_users(frame: Frame) -> bool:
    return not frame.filename.startswith(_OURS)


def _read(stack: str) -> Iterator[Frame]:
    for match in _FRAME.finditer(stack):
        file, name, line = match["file"], match["name"], int(match["line"])
        yield Frame(file, line, name, name, _first_line(file, name, line), line, -1, -1, ())


def _first_line(file: str, name: str, line: int) -> int:
    """Return where the function begins, from which on IPython shows its lines."""
    if name == "<module>":
        return 1
    with contextlib.suppress(SyntaxError, ValueError):
        tree = ast.parse("".join(getlines(file)))
        defs = [each for each in ast.walk(tree) if isinstance(each, _DEFS) and each.name == name]
        around = [each.lineno for each in defs if each.lineno <= line <= (each.end_lineno or 0)]
        return max(around, default=line)
    return line
