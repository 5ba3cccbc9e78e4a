"""An initialised ray."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from parmagic.backends.backend import Adapter, Order, Tell, tell_of
from parmagic.worker import remote
from parmagic.worker.errors import BackendError

# What runs has a moment to end by itself. Ray 2.60 ends our whole process where a task ends just
# when it is cancelled ("Tried to complete task that was not pending"): it did so after 1, 27 and 40
# jobs of eight short tasks that were cancelled at once, and not in 5,400 that had this time.
ENDING_SECONDS = 0.2

_LOSSES = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")


class RayBackend(Adapter):
    """The cluster that ray is connected to. An item that runs is stopped by KeyboardInterrupt."""

    name = "ray"

    def __init__(self, ray: Any) -> None:
        if not ray.is_initialized():
            raise BackendError("ray is not initialised: call ray.init() first")
        self._ray = ray
        # Whether to try again is for the job to say, which knows the items.
        self._run = ray.remote(_run).options(max_retries=0, name="parmagic")

    def size(self) -> int:
        """Return how many CPUs the cluster has."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def put(self, payload: bytes) -> Any:
        """Put the function into the object store."""
        return [self._ray.put(payload)]  # in a list it is fetched by those who need it

    def submit(self, order: Order, tell: Tell) -> Any:
        """Submit a chunk."""
        reference = self._run.remote(order.message, order.payload)
        reference.future().add_done_callback(partial(_tell, tell))
        return reference

    def cancel(self, submitted: list[Any]) -> None:
        """Cancel what waits, and interrupt what runs."""
        unfinished = self._unfinished(submitted, 0)
        first_waiting = self.size()
        for reference in reversed(unfinished[first_waiting:]):  # none of them moves up meanwhile
            self._ray.cancel(reference, force=False)
        for reference in self._unfinished(unfinished[:first_waiting], ENDING_SECONDS):
            self._ray.cancel(reference, force=False)

    def _unfinished(self, submitted: list[Any], seconds: float) -> list[Any]:
        if not submitted:
            return []
        left: list[Any] = self._ray.wait(submitted, num_returns=len(submitted), timeout=seconds)[1]
        return left

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether ``error`` is that of a process or a machine that is gone."""
        losses = [getattr(self._ray.exceptions, name, None) for name in _LOSSES]
        return isinstance(error, tuple(filter(None, losses)))

    def lost_worker(self, error: BaseException) -> str:  # noqa: ARG002
        """Name ray, which does not say which."""
        return "a worker of ray"


def _tell(tell: Tell, future: Any) -> None:
    def unwrapped(answer: Any, error: BaseException | None) -> None:
        tell(answer, getattr(error, "cause", None) or error)

    tell_of(future, unwrapped)


def _run(message: bytes, payload: bytes | list[Any] | None) -> remote.Answer | None:
    import ray

    def fetched() -> bytes | None:
        if not isinstance(payload, list):
            return payload
        put: bytes = ray.get(payload[0])
        return put

    worker = f"{ray.util.get_node_ip_address()}:{os.getpid()}"
    return remote.run(message, fetched, worker=worker)
