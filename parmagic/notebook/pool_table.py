"""What ``%parpool`` shows."""

from __future__ import annotations

import html
from collections.abc import Sequence

from parmagic.backends.use import described, workforce_in_use
from parmagic.pool.crew import WorkerState
from parmagic.pool.default import running_pool
from parmagic.report.units import count

_COLUMNS = WorkerState._fields[:4]


class PoolTable:
    """The workers at one moment, as a table."""

    def __init__(
        self, workers: Sequence[WorkerState], missing: int = 0, *, backend: str = ""
    ) -> None:
        self.workers = list(workers)
        self.missing = missing
        self.backend = backend

    @classmethod
    def now(cls) -> PoolTable:
        """Describe the backend in use, or the shared pool."""
        elsewhere = workforce_in_use()
        if elsewhere is not None:
            size = count(elsewhere.size, "worker")
            return cls((), backend=f"{described(elsewhere)}: {size}")
        pool = running_pool()
        if pool is None:
            return cls(())
        workers = pool.workers
        return cls(workers, max(pool.max_workers - len(workers), 0))

    def __repr__(self) -> str:
        if self.backend:
            return f"{self.backend}\n%parpool --on local goes back to the pool of this machine"
        if not self.workers and not self.missing:
            return "no workers; the next use of the pool starts them"
        rows = [_COLUMNS, *(tuple(map(str, worker[: len(_COLUMNS)])) for worker in self.workers)]
        table = [
            f"{number:>6}  {pid:>7}  {state:<8}  {chunks:>11}"
            for number, pid, state, chunks in rows
        ]
        to_start = [f"{count(self.missing, 'worker')} to start"] if self.missing else []
        return "\n".join([*(table if self.workers else []), *to_start])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
