from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import pytest
from one_worker import OneWorker

from parmagic.worker import kinds
from parmagic.worker.channel import Channel
from parmagic.worker.parcel import Parcel, unwrap, wrap
from parmagic.worker.pickling import dump


class Travelled(NamedTuple):
    """A value after its journey, and the parcel that it travelled in."""

    parcel: Parcel
    back: Any


@pytest.fixture
def travel() -> Callable[..., Travelled]:
    """Send a value from this process to itself, as it is sent to another."""

    def there_and_back(value: Any, **options: Any) -> Travelled:
        shipment = wrap(*dump(value))
        try:
            return Travelled(shipment.parcel, unwrap(shipment.parcel, shipment.segments, **options))
        finally:
            shipment.close()

    return there_and_back


@pytest.fixture(params=kinds.MAKERS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of segment, as `PARMAGIC_MEMORY` chooses it."""
    monkeypatch.setattr(kinds, "KIND", request.param)
    return str(request.param)


@pytest.fixture
def lowered() -> Callable[[int, int], AbstractContextManager[None]]:
    """Lower a limit of this process for a while."""

    @contextmanager
    def lower(which: int, limit: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(which)
        resource.setrlimit(which, (limit, hard))
        try:
            yield
        finally:
            resource.setrlimit(which, (soft, hard))

    return lower


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    both = Channel.pair(multiprocessing.get_context("spawn"))
    yield both
    for channel in both:
        channel.close()


@pytest.fixture
def worker() -> Iterator[OneWorker]:
    """A worker that has not run anything yet."""
    started = OneWorker()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def same_worker() -> Iterator[OneWorker]:
    """One for all tests of a module, started before the first of them."""
    started = OneWorker()
    started.run(abs)
    yield started
    started.kill()
