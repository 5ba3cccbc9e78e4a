"""An `ipyparallel.Client`, or a view of one."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from functools import partial
from typing import Any

from parmagic.backends.backend import Adapter, Order, Tell, tell_of
from parmagic.worker import remote
from parmagic.worker.errors import BackendError

# How often, and for how long, to ask which engine runs what was to be aborted.
_LOOK_SECONDS = 0.05
_AT_MOST_SECONDS = 10.0

_numbers = itertools.count(1)


class IPyParallelBackend(Adapter):
    """The engines of a client. An item that runs is stopped by SIGINT to its engine.

    Parameters
    ----------
    client
        The client.
    targets
        The ids of the engines; all by default, also those that come later.
    """

    name = "ipyparallel"

    def __init__(self, client: Any, targets: Any = None) -> None:
        self._client = client
        self._targets = targets
        self._balanced = client.load_balanced_view(targets)
        self.address = str(getattr(client, "_config", {}).get("interface", ""))

    @classmethod
    def of_view(cls, view: Any) -> IPyParallelBackend:
        """Take the engines of a view."""
        targets = None if view.targets == "all" else view.targets
        return cls(view.client, [targets] if isinstance(targets, int) else targets)

    def size(self) -> int:
        """Return how many engines there are."""
        return len(self._client.ids if self._targets is None else self._targets)

    def put(self, payload: bytes) -> Any:
        """Push the function to all engines."""
        name = f"_parmagic_{next(_numbers)}"
        self._all().push({name: payload}, block=True)
        return name

    def drop(self, payload: Any) -> None:
        """Delete it there."""
        self._all().apply_async(_delete, payload)

    def _all(self) -> Any:
        return self._client.direct_view("all" if self._targets is None else self._targets)

    def submit(self, order: Order, tell: Tell) -> Any:
        """Submit a chunk."""
        if not self.size():
            raise BackendError("ipyparallel has no engine: those that died are not replaced")
        result = self._balanced.apply_async(_run, order.message, order.payload)
        result.add_done_callback(partial(self._tell, tell))
        return result

    def _tell(self, tell: Tell, result: Any) -> None:
        tell_of(result, tell)
        # The client keeps all results of its life otherwise.
        for msg_id in result.msg_ids:
            self._client.results.pop(msg_id, None)
            self._client.metadata.pop(msg_id, None)

    def cancel(self, submitted: list[Any]) -> None:
        """Abort what waits, and interrupt what runs."""
        self._client.abort(submitted, self._targets, block=False)
        self._interrupt(submitted, time.monotonic() + _AT_MOST_SECONDS)

    def _interrupt(self, submitted: list[Any], until: float) -> None:
        """Send SIGINT to the engines that run these: on a busy machine we hear later which."""
        engines = {each: each.engine_id for each in submitted if not each.ready()}
        running = {*engines.values()} - {None}
        if running:
            self._client.send_signal(signal.SIGINT, sorted(running), block=False)
        waiting = [each for each, engine in engines.items() if engine is None]
        if waiting and time.monotonic() < until:
            timer = threading.Timer(_LOOK_SECONDS, self._interrupt, (waiting, until))
            timer.daemon = True
            timer.start()

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether an engine died."""
        return getattr(error, "ename", type(error).__name__) == "EngineError"

    def lost_worker(self, error: BaseException) -> str:  # noqa: ARG002
        """Name ipyparallel."""
        return "an engine of ipyparallel"


def _run(message: bytes, payload: bytes | str | None) -> remote.Answer | None:
    from IPython import get_ipython

    shell = get_ipython()

    def pushed() -> bytes | None:
        return shell.user_ns.get(payload) if isinstance(payload, str) else payload

    return remote.run(message, pushed, worker=f"engine {shell.kernel.engine_id}")


def _delete(name: str) -> None:
    from IPython import get_ipython

    get_ipython().user_ns.pop(name, None)
