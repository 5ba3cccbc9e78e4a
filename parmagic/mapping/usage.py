"""What a job took: seconds, chunks and bytes."""

from __future__ import annotations

import time

from parmagic.report.report import TimeSpent


class Usage:
    """A clock, and sums.

    Attributes
    ----------
    began
        When, as ``time.monotonic()`` tells it.
    warm
        Whether a worker was ready when the job began.
    nbytes
        What items and values had together.
    """

    def __init__(self) -> None:
        self.warm = True
        self.chunks = 0
        self.item_seconds = 0.0
        self.nbytes = 0
        self.began = time.monotonic()
        self._load_seconds = 0.0
        self._serialise_seconds = 0.0
        self._transfer_seconds = 0.0
        self._start_seconds: float | None = None
        self._ended: float | None = None

    @property
    def wall_seconds(self) -> float:
        """From the beginning to the end, or until now."""
        return (self._ended or time.monotonic()) - self.began

    @property
    def start_seconds(self) -> float:
        """How long the job waited for its first worker: up to now, until one has answered."""
        if self.warm:
            return 0.0
        return self.wall_seconds if self._start_seconds is None else self._start_seconds

    def note_start(self) -> None:
        """Note that the first worker is ready."""
        if self._start_seconds is None:
            self._start_seconds = self.wall_seconds

    def add(
        self,
        seconds: float,
        *,
        worked_seconds: float = 0.0,
        load_seconds: float = 0.0,
        transfer_seconds: float = 0.0,
        nbytes: int = 0,
    ) -> None:
        """Count a chunk.

        Parameters
        ----------
        seconds
            What its items took.
        worked_seconds
            What the worker took for it in all.
        load_seconds
            What of that went into unpickling the function.
        transfer_seconds
            What it and its answer took on their way.
        nbytes
            Of its items and their values.
        """
        self.chunks += 1
        self.item_seconds += seconds
        self.nbytes += nbytes
        self._load_seconds += load_seconds
        self._serialise_seconds += max(worked_seconds - load_seconds - seconds, 0.0)
        self._transfer_seconds += transfer_seconds
        if self._start_seconds is None:
            self._start_seconds = max(0.0, self.wall_seconds - max(seconds, worked_seconds))

    def time_spent(self, workers: int) -> TimeSpent:
        """Say where the time of so many workers went."""
        start = workers * self.start_seconds
        working = self.item_seconds + self._serialise_seconds + self._load_seconds
        known = working + self._transfer_seconds + start
        wait = max(workers * self.wall_seconds - known, 0.0)
        return TimeSpent(
            compute=self.item_seconds,
            serialise=self._serialise_seconds,
            transfer=self._transfer_seconds,
            start=start,
            wait=wait,
            load=self._load_seconds,
        )

    def end(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()
