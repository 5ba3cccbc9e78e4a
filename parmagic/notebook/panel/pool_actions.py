"""What can be done to the shared pool."""

from __future__ import annotations

from collections.abc import Callable

from parmagic.pool.default import default_pool, running_pool


class PoolActions:
    """Add workers, remove them, replace them, end them.

    Parameters
    ----------
    stop_jobs
        Stops what runs, and keeps what has finished.
    """

    def __init__(self, stop_jobs: Callable[[], None]) -> None:
        self._stop_jobs = stop_jobs

    def add_worker(self) -> None:
        """Have one worker more; the first time, as many as there are processors."""
        pool = running_pool()
        default_pool(None if pool is None else pool.max_workers + 1)

    def remove_worker(self) -> None:
        """Have one worker less, which ends after what it runs; one stays."""
        pool = running_pool()
        if pool is not None and pool.max_workers > 1:
            pool.resize(pool.max_workers - 1)

    def restart_worker(self, number: int) -> None:
        """Replace a worker; what it runs is run again."""
        pool = running_pool()
        if pool is not None:
            pool.restart(number)

    def restart_all(self) -> None:
        """Replace all workers; what they run is run again."""
        pool = running_pool()
        for worker in [] if pool is None else pool.workers:
            self.restart_worker(worker.number)

    def stop(self) -> None:
        """End the workers, and stop what they run; the next use starts new ones."""
        pool = running_pool()
        if pool is not None:
            self._stop_jobs()
            pool.shutdown(wait=False)
