"""Our pool as a backend of joblib, and with it of scikit-learn.

::

    Parallel ──batch──▶ submit ──Call──▶ dispatcher ──▶ a warm worker
        ▲                                                    │
        └───callback──── future ◀────────────────────────────┘
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from multiprocessing import current_process
from typing import Any

# joblib's own backends are made of these, too; what is public is `ParallelBackendBase` only.
from joblib._parallel_backends import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)

from parmagic.pool.call import Call, only_value
from parmagic.pool.cpus import usable_cpus
from parmagic.pool.default import default_pool, running_pool
from parmagic.pool.executor import ProcessPoolExecutor
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.payload import Payload
from parmagic.pool.recurring import Recurring
from parmagic.worker.loop import inside_worker
from parmagic.worker.threads import call_with_threads


class ParmagicBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # no hints
    """Run the calls of ``joblib.Parallel`` in the workers of the shared pool.

    A negative ``n_jobs`` counts from the size of the pool; a larger one makes it larger. With an
    ``initializer`` there is a pool for this purpose, as long as ``Parallel`` has it.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._payload: Payload | None = None
        self._own_pool: ProcessPoolExecutor | None = None
        self._n_jobs = 1

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls can run at the same time."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        # Daemons are not allowed to have processes.
        if n_jobs is None or inside_worker() or current_process().daemon:
            return 1
        return n_jobs if n_jobs > 0 else max(_pool_size() + 1 + n_jobs, 1)

    def configure(self, n_jobs: int | None = 1, parallel: Any = None, **options: Any) -> int:
        """Prepare for the calls of ``parallel``, and return how many can run at once.

        How large an array must be to be mapped, and where to: that is for other backends.
        Ours has all large ones in shared memory.
        """
        self._n_jobs = self.effective_n_jobs(n_jobs)
        if self._n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._dispatcher = self._pool({**self.backend_kwargs, **options}).dispatcher
        return self._n_jobs

    def _pool(self, options: dict[str, Any]) -> ProcessPoolExecutor:
        initializer = options.get("initializer")
        if initializer is not None:
            initargs = options.get("initargs", ())
            self._own_pool = ProcessPoolExecutor(
                self._n_jobs, initializer=initializer, initargs=initargs
            )
            return self._own_pool
        pool = default_pool()
        if pool.max_workers < self._n_jobs:
            pool.resize(self._n_jobs)
        return pool

    def submit(
        self, func: Callable[[], Any], callback: Callable[[Future[Any]], Any] | None = None
    ) -> Future[Any]:
        """Send a batch of calls, and return its future."""
        self._payload = self._payload or self._new_payload()
        future = Call(self._dispatcher, self._payload, [func], only_value).submit()
        if callback is not None:
            future.add_done_callback(callback)
        return future

    # Its name before joblib 1.5.
    apply_async = submit

    def _new_payload(self) -> Payload:
        run = partial(call_with_threads, self._prepare_worker_env(self._n_jobs), usable_cpus())
        payload = Payload.of(run, star=False, keep_going=False)
        payload.most_running = self._n_jobs
        payload.recurring = Recurring()  # every call of a search has the same data
        return payload

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """Return what a batch returned, or raise what it raised."""
        error = future.exception()
        if error is not None:
            error.__cause__ = CallTraceback("".join(traceback.format_exception(error)))
        return future.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Stop what runs and drop what waits; the workers stay warm."""
        if self._payload is not None:
            with Interrupts():
                self._dispatcher.cancel(self._payload.job)
        self.stop_call()

    def stop_call(self) -> None:
        """Let the workers forget a call of Parallel."""
        payload, self._payload = self._payload, None
        if payload is not None:
            with Interrupts():
                self._dispatcher.forget(payload)

    def terminate(self) -> None:
        """Keep the workers for the next one, unless it cannot know them."""
        self.stop_call()
        if self._own_pool is not None:
            self._own_pool.shutdown(wait=False)
            self._own_pool = None
        self.reset_batch_stats()


class CallTraceback(Exception):
    """The lines of an exception in its worker, as text: joblib takes its traceback away."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


def _pool_size() -> int:
    pool = running_pool()
    return usable_cpus() if pool is None else pool.max_workers
