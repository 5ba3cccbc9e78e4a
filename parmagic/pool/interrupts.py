"""Interrupts while we keep books: noted at any moment, raised only where it does no harm."""

from __future__ import annotations

# signal's own functions make enums of all they see, which takes 40 µs for a short call.
import _signal  # type: ignore[import-not-found]  # typeshed has none
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_SIGINT = int(_signal.SIGINT)


class Interrupts:
    """Note SIGINT while the block runs, instead of raising KeyboardInterrupt at any moment.

    A KeyboardInterrupt between the arrival of a result and its being noted would lose
    it. So inside the block none is raised, except in `allow`, where the user's own code
    runs. Outside the main thread, which alone receives signals, this does nothing.

    Parameters
    ----------
    on_interrupt
        Called at the signal. By default the handler of before has it at the block's end.
    """

    def __init__(self, on_interrupt: Callable[[], None] | None = None) -> None:
        self._on_interrupt = on_interrupt
        self._before: Any = None
        self._allowed = False
        self._noted = False

    def __enter__(self) -> Self:
        if threading.get_ident() == threading.main_thread().ident:
            before = _signal.getsignal(_SIGINT)
            if callable(before):
                self._before = before
                _signal.signal(_SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            _signal.signal(_SIGINT, self._before)
        if self._noted and error is None:
            self._before(_SIGINT, sys._getframe())  # noqa: SLF001  # inspect takes 8 ms to import

    def allow(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn``, which an Interrupt may end by KeyboardInterrupt."""
        self._allowed = True
        try:
            return fn(*args, **kwargs)
        finally:
            self._allowed = False

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self._allowed:
            self._before(signum, frame)
        elif self._on_interrupt is not None:
            self._on_interrupt()
        else:
            self._noted = True
