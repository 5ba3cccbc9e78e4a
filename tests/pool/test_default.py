from __future__ import annotations

import pytest
from support import Gate, alive, wait_until

from parmagic.pool.default import default_pool, running_pool, stop_default_pool


def test_it_is_made_at_first_use_and_kept() -> None:
    assert running_pool() is None
    pool = default_pool()
    assert default_pool() is pool is running_pool()


def test_its_workers_start_without_being_asked() -> None:
    pool = default_pool(2)
    assert wait_until(lambda: [worker.state for worker in pool.workers] == ["idle"] * 2)
    assert pool.warm
    assert pool.busy_workers == 0


@pytest.mark.parametrize("size", [1, 2, 4])
def test_it_is_resized_when_asked(size: int) -> None:
    pool = default_pool(2)
    assert wait_until(lambda: len(pool.workers) == 2)
    assert default_pool(size) is pool
    assert wait_until(lambda: len(pool.workers) == size)
    assert default_pool().max_workers == size


@pytest.mark.parametrize("kill", [False, True])
def test_after_its_end_the_next_use_makes_another(kill: bool) -> None:
    pool = default_pool(1)
    assert wait_until(lambda: pool.warm)
    (worker,) = pool.workers
    stop_default_pool(kill=kill)
    assert not alive(worker.pid)
    assert running_pool() is None
    assert default_pool(1) is not pool
    assert default_pool().submit(abs, -1).result() == 1


def test_the_next_one_has_as_many_workers() -> None:
    default_pool(1)
    default_pool(3)
    stop_default_pool()
    assert default_pool().max_workers == 3
    stop_default_pool()
    assert default_pool(2).max_workers == 2


def test_to_stop_none_is_no_error() -> None:
    stop_default_pool()
    stop_default_pool(kill=True)


def test_an_idle_worker_is_replaced_when_asked() -> None:
    pool = default_pool(2)
    assert wait_until(lambda: [worker.state for worker in pool.workers] == ["idle"] * 2)
    first, second = pool.workers
    pool.restart(first.number)
    assert wait_until(lambda: len(pool.workers) == 2 and first not in pool.workers)
    assert second.pid in {worker.pid for worker in pool.workers}
    assert wait_until(lambda: not alive(first.pid))


def test_what_a_replaced_worker_ran_is_run_again(gate: Gate) -> None:
    pool = default_pool(1)
    call = pool.submit(gate.enter)
    gate.wait_for()
    (before,) = pool.workers
    pool.restart(before.number)
    gate.wait_for(2)
    gate.open()
    assert call.result(10) is None
    (after,) = pool.workers
    assert (after.number, after.chunks_done, after.items_done) == (before.number + 1, 1, 1)


def test_to_replace_one_that_is_not_there_is_no_error() -> None:
    pool = default_pool(1)
    pool.restart(99)
    assert pool.submit(abs, -1).result(10) == 1
