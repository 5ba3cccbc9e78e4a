"""A worker never outlives the kernel, whatever ends the kernel."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Arrange that this process ends with its parent, also while it is stuck in C code."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        _be_killed_at_hangup(parent.sentinel)
        if os.getppid() != parent.pid:  # it died before we asked
            os._exit(1)
    else:
        watch = threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True)
        watch.start()


def die_with_parent_for_sure() -> None:
    """Arrange it also for the case that a fork of the kernel holds its pipes open.

    Apart, since it imports ctypes: 5 ms, for which a first result need not wait.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "prctl", None)
    if set_option is not None:
        set_option(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _be_killed_at_hangup(sentinel: int) -> None:
    # Nothing is ever written to this pipe: its one event is that the parent's end is gone.
    import fcntl

    fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(sentinel, fcntl.F_GETFL)
    fcntl.fcntl(sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
