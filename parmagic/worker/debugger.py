"""Debuggers in workers: there is nobody to give them commands."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from parmagic.worker.errors import DebuggerError

_MODULES = {"bdb", "pdb", "cmd", "IPython.core.debugger"}


def install() -> None:
    """Have ``breakpoint()`` raise `DebuggerError`, unless the user has set another debugger."""
    sys.breakpointhook = _refuse


def _refuse(*arguments: object, **options: object) -> object:
    if os.environ.get("PYTHONBREAKPOINT"):
        return sys.__breakpointhook__(*arguments, **options)
    raise DebuggerError


def without_quit(error: BaseException) -> BaseException:
    """Return ``error``, or what stands for it if it is how a debugger ends without commands.

    IPython would show nothing of that.
    """
    bdb = sys.modules.get("bdb")
    if bdb is None or not issubclass(type(error), bdb.BdbQuit):
        return error
    return DebuggerError().with_traceback(_without_debugger(error.__traceback__))


def _without_debugger(traceback: TracebackType | None) -> TracebackType | None:
    link = traceback
    while link is not None and link.tb_next is not None:
        if link.tb_next.tb_frame.f_globals.get("__name__") in _MODULES:
            link.tb_next = None
        link = link.tb_next
    return traceback
