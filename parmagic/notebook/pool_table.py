"""What ``%parpool`` shows."""

from __future__ import annotations

import html
from collections.abc import Sequence

from parmagic.pool.crew import WorkerState
from parmagic.pool.default import running_pool
from parmagic.report.units import count


class PoolTable:
    """The workers at one moment, as a table."""

    def __init__(self, workers: Sequence[WorkerState], missing: int = 0) -> None:
        self.workers = list(workers)
        self.missing = missing

    @classmethod
    def now(cls) -> PoolTable:
        """Describe the shared pool."""
        pool = running_pool()
        if pool is None:
            return cls(())
        workers = pool.workers
        return cls(workers, max(pool.max_workers - len(workers), 0))

    def __repr__(self) -> str:
        if not self.workers and not self.missing:
            return "no workers; the next use of the pool starts them"
        rows = [WorkerState._fields, *(tuple(map(str, worker)) for worker in self.workers)]
        table = [
            f"{number:>6}  {pid:>7}  {state:<8}  {chunks:>11}"
            for number, pid, state, chunks in rows
        ]
        to_start = [f"{count(self.missing, 'worker')} to start"] if self.missing else []
        return "\n".join([*(table if self.workers else []), *to_start])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
