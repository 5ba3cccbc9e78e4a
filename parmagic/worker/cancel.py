"""Stop an item that runs, when the kernel says so and not otherwise.

Jupyter's Interrupt sends SIGINT to the whole process group, workers included. A
worker that raised KeyboardInterrupt then would report it as an item's error, or die
while idle. So the handler looks at the board first, and raises only inside an item
of a job that the kernel has cancelled.
"""

from __future__ import annotations

# signal's own functions make enums of all they see.
import _signal  # type: ignore[import-not-found]  # typeshed has none
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from parmagic.worker.board import CANCELLED, EXPIRED, ITEM, NOTHING

_AGAIN_SECONDS = 0.001
# On a busy machine a moment may pass without a step. Longer than this only a deadlock lasts:
# who waits for the lock that he has himself.
_POSTPONED_AT_MOST = 50
# Where a lock is had outside of the block that gives it back.
_LOCKING = {
    "multiprocessing.synchronize": ("__enter__", "__exit__"),
    "multiprocessing.queues": ("get",),
}
_SIGINT = int(_signal.SIGINT)


class Cancelled(BaseException):
    """The item was stopped. Not an Exception, so that ``except Exception`` lets it pass."""


class Expired(Cancelled):
    """The item's time is over."""


class Cancellation:
    """The worker's SIGINT handler.

    Attributes
    ----------
    poisoned
        Whether a module cannot be imported any more, because its import was cut short.
    """

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        self._job: int | None = None
        self._stop: Callable[[], None] = _nothing
        self._limited = False
        self._late = False
        self._times_postponed = 0
        self._handler = self._on_interrupt  # one object, to be known again
        self.poisoned = False

    def install(self) -> None:
        """Handle SIGINT, which was blocked while this process started."""
        self._handle()
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        show = sys.unraisablehook
        sys.unraisablehook = lambda lost: self._try_again(lost) or show(lost)

    def _handle(self) -> None:
        _signal.signal(_SIGINT, self._handler)

    def allow(self, job: int, stop: Callable[[], None]) -> None:
        """From now on an item of ``job`` runs; ``stop`` is called when it is cancelled."""
        if _signal.getsignal(_SIGINT) is not self._handler:  # an item has set its own
            self._handle()
        self._stop = stop
        # The kernel ends the time of items only while it sees their chunk on the board, and it
        # had the answer to the last one before it sent this one: what is here is left of that.
        self._limited = False
        self._cells[EXPIRED] = NOTHING
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

    def limited(self, call: Callable[[Any], Any], seconds: float) -> Callable[[Any], Any]:
        """Return ``call``, such that an item whose time is over raises `TimeoutError`.

        It is the kernel that watches the time: it can also end a worker that is stuck in C.
        """

        def limited_call(item: Any) -> Any:
            self._late, self._limited = False, True
            traceback = None
            try:
                value = call(item)
            except BaseException as error:
                if not self._late:
                    raise
                traceback = error.__traceback__
            finally:
                self._limited = False
            if self._late:  # whatever it has made of that
                raise TimeoutError(f"took longer than {seconds:g} s").with_traceback(traceback)
            return value

        return limited_call

    def limit(self) -> None:
        """From now on something runs whose time is limited."""
        self._limited = True

    def _try_again(self, lost: sys.UnraisableHookArgs) -> bool:
        """Stop the item a moment later where a ``__del__`` or weakref callback has swallowed it."""
        if lost.exc_type is Expired:
            self._limited = True
            self._cells[EXPIRED] = self._cells[ITEM]
        elif lost.exc_type is Cancelled:
            self._job = self._cells[CANCELLED]
        else:
            return False
        _soon_again()
        return True

    def _on_interrupt(self, _signum: int, frame: FrameType | None) -> None:
        if _is_inside(self._try_again.__code__, frame):
            _soon_again()  # in there it would be swallowed once more
        elif _is_inside(self._on_interrupt.__code__, frame):
            _soon_again()  # it would leave by the frame that was postponed
        elif _has_a_lock(frame) and self._times_postponed < _POSTPONED_AT_MOST:
            self._times_postponed += 1
            _soon_again()
        else:
            self._times_postponed = 0
            self._raise_if_cancelled(frame)

    def _raise_if_cancelled(self, frame: FrameType | None) -> None:
        if self._job is None:
            return
        if self._cells[CANCELLED] == self._job:
            self._job = None  # at most once a chunk: the way out of the item is not disturbed
            self._stop()
            self._raise(Cancelled, frame)
        if self._limited and self._cells[EXPIRED] == self._cells[ITEM]:
            self._limited = False
            self._late = True
            self._cells[EXPIRED] = NOTHING
            self._raise(Expired, frame)

    def _raise(self, error: type[Cancelled], frame: FrameType | None) -> None:
        # A module whose import is cut short cannot be imported again ("cannot load module
        # more than once per process", NumPy): such a worker must be replaced.
        self.poisoned = self.poisoned or _importing(frame)
        raise error


def _nothing() -> None:
    pass


def _soon_again() -> None:
    threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()


def _is_inside(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _has_a_lock(frame: FrameType | None) -> bool:
    """Tell whether multiprocessing has a lock, and is not where an exception would give it back.

    Who waits for the lock that another item has is often given it in the moment when both are
    stopped. It would be locked for ever, and with it the queue that it belongs to.
    """
    if frame is None or frame.f_code.co_name not in _LOCKING.get(_module_of(frame), ()):
        return False
    owner = frame.f_locals["self"]
    semaphore = getattr(getattr(owner, "_rlock", owner), "_semlock", None)
    return semaphore is not None and bool(semaphore._is_mine())  # noqa: SLF001  # nothing else tells


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
