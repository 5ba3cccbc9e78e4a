"""Wait for pipes and processes at once."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait

Callback = Callable[[], None]


class Watch:
    """Call back when something becomes readable or a process has ended.

    One selector is kept for good: ``multiprocessing.connection.wait`` builds one at
    each call (13 to 25 µs), which only Windows, having no selector for pipes, pays.
    """

    def __init__(self) -> None:
        self._callbacks: dict[Connection | int, Callback] = {}
        self._selector = None if sys.platform == "win32" else selectors.DefaultSelector()

    def add(self, source: Connection | int, callback: Callback) -> None:
        """Watch a connection, or the descriptor or handle of a process."""
        self._callbacks[source] = callback
        if self._selector is not None:
            self._selector.register(source, selectors.EVENT_READ, source)

    def remove(self, source: Connection | int) -> None:
        """Forget ``source``, before it is closed."""
        del self._callbacks[source]
        if self._selector is not None:
            self._selector.unregister(source)

    def wait(self, seconds: float | None, first: Callback = lambda: None) -> None:
        """Wait at most ``seconds``, call ``first`` and call back for each source that is ready."""
        ready = self._ready(seconds)
        first()
        for source in ready:
            callback = self._callbacks.get(source)
            if callback is not None:  # an earlier callback may have removed it
                callback()

    def _ready(self, seconds: float | None) -> Iterable[Connection | int]:
        if self._selector is None:
            return wait(list(self._callbacks), seconds)  # type: ignore[return-value]
        return [key.data for key, _ in self._selector.select(seconds)]

    def close(self) -> None:
        """Give up the selector."""
        if self._selector is not None:
            self._selector.close()
