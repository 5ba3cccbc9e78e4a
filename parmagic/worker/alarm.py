"""Call a function a moment later, in a thread of its own, whatever the item does meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable


class Alarm:
    """Rings once each time that it is set, and has no thread as long as it is not."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._is_set = False

    def set(self, seconds: float) -> None:
        """Call in so many seconds, unless it is set already."""
        if self._is_set:
            return
        timer = threading.Timer(seconds, self._ring)
        timer.name, timer.daemon = "parmagic-alarm", True
        self._is_set = True
        try:
            timer.start()
        except RuntimeError:  # no threads are left, or the process ends
            self._is_set = False

    def _ring(self) -> None:
        self._is_set = False
        with contextlib.suppress(OSError, ValueError):  # the kernel is gone, or we are
            self._call()
