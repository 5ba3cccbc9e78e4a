"""Tell what items print from what others print, in a process that is not ours alone.

A worker of ours has one thread that runs items, and its streams are replaced for good. Here
items run in the threads of somebody else's program: a worker of dask, the notebook itself. As
long as any does, `sys.stdout` and its like ask which thread it is that writes.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

from parmagic.worker import capture, display
from parmagic.worker.capture import STREAMS, ByteStream, Capture, ItemStream

_MISSING = object()
_DISPLAYS = ("display", "update_display", "publish_display_data", "clear_output")


class Stage:
    """The threads of this process in which items run.

    Attributes
    ----------
    home
        The process of the notebook, whose other threads must not be taken for an item's.
    """

    def __init__(self) -> None:
        self.home: int | None = None
        self._put_back = ExitStack()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the threads: this process is a fork, which has none of them."""
        self._put_back.close()
        self._lock = threading.Lock()
        self._captures: dict[int, Capture] = {}

    @contextmanager
    def entered(self, by: Capture) -> Iterator[None]:
        """Let what this thread writes in the block go to the capture ``by``."""
        thread = threading.get_ident()
        with self._lock:
            if not self._captures:
                self._set()
            self._captures[thread] = by
        try:
            yield
        finally:
            with self._lock:
                del self._captures[thread]
                if not self._captures:
                    self._put_back.close()

    def current(self) -> Capture | None:
        """Return the capture of this thread; elsewhere than at home, also a thread of an item."""
        captures = self._captures
        found = captures.get(threading.get_ident())
        if found is None and len(captures) == 1 and not self.is_home:
            return next(iter(list(captures.values())), None)
        return found

    @property
    def is_home(self) -> bool:
        """Whether this process is the notebook's."""
        return self.home == os.getpid()

    def _set(self) -> None:
        self._replace(capture, "of_this_thread", self.current)
        for name in STREAMS:
            self._replace(sys, name, _Stream(name, getattr(sys, name), self.current))
        self._replace(warnings, "showwarning", self._warner(warnings.showwarning))
        if self.is_home:
            self._set_displays_at_home()
        elif _has_shell():
            self._set_displays(*_DISPLAYS)
            self._replace(builtins, "display", self._either(display.display, builtins.display))  # type: ignore[attr-defined]
        else:
            _settle_in()

    def _set_displays_at_home(self) -> None:
        if _has_shell():
            # Through these two goes all that IPython's display, its handles and figures show,
            # in the forms that the notebook has for it.
            self._set_displays("publish_display_data", "clear_output")
        else:
            self._replace(builtins, "display", display.display)

    def _set_displays(self, *names: str) -> None:
        ipython = sys.modules["IPython.core.display_functions"]
        for name in names:
            ours, theirs = getattr(display, name), getattr(ipython, name)
            self._replace(ipython, name, self._either(ours, theirs))

    def _either(self, ours: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
        def show(*args: Any, **kwargs: Any) -> Any:
            return (theirs if self.current() is None else ours)(*args, **kwargs)

        return show

    def _warner(self, theirs: Callable[..., Any]) -> Callable[..., Any]:
        from parmagic.worker.warning_filters import show_warning

        return self._either(show_warning, theirs)

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        before = getattr(owner, name, _MISSING)
        setattr(owner, name, new)
        self._put_back.callback(_put_back, owner, name, new, before)


def _put_back(owner: Any, name: str, new: Any, before: Any) -> None:
    if getattr(owner, name, _MISSING) is not new:
        return  # somebody has set another since
    if before is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


def _has_shell() -> bool:
    shells = sys.modules.get("IPython.core.interactiveshell")
    return shells is not None and bool(shells.InteractiveShell.initialized())


_settled = False


def _settle_in() -> None:
    """Have in this process, for good, what does no harm to others: `substitutes`."""
    global _settled
    if not _settled:
        _settled = True
        from parmagic.worker import substitutes

        substitutes.install(on_pyplot=lambda: None)


class _Stream:
    """A stream of the process, but for threads that run items."""

    def __init__(self, name: str, theirs: TextIO, find: Callable[[], Capture | None]) -> None:
        self._name = name
        self._theirs = theirs
        self._find = find

    def write(self, text: str) -> int:
        stream = self._of_item()
        return (self._theirs if stream is None else stream).write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._of_item() is None:
            self._theirs.flush()

    @property
    def buffer(self) -> Any:
        stream = self._of_item()
        return self._theirs.buffer if stream is None else ByteStream(stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def _of_item(self) -> ItemStream | None:
        found = self._find()
        return None if found is None else found.streams[STREAMS.index(self._name)]


stage = Stage()

if hasattr(os, "register_at_fork"):
    # Such as a worker of an executor: it has none of the notebook's threads.
    os.register_at_fork(after_in_child=stage.begin_anew)
