"""What ``%parpool`` shows."""

from __future__ import annotations

import html
from collections.abc import Sequence

from parmagic.pool.default import running_pool
from parmagic.pool.dispatcher import WorkerState


class PoolTable:
    """The workers at one moment, as a table."""

    def __init__(self, workers: Sequence[WorkerState]) -> None:
        self.workers = list(workers)

    @classmethod
    def now(cls) -> PoolTable:
        """Describe the shared pool."""
        pool = running_pool()
        return cls(pool.workers if pool is not None else ())

    def __repr__(self) -> str:
        if not self.workers:
            return "no workers; the next use of the pool starts them"
        rows = [WorkerState._fields, *(tuple(map(str, worker)) for worker in self.workers)]
        return "\n".join(
            f"{number:>6}  {pid:>7}  {state:<8}  {chunks:>11}"
            for number, pid, state, chunks in rows
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
