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
    if sys.platform == "linux" and _ask_the_kernel_of_linux():
        return
    threading.Thread(target=_watch_parent, name="parmagic-lifeline", daemon=True).start()


def _ask_the_kernel_of_linux() -> bool:
    import ctypes

    parent = multiprocessing.parent_process()
    set_option = getattr(ctypes.CDLL(None), "prctl", None)
    if parent is None or set_option is None:
        return False
    if set_option(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return False
    if os.getppid() != parent.pid:  # it died before we asked
        os._exit(1)
    return True


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
