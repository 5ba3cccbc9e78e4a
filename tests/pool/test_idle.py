from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support import wait_until

from parmagic import ProcessPoolExecutor, share
from parmagic.pool import broadcast, idle
from parmagic.pool import stock as stock_module
from parmagic.pool.broadcast import broadcasts
from parmagic.pool.payload import Payload
from parmagic.pool.stock import stock
from parmagic.worker.memory import memory

pytestmark = pytest.mark.usefixtures("nothing_held")

MANY = 300_000


@pytest.fixture
def looked_after(nothing_held: None) -> Iterator[None]:
    """Have the memory kept as while there is a pool."""
    stock.open()
    yield
    idle.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing kept for any time."""
    monkeypatch.setattr(stock_module, "IDLE_SECONDS", -1.0)
    monkeypatch.setattr(broadcast, "IDLE_SECONDS", -1.0)


def captured(array: np.ndarray) -> Payload:
    return Payload.of(lambda: array, star=False, keep_going=True)


def test_at_first_there_is_nothing() -> None:
    assert not idle.there_is_any()


def test_there_is_something_while_a_segment_is_held() -> None:
    shared = share(np.zeros(10))
    assert idle.there_is_any()
    del shared
    assert not idle.there_is_any()


@pytest.mark.usefixtures("looked_after")
def test_there_is_something_while_a_segment_is_free() -> None:
    segment = memory.take(1)
    memory.release(segment)
    assert stock.free_bytes
    assert idle.there_is_any()
    stock.clear()
    assert not idle.there_is_any()


@pytest.mark.usefixtures("looked_after")
def test_there_is_something_while_a_broadcast_is_kept() -> None:
    captured(np.zeros(MANY)).close()
    assert idle.there_is_any()
    broadcasts.clear()
    stock.clear()
    assert not idle.there_is_any()


@pytest.mark.usefixtures("looked_after")
def test_what_is_used_lately_is_kept() -> None:
    captured(np.zeros(MANY)).close()
    memory.release(memory.take(1))
    free_bytes, kept_bytes = stock.free_bytes, broadcasts.kept_bytes
    idle.trim()
    assert (stock.free_bytes, broadcasts.kept_bytes) == (free_bytes, kept_bytes) != (0, 0)


@pytest.mark.usefixtures("looked_after", "impatient")
def test_what_is_not_used_is_given_back() -> None:
    captured(np.zeros(MANY)).close()
    memory.release(memory.take(1))
    assert idle.there_is_any()
    idle.trim()
    idle.trim()  # where what was a broadcast is free only now
    assert not idle.there_is_any()


@pytest.mark.usefixtures("looked_after", "impatient")
def test_what_is_used_is_not_given_back() -> None:
    payload = captured(np.zeros(MANY))
    idle.trim()
    assert broadcasts.kept_bytes == 8 * MANY
    payload.close()
    idle.trim()
    assert broadcasts.kept_bytes == 0


@pytest.mark.usefixtures("looked_after")
def test_an_end_that_nobody_has_noticed_is_noticed() -> None:
    segment = memory.take(1)
    look = [memory.look(segment, segment.access)]
    memory.release(segment)
    with memory._lock:  # somebody is at it
        look.clear()
    assert memory.busy
    idle.trim()
    assert not memory.busy
    assert stock.free_bytes == segment.nbytes


def test_the_last_pool_leaves_nothing() -> None:
    stock.open()
    stock.open()
    captured(np.zeros(MANY)).close()
    idle.close()
    assert broadcasts.kept_bytes == 8 * MANY
    idle.close()
    assert not idle.there_is_any()


@pytest.mark.usefixtures("impatient")
def test_a_pool_gives_back_what_it_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "LOOK_SECONDS", 0.05)
    with ProcessPoolExecutor(1) as pool:
        array = np.zeros(MANY)
        (result,) = pool.map(lambda n: array + n, [1])
        assert result.sum() == MANY
        del result
        assert wait_until(lambda: not idle.there_is_any())
        result = pool.submit(np.ones, MANY).result()
        assert result.sum() == MANY
        assert idle.there_is_any()
        del result
        assert wait_until(lambda: not idle.there_is_any())


def test_a_pool_that_is_killed_leaves_nothing() -> None:
    pool = ProcessPoolExecutor(2)
    array = np.zeros(MANY)
    results = list(pool.map(lambda n: array + n, range(4)))
    pool.kill()
    assert wait_until(lambda: broadcasts.kept_bytes == stock.free_bytes == 0)
    assert [result[0] for result in results] == [0, 1, 2, 3]
    results.clear()
    assert wait_until(lambda: not idle.there_is_any())
