"""Calls to be made later, by the thread that waits."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable


class Timers:
    """A heap of calls, the earliest first. Not for several threads."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def add(self, seconds: float, call: Callable[[], None]) -> None:
        """Make ``call`` in ``seconds``."""
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), call))

    def seconds_to_next(self) -> float | None:
        """Return how long to wait at most, or None for ever."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def clear(self) -> None:
        """Forget all calls, and what they would keep alive."""
        self._heap.clear()

    def fire(self) -> None:
        """Make the calls that are due."""
        now = time.monotonic()  # once: a call that adds itself again would keep us for ever
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
