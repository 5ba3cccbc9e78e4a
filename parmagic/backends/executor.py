"""Any `concurrent.futures.Executor` whose workers are other processes."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Executor
from typing import Any

from parmagic.backends.backend import Adapter, Order, Tell, tell_when_done
from parmagic.worker import remote


class ExecutorBackend(Adapter):
    """An executor, which knows no way to bring something to each worker once.

    So the function comes with the chunks of those workers that say that they lack it. One
    that breaks when a worker dies, as those of the standard library do, ends the job.
    """

    def __init__(self, executor: Executor, name: str = "") -> None:
        self.name = name or type(executor).__name__
        self._executor = executor

    def size(self) -> int:
        """Return how many workers it has, where it says so, as those that we know do."""
        for attribute in ("_max_workers", "max_workers"):
            number = getattr(self._executor, attribute, None)
            if isinstance(number, int) and number > 0:
                return number
        return os.cpu_count() or 1

    def submit(self, order: Order, tell: Tell) -> Any:
        """Submit a chunk."""
        future = self._executor.submit(_run, order.message, order.payload)
        tell_when_done(future, tell)
        return future

    def cancel(self, submitted: list[Any]) -> None:
        """Cancel what has not begun."""
        for future in submitted:
            future.cancel()

    def lost_worker(self, error: BaseException) -> str:  # noqa: ARG002
        """Name the executor."""
        return f"a worker of {self.name}"


def _run(message: bytes, payload: bytes | None) -> remote.Answer | None:
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return remote.run(message, lambda: payload, worker=worker)
