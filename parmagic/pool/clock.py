"""How long an item may take."""

from __future__ import annotations

import time

from parmagic.pool.chunk import Chunk
from parmagic.pool.process import WorkerProcess
from parmagic.pool.timers import Timers

# An item that is asked to stop has this long before its worker is killed, so that an
# interrupted cell is free within a second.
GRACE_SECONDS = 0.6
# The kernel looks at the board so many times within the time of an item, and so often at
# least and at most.
LOOKS = 20
MOST_SECONDS_BETWEEN_LOOKS = 0.25
LEAST_SECONDS_BETWEEN_LOOKS = 0.001


class ItemClock:
    """Stop the items of one chunk that run too long; end a worker that does not yield.

    What comes before and after, such as to unpickle an item, does not count: the first one of
    its kind may import large packages.

    It looks at the worker's board from time to time, which costs the worker nothing, so an
    item may have up to a twentieth more than its time, and a millisecond.
    """

    def __init__(self, timers: Timers, worker: WorkerProcess, chunk: Chunk) -> None:
        self._timers = timers
        self._worker = worker
        self._chunk = chunk
        self._most_seconds = chunk.payload.load.timeout_seconds or 0.0
        between = min(self._most_seconds / LOOKS, MOST_SECONDS_BETWEEN_LOOKS)
        self._between = max(between, LEAST_SECONDS_BETWEEN_LOOKS)
        self._place: int | None = None
        self._ends = 0.0
        self._look()

    def _look(self) -> None:
        if self._worker.chunk is not self._chunk:
            return  # it has answered, or is dead
        now = time.monotonic()
        if self._worker.place != self._place:
            self._place = self._worker.place
            self._ends = now + self._most_seconds
        elif now > self._ends and self._place is not None and self._place >= 0:
            self._stop_item(self._place)
            self._ends = now + GRACE_SECONDS
        self._timers.add(self._between, self._look)

    def _stop_item(self, item: int) -> None:
        if self._worker.expired == item:
            self._worker.kill()
        else:
            self._worker.expire(item)
