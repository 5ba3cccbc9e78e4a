"""Stop an item that runs, when the kernel says so and not otherwise.

Jupyter's Interrupt sends SIGINT to the whole process group, workers included. A
worker that raised KeyboardInterrupt then would report it as an item's error, or die
while idle. So the handler looks at the board first, and raises only inside an item
of a job that the kernel has cancelled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from parmagic.worker.board import CANCELLED

_AGAIN_SECONDS = 0.001


class Cancelled(BaseException):
    """The item was stopped. Not an Exception, so that ``except Exception`` lets it pass."""


class Cancellation:
    """The worker's SIGINT handler."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        self._job: int | None = None
        self.poisoned = False

    def install(self) -> None:
        """Handle SIGINT, which was blocked while this process started."""
        signal.signal(signal.SIGINT, self._on_interrupt)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        show = sys.unraisablehook
        sys.unraisablehook = lambda lost: self._try_again(lost) or show(lost)

    def allow(self, job: int) -> None:
        """From now on an item of ``job`` runs."""
        self._job = job
        self._raise_if_cancelled(None)

    def forbid(self) -> None:
        """No item runs."""
        self._job = None

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Stop the item at the end of the block: half a message would be the worker's last."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are not for this thread
            return
        job, self._job = self._job, None
        try:
            yield
        finally:
            self._job = job
            self._raise_if_cancelled(sys._getframe())  # noqa: SLF001  # inspect takes 8 ms to import

    def _try_again(self, lost: sys.UnraisableHookArgs) -> bool:
        """Stop the item a moment later where a ``__del__`` or weakref callback has swallowed it."""
        if lost.exc_type is not Cancelled:
            return False
        self._job = self._cells[CANCELLED]
        threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
        return True

    def _on_interrupt(self, _signum: int, frame: FrameType | None) -> None:
        self._raise_if_cancelled(frame)

    def _raise_if_cancelled(self, frame: FrameType | None) -> None:
        if self._job is None or self._cells[CANCELLED] != self._job:
            return
        self._job = None  # at most once a chunk: the way out of the item is not disturbed
        # A module whose import is cut short cannot be imported again ("cannot load module
        # more than once per process", NumPy): such a worker must be replaced.
        self.poisoned = self.poisoned or _importing(frame)
        raise Cancelled


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
