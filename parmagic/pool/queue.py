"""Chunks that wait for a worker, by job."""

from __future__ import annotations

from collections import deque

from parmagic.pool.chunk import Chunk


class ChunkQueue:
    """Give each job its turn, and a job's chunks in their order."""

    def __init__(self) -> None:
        self._jobs: dict[int, deque[Chunk]] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, chunk: Chunk) -> None:
        """Put ``chunk`` behind those of its job."""
        self._jobs.setdefault(chunk.payload.job, deque()).append(chunk)

    def take(self) -> Chunk:
        """Remove and return the next chunk; its job's turn comes again after the others'."""
        job = next(iter(self._jobs))
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
