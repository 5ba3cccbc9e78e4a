from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import resource
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any

import pytest
from support import Gate, alive, wait_until

from parmagic import PoolBroken, ProcessPoolExecutor, WorkerDied
from parmagic.pool.crew import Crew
from parmagic.worker.channel import Channel

Pool = ProcessPoolExecutor


def states(pool: Pool) -> list[str]:
    return [worker.state for worker in pool.workers]


def pids(pool: Pool) -> set[int]:
    return {worker.pid for worker in pool.workers}


def idle(pool: Pool, count: int = 2) -> bool:
    return wait_until(lambda: states(pool) == ["idle"] * count)


def warm(pool: Pool) -> set[int]:
    """Wait for the pool's workers, and return their pids."""
    pool.dispatcher.start()
    assert idle(pool, pool.max_workers)
    return pids(pool)


DEATHS: dict[str, tuple[Callable[[], Any], int]] = {
    "exit": (lambda: os._exit(3), 3),
    "exit without error": (lambda: os._exit(0), 0),
    "SIGKILL": (lambda: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
    "SIGTERM": (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
    "abort": (lambda: os.abort(), -signal.SIGABRT),
    "segmentation fault": (lambda: ctypes.string_at(0), -signal.SIGSEGV),
}


@pytest.mark.parametrize(("die", "exitcode"), DEATHS.values(), ids=DEATHS)
def test_a_dead_worker_costs_its_own_call_and_is_replaced(
    pool: Pool, gate: Gate, die: Callable[[], Any], exitcode: int
) -> None:
    before = warm(pool)
    other = pool.submit(gate.enter)
    gate.wait_for()
    error = pool.submit(die).exception(10)
    assert isinstance(error, WorkerDied)
    assert error.exitcode == exitcode
    assert pool.submit(abs, -1).result(10) == 1
    gate.open()
    assert other.result(10) is None
    assert idle(pool)
    assert len(pids(pool) & before) == 1


def test_a_worker_that_cannot_be_heard_is_replaced(pool: Pool) -> None:
    before = warm(pool)
    assert isinstance(pool.submit(os.closerange, 3, 256).exception(10), WorkerDied)
    assert idle(pool)
    assert len(pids(pool) & before) == 1


def test_nobody_blames_memory_for_a_worker_that_we_have_ended(pool: Pool) -> None:
    error = pool.submit(lambda: (os.closerange(3, 256), signal.pause())).exception(10)
    assert isinstance(error, WorkerDied)
    assert error.exitcode is None
    assert str(error) == f"worker {error.worker} ended while it sent the result."


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_idle_worker_that_is_killed_is_replaced(pool: Pool, number: int) -> None:
    before = warm(pool)
    os.kill(min(before), number)
    assert wait_until(lambda: len(pids(pool) - before) == 1)
    assert idle(pool)
    assert pool.submit(abs, -1).result(10) == 1


def test_workers_that_were_asked_to_end_are_replaced_at_the_next_use(pool: Pool) -> None:
    before = warm(pool)
    for pid in before:
        os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: pool.workers == [])
    assert pool.submit(abs, -1).result(10) == 1
    assert not pids(pool) & before


def test_workers_that_are_killed_while_they_start_are_replaced(gate: Gate) -> None:
    with ProcessPoolExecutor(2, initializer=gate.enter) as pool:
        futures = [pool.submit(abs, -number) for number in range(4)]
        gate.wait_for(2)
        for pid in gate.pids:
            os.kill(pid, signal.SIGKILL)
        gate.open()
        assert [future.result(10) for future in futures] == list(range(4))


def test_idle_workers_that_die_one_after_the_other_are_replaced_at_the_next_use(
    pool: Pool,
) -> None:
    warm(pool)
    assert wait_until(lambda: kill_idle(pool) or (pool.workers == [] and none_is_to_come(pool)))
    assert pool.submit(abs, -1).result(10) == 1
    assert idle(pool)


def kill_idle(pool: Pool) -> bool:
    for worker in pool.workers:
        if worker.state == "idle":
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
    return False


def none_is_to_come(pool: Pool) -> bool:
    reactor = pool.dispatcher._running()
    started = threading.Event()
    reactor.post(lambda: reactor.post_own(started.set))
    return started.wait(10) and pool.workers == []


def test_all_workers_may_die_at_once(pool: Pool) -> None:
    for _ in range(5):
        for pid in warm(pool):
            os.kill(pid, signal.SIGKILL)
        assert pool.submit(abs, -1).result(10) == 1


def test_calls_that_kill_do_not_stop_the_others(pool: Pool) -> None:
    futures = [pool.submit(os._exit, 1) if n % 5 == 0 else pool.submit(abs, -n) for n in range(20)]
    assert wait(futures, 60).not_done == set()
    for number, future in enumerate(futures):
        if number % 5:
            assert future.result() == number
        else:
            assert isinstance(future.exception(), WorkerDied)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_death_is_seen_though_a_grandchild_holds_the_worker_s_files(pool: Pool) -> None:
    worker, grandchild = pool.submit(lambda: (os.getpid(), os.fork() or signal.pause())).result()
    try:
        os.kill(worker, signal.SIGKILL)
        assert wait_until(lambda: worker not in pids(pool))
        assert pool.submit(abs, -1).result(10) == 1
    finally:
        os.kill(grandchild, signal.SIGKILL)


# Sizes


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (2, 4, 1, 3), (3, 3)])
def test_the_pool_follows_its_size(pool: Pool, sizes: tuple[int, ...]) -> None:
    warm(pool)
    for size in sizes:
        pool.resize(size)
        assert idle(pool, size)
        assert pool.max_workers == size


def test_those_who_stay_stay_warm(pool: Pool) -> None:
    before = warm(pool)
    pool.resize(4)
    assert idle(pool, 4)
    assert before < pids(pool)
    pool.resize(2)
    assert idle(pool)
    assert pids(pool) == before


def test_a_worker_too_many_ends_after_its_call(pool: Pool, gate: Gate) -> None:
    futures = [pool.submit(gate.enter, number) for number in range(2)]
    gate.wait_for(2)
    pool.resize(1)
    assert wait_until(lambda: sorted(states(pool)) == ["busy", "leaving"])
    gate.open()
    assert [future.result(10) for future in futures] == [None, None]
    assert idle(pool, 1)


@pytest.mark.parametrize("size", [0, -1])
def test_a_pool_without_workers_makes_no_sense(pool: Pool, size: int) -> None:
    with pytest.raises(ValueError, match="needs 1 worker or more"):
        pool.resize(size)


# Workers that cannot start


@pytest.fixture
def broken_python(tmp_path: Path) -> Iterator[None]:
    """Let spawned processes end at once."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nexit 7\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    before = spawn.get_executable()
    multiprocessing.set_executable(str(path))
    yield
    multiprocessing.set_executable(before)


@pytest.mark.usefixtures("broken_python")
def test_a_broken_environment_is_an_error_for_all_who_wait(pool: Pool) -> None:
    futures = [pool.submit(abs, -1) for _ in range(5)]
    assert futures[1].cancel()
    for future in [futures[0], *futures[2:]]:
        with pytest.raises(PoolBroken, match="3 workers in a row .* exit code 7"):
            future.result(20)


def test_a_mended_environment_is_used_again(pool: Pool, request: pytest.FixtureRequest) -> None:
    broken = request.getfixturevalue("broken_python")
    assert broken is None
    assert isinstance(pool.submit(abs, -1).exception(20), PoolBroken)
    multiprocessing.set_executable(sys.executable)
    assert pool.submit(abs, -1).result(20) == 1


def test_without_descriptors_every_call_is_answered(pool: Pool) -> None:
    pool.submit(abs, -1).result()
    pool.resize(8)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
    try:
        futures = [pool.submit(abs, -1) for _ in range(50)]
        assert wait(futures, 20).not_done == set()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert pool.submit(abs, -1).result(20) == 1


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[OSError]:
    """Let the system refuse all processes from now on, and note how often it has."""
    noted: list[OSError] = []

    def refuse(crew: Crew) -> None:
        noted.append(OSError(errno.EAGAIN, "Resource temporarily unavailable"))
        raise noted[-1]

    monkeypatch.setattr(Crew, "_add_worker", refuse)
    return noted


def test_a_replacement_that_is_refused_costs_the_others_nothing(
    pool: Pool, gate: Gate, request: pytest.FixtureRequest
) -> None:
    warm(pool)
    running = pool.submit(gate.enter)
    gate.wait_for()
    refusals = request.getfixturevalue("refusals")
    assert isinstance(pool.submit(os._exit, 3).exception(10), WorkerDied)
    assert wait_until(lambda: len(refusals) == 1)
    waiting = pool.submit(abs, -1)
    assert wait_until(lambda: len(refusals) == 2)
    gate.open()
    assert (running.result(10), waiting.result(10)) == (None, 1)


def test_when_all_replacements_are_refused_the_pool_is_broken(
    pool: Pool, request: pytest.FixtureRequest
) -> None:
    warm(pool)
    assert request.getfixturevalue("refusals") == []
    fatal = [pool.submit(os._exit, 3) for _ in range(2)]
    waiting = pool.submit(abs, -1)
    assert all(isinstance(future.exception(10), WorkerDied) for future in fatal)
    with pytest.raises(PoolBroken, match="refuses to start a worker"):
        waiting.result(10)


# Chunks that cannot be sent


def test_a_result_is_not_lost_with_the_call_that_comes_after_it(
    pool: Pool, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.resize(1)
    first = pool.submit(gate.enter)
    second = pool.submit(abs, -1)
    gate.wait_for()

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Channel, "send", fail)
    gate.open()
    assert first.result(10) is None
    assert isinstance(second.exception(10), MemoryError)
    monkeypatch.undo()
    assert pool.submit(abs, -1).result(10) == 1


# Odd calls


def test_a_thread_of_a_call_may_go_on_printing(pool: Pool) -> None:
    def start_talking() -> None:
        import threading

        def talk() -> None:
            while True:
                print("x" * 1000)
                time.sleep(0.0001)

        threading.Thread(target=talk, daemon=True).start()

    for _ in range(2):
        pool.submit(start_talking).result()
    assert [pool.submit(abs, -n).result(10) for n in range(200)] == list(range(200))


def test_a_call_may_start_threads_that_never_end(pool: Pool) -> None:
    def start() -> None:
        import threading

        threading.Thread(target=time.sleep, args=(1000,)).start()

    pool.submit(start).result()
    before = pids(pool)
    pool.shutdown()
    assert not any(map(alive, before))


FORKS = {
    "that comes back": "",
    "that raises": "raise ValueError",
    "that exits": "sys.exit(3)",
    "that prints": "print('x' * 100_000, flush=True); os._exit(0)",
}


@pytest.mark.parametrize("code", FORKS.values(), ids=FORKS)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_of_a_worker_does_no_harm(
    pool: Pool, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def fork() -> int:
        print("before")
        if pid := os.fork():
            os.waitpid(pid, 0)
            return pid
        exec(code)
        return 0

    assert pool.submit(fork).result(10) > 0
    assert [pool.submit(abs, -n).result(10) for n in range(10)] == list(range(10))
    assert capfd.readouterr().out.count("before") == 1
