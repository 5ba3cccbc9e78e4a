"""The exceptions of parmagic itself."""

from __future__ import annotations

import pickle
import signal
from contextlib import suppress
from functools import lru_cache
from typing import Any, Self

# By name: the numbers of some differ between Linux and macOS.
_SIGNALS = {
    "SIGABRT": "means that C code gave up, often with a message of its own.",
    "SIGBUS": "(bus error) often means that a disk or /dev/shm is full, or a file was cut short.",
    "SIGKILL": "often means that memory ran out.",
    "SIGSEGV": "(segmentation fault) means a fault in C code, in a library that the item used.",
    "SIGTERM": "is a request to end, from another program or from the function itself.",
}
_ACCESS_VIOLATION = 0xC0000005
_LAST_LINES = 10


class ParmagicError(Exception):
    """The base of the exceptions that parmagic raises in its own name."""


class PayloadError(ParmagicError, TypeError, pickle.PicklingError):
    """The function, an item or a result cannot be sent from one process to another.

    Attributes
    ----------
    result
        The repr of the result, if it is one that cannot be sent.
    reason
        The repr of the error that pickling it ended in.
    """

    result = ""
    reason = ""


class DebuggerError(ParmagicError, RuntimeError):
    """An item has called a debugger, which waits for commands that nobody can give it."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return (
            "an item in a worker has no keyboard for a debugger. With --serial (in a script,"
            " serial=True) the items run in the notebook, where breakpoints work; %pardebug looks"
            " into an item that has failed"
        )


class BackendError(ParmagicError, ValueError):
    """A backend cannot be used, or not in this way."""


class WorkerDied(ParmagicError, RuntimeError):
    """Tell that a worker process ended while it ran an item.

    Parameters
    ----------
    worker
        The number of the worker; of a backend's, what to call it.
    exitcode
        As `multiprocessing.Process.exitcode` has it: ``-9`` is a death by signal 9.
        None if nobody knows.
    item
        The index of the item that the worker held, if it held one.
    item_repr
        What that item was, such as ``"path = 'big.tif'"``.
    doing
        What the worker did with the item: ``"ran"``, ``"received"``, ``"sent the result of"``;
        or, without an item, ``"loaded the function"``.
    output
        The end of what the item printed.
    """

    def __init__(
        self,
        worker: int | str,
        exitcode: int | None,
        item: int | None = None,
        item_repr: str | None = None,
        doing: str = "ran",
        output: str = "",
    ) -> None:
        # BaseException pickles its arguments: given whole, they make the same exception again.
        super().__init__(worker, exitcode, item, item_repr, doing, output)
        self.worker = worker
        self.exitcode = exitcode
        self.item = item
        self.item_repr = item_repr
        self.doing = doing
        self.output = output

    def __str__(self) -> str:
        named = f" ({self.item_repr})" if self.item is not None and self.item_repr else ""
        return f"{self._in_short()}{named}. {self._hint()}".rstrip() + self._last_lines()

    def __repr__(self) -> str:
        # Lists of results show it.
        return f"{type(self).__name__}({self._in_short()!r})"

    def _in_short(self) -> str:
        who = self.worker if isinstance(self.worker, str) else f"worker {self.worker}"
        return f"{who} {self._end()}{self._while()}"

    def _end(self) -> str:
        if self.exitcode is not None and self.exitcode < 0:
            return f"was killed by signal {-self.exitcode}"
        return "ended"

    def _while(self) -> str:
        if self.item is None:
            return "" if self.doing == "ran" else f" while it {self.doing}"
        return f" while it {self.doing} item {self.item}"

    def _last_lines(self) -> str:
        lines = self.output.splitlines()[-_LAST_LINES:]
        return "\n    ".join(["\nIt printed last:", *lines]) if lines else ""

    def _hint(self) -> str:
        if self.exitcode is None:
            return ""
        if self.exitcode < 0:
            return _signal_hint(-self.exitcode)
        if self.exitcode == _ACCESS_VIOLATION:
            return "Exit code 0xC0000005 (access violation) means a fault in C code, in a library."
        culprit = "The function, or a library that it calls,"
        return f"{culprit} ended the process with exit code {self.exitcode}."


def _signal_hint(number: int) -> str:
    try:
        return f"Signal {number} {_SIGNALS[signal.Signals(number).name]}"
    except (KeyError, ValueError):
        return ""


class RemoteError(ParmagicError):
    """Stand in for an exception of a worker that cannot be made again in this process.

    It is printed under the name of the original's class, but caught as RemoteError only.

    Parameters
    ----------
    type_name
        The original's class, as ``module.QualName``.
    text
        The original's ``str()``.
    remote_traceback
        Where it was raised, as `traceback.format_tb` writes it.
    """

    def __new__(cls, type_name: str, text: str, remote_traceback: str = "") -> Self:
        """Make an instance of a subclass that has the original's name."""
        named: Self = super().__new__(_named(type_name), type_name, text, remote_traceback)
        return named

    def __init__(self, type_name: str, text: str, remote_traceback: str = "") -> None:
        super().__init__(type_name, text, remote_traceback)
        self.type_name = type_name
        self.text = text
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteError, self.args, vars(self)


@lru_cache
def _named(type_name: str) -> type[Any]:
    # Python prints the __qualname__ of a class of __main__, and IPython prints the __name__.
    names = {"__module__": "__main__", "__qualname__": type_name}
    return type(type_name.rpartition(".")[2], (RemoteError,), names)


def add_item_note(exception: BaseException, index: int, item_repr: str) -> None:
    """Note under ``exception`` which item raised it, such as ``in item 17: path = 'big.tif'``."""
    add_note(exception, f"in item {index}: {item_repr}")


def add_note(exception: BaseException, note: str) -> None:
    """Add a note to ``exception``, if it can have one."""
    with suppress(Exception):  # such as: its __notes__ is no list
        exception.add_note(note)
