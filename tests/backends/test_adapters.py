"""What an adapter of a third party may do wrong, or slowly, without harm to the notebook."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest
from support import wait_until

import parmagic
from parmagic.backends import dispatcher
from parmagic.backends.backend import Adapter, Order, Tell
from parmagic.backends.ipyparallel import IPyParallelBackend
from parmagic.worker.remote import Answer


class Farm(Adapter):
    """Has one worker, which answers nothing, and takes all that it is told."""

    name = "farm"

    def size(self) -> int:
        return 1

    def submit(self, order: Order, tell: Tell) -> Any:
        return None

    def cancel(self, submitted: list[Any]) -> None:
        pass

    def lost_worker(self, error: BaseException) -> str:
        return "a worker of the farm"


class Failing(Farm):
    """Its chunks fail."""

    def submit(self, order: Order, tell: Tell) -> Any:
        tell(None, OSError("connection lost"))


class CannotTellALoss(Failing):
    def is_loss(self, error: BaseException) -> bool:
        raise LookupError("what is that?")


class CannotNameTheWorker(Failing):
    def is_loss(self, error: BaseException) -> bool:
        return True

    def lost_worker(self, error: BaseException) -> str:
        raise LookupError("who was that?")


class Garbled(Farm):
    """Its answers are cut off on the way."""

    def submit(self, order: Order, tell: Tell) -> Any:
        tell(Answer("a worker", 0, 0.0, b""), None)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("farm", "message"),
    [
        (CannotTellALoss, "LookupError: what is that"),
        (CannotNameTheWorker, "LookupError: who was that"),
        (Garbled, "EOFError"),
    ],
)
def test_an_adapter_that_fails_itself_ends_the_job(farm: Callable[[], Farm], message: str) -> None:
    with pytest.raises(parmagic.BackendError, match=f"farm could not run a chunk: {message}"):
        parmagic.map(abs, range(3), on=farm())


class Hanging(Farm):
    """Its scheduler answers the first question for the number of workers, and then no more."""

    def __init__(self) -> None:
        self.ends = threading.Event()
        self.asked = threading.Semaphore(0)
        self._sizes = itertools.chain([3], iter(self._wait, None))

    def size(self) -> int:
        return next(self._sizes)

    def cancel(self, submitted: list[Any]) -> None:
        self._wait()

    def _wait(self) -> int:
        self.asked.release()
        assert self.ends.wait(20)
        return 4


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.ends.set()


def test_a_job_is_cancelled_while_the_scheduler_hangs(hanging: Hanging) -> None:
    job = parmagic.map_async(abs, range(3), on=hanging)
    job.cancel()
    with pytest.raises(CancelledError):
        job.result(10)
    assert hanging.asked.acquire(timeout=10)
    assert not hanging.ends.is_set()


def test_the_number_of_workers_is_asked_for_in_the_background(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "SIZE_SECONDS", 0.0)
    workforce = dispatcher.BackendDispatcher(lambda: hanging)
    assert [workforce.size for _ in range(5)] == [3] * 5
    assert hanging.asked.acquire(timeout=10)
    assert not hanging.asked.acquire(blocking=False)  # nobody else asks meanwhile
    hanging.ends.set()
    assert wait_until(lambda: workforce.size == 4)


@pytest.mark.parametrize(("targets", "size"), [("all", 5), (None, 5), ([1, 2], 2), (3, 1)])
def test_a_view_of_ipyparallel_has_as_many_workers_as_engines(targets: Any, size: int) -> None:
    client = SimpleNamespace(ids=[*range(5)], load_balanced_view=lambda targets: None)
    view = SimpleNamespace(client=client, targets=targets)
    assert IPyParallelBackend.of_view(view).size() == size
