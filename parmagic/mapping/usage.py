"""What a job took: seconds and chunks."""

from __future__ import annotations

import time


class Usage:
    """A clock, and sums.

    Attributes
    ----------
    warm
        Whether a worker was ready when the job began.
    start_seconds
        How long the job waited for its first worker.
    """

    def __init__(self) -> None:
        self.warm = True
        self.chunks = 0
        self.item_seconds = 0.0
        self._start_seconds: float | None = None
        self._began = time.monotonic()
        self._ended: float | None = None

    @property
    def wall_seconds(self) -> float:
        """From the beginning to the end, or until now."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def start_seconds(self) -> float:
        """All seconds up to now, as long as no worker has answered."""
        if self.warm:
            return 0.0
        return self.wall_seconds if self._start_seconds is None else self._start_seconds

    def add(self, seconds: float) -> None:
        """Count a chunk whose items took ``seconds``."""
        self.chunks += 1
        self.item_seconds += seconds
        if self._start_seconds is None:
            self._start_seconds = max(0.0, self.wall_seconds - seconds)

    def end(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()
