"""How many items may run beside each other, so that their memory suffices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from parmagic.pool.memory import room_for_workers

# Not to the last byte: the kernel gathers the results meanwhile.
USABLE = 0.9
# To look at the memory of 64 workers takes a millisecond.
LOOK_SECONDS = 0.25


class Room:
    """Learn from measured peaks how many workers may run at once.

    Parameters
    ----------
    limit_bytes
        What all workers may use together; by default what the machine, or the container,
        has free whenever it is asked.
    pids
        Returns the workers' processes.

    Attributes
    ----------
    peak_bytes
        The most that a worker has used; 0 before the first measurement.
    """

    def __init__(self, limit_bytes: int | None, pids: Callable[[], Iterable[int]]) -> None:
        self.peak_bytes = 0
        self._most_workers: int | None = None
        self._next_look = 0.0
        self._limit_bytes = limit_bytes
        self._pids = pids

    def learn(self, peak_bytes: int) -> None:
        """Take note of what a worker has used at most during a chunk."""
        if peak_bytes > self.peak_bytes:
            self.peak_bytes = peak_bytes
            self._next_look = 0.0

    def most_workers(self) -> int | None:
        """Return how many may run at once, at least one; None if that is not known."""
        now = time.monotonic()
        if self.peak_bytes and now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            room = self._room()
            self._most_workers = None if room is None else max(1, int(room / self.peak_bytes))
        return self._most_workers

    def _room(self) -> int | None:
        if self._limit_bytes is not None:
            return self._limit_bytes
        room = room_for_workers(self._pids())
        return None if room is None else int(USABLE * room)
