"""Chunks that wait for a worker, by job."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from parmagic.pool.chunk import Chunk


class ChunkQueue:
    """Give each job its turn, and a job's chunks in their order."""

    def __init__(self) -> None:
        self._jobs: dict[int, deque[Chunk]] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def add(self, chunk: Chunk) -> None:
        """Put ``chunk`` behind those of its job."""
        self._jobs.setdefault(chunk.payload.job, deque()).append(chunk)

    def take(self, allowed: Callable[[Chunk], bool]) -> Chunk | None:
        """Remove and return the next chunk of an allowed job, whose turn then comes last.

        Parameters
        ----------
        allowed
            Tells whether a chunk may run now; asked for the first of each job.
        """
        job = next((job for job, chunks in self._jobs.items() if allowed(chunks[0])), None)
        if job is None:
            return None
        chunks = self._jobs.pop(job)
        chunk = chunks.popleft()
        if chunks:
            self._jobs[job] = chunks
        return chunk

    def drop(self, job: int) -> list[Chunk]:
        """Remove and return the chunks of ``job``."""
        return list(self._jobs.pop(job, ()))

    def drop_all(self) -> list[Chunk]:
        """Remove and return all chunks."""
        return [chunk for job in list(self._jobs) for chunk in self.drop(job)]
