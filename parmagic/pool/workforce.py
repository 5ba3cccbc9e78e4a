"""What a job needs of those who run its chunks: our own workers, or somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from parmagic.pool.chunk import Chunk
from parmagic.pool.payload import Payload, Way


class Workforce(Protocol):
    """Those who run chunks. Every chunk submitted ends in an event for its listener.

    No KeyboardInterrupt may come into `submit`, `cancel`, `forget` and `resume`, see
    `Interrupts`.
    """

    @property
    def way(self) -> Way:
        """How functions, items and values get there and back."""

    @property
    def name(self) -> str:
        """What it is called where it is not our own pool; else empty."""

    @property
    def size(self) -> int:
        """How many workers there are to be, at least one."""

    @property
    def busy_workers(self) -> int:
        """How many workers run something."""

    @property
    def warm(self) -> bool:
        """Whether a worker is ready."""

    @property
    def pids(self) -> list[int]:
        """The workers' processes, as far as they are on this machine and ours."""

    def places(self, job: int) -> Mapping[int, int]:
        """Return which item each worker runs of ``job``, by the worker's number."""

    def sent(self, job: int) -> Mapping[int, tuple[int, float]]:
        """Return the first item of what each worker has of ``job``, and when it was sent."""

    def names(self) -> Mapping[int, str]:
        """Return what workers are called, by number, where a number does not say it."""

    def submit(self, chunk: Chunk) -> None:
        """Run ``chunk`` as soon as a worker is idle."""

    def cancel(self, job: int) -> None:
        """Drop the chunks of ``job`` that wait, and stop those that run."""

    def forget(self, payload: Payload) -> None:
        """Free what ``payload`` holds: its job is over."""

    def lend_thread(self, until: Callable[[], bool], seconds: float) -> None:
        """Hear the workers in this thread, which waits for them anyway."""

    def resume(self) -> None:
        """Hear the workers elsewhere again."""
