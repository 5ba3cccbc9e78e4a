from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import itertools
import operator
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Gate, alive, wait_until

from parmagic import PayloadError, PoolBroken, ProcessPoolExecutor, WorkerDied

Pool = ProcessPoolExecutor
EXITS = [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit]


def raising(kind: type[BaseException]) -> Callable[[], Any]:
    def fn() -> None:
        raise kind("from the worker")

    return fn


def pids(pool: Pool) -> list[int]:
    return [worker.pid for worker in pool.workers]


# submit


def test_a_call_runs_in_a_worker(pool: Pool) -> None:
    assert pool.submit(os.getpid).result() in pids(pool)


OFFSET = 40
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "built-in": (int, ("101010",), {"base": 2}),
    "lambda": (lambda x, *, y: x + y, (40,), {"y": 2}),
    "with a global": (lambda x: x + OFFSET, (2,), {}),
    "closure": ((lambda y: lambda x: x + y)(2), (40,), {}),
    "partial": (functools.partial(operator.add, 40), (2,), {}),
    "bound method": ([1, 2, 42].pop, (), {}),
    "method descriptor": (str.__len__, ("x" * 42,), {}),
    "item getter": (operator.itemgetter(1), ([0, 42],), {}),
}


@pytest.mark.parametrize(("fn", "args", "kwargs"), CALLS.values(), ids=CALLS)
def test_any_callable_can_be_submitted(
    pool: Pool, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert pool.submit(fn, *args, **kwargs).result() == 42


@pytest.mark.parametrize("kind", [ValueError, *EXITS])
def test_what_a_call_raises_is_its_future_s(pool: Pool, kind: type[BaseException]) -> None:
    error = pool.submit(raising(kind)).exception()
    assert (type(error), str(error)) == (kind, "from the worker")
    assert pool.submit(abs, -1).result() == 1


def raise_in_a_callback(pool: Pool, kind: type[BaseException]) -> None:
    called = threading.Event()
    future = pool.submit(raising(kind))
    future.add_done_callback(lambda done: called.set() or done.result())
    assert called.wait(10)


@pytest.mark.parametrize("kind", [ValueError, *EXITS])
def test_a_callback_that_raises_harms_nobody(
    pool: Pool, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    raise_in_a_callback(pool, kind)
    assert pool.submit(abs, -1).result(10) == 1
    caplog.clear()  # it keeps the exception, and with its frames the pool


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_callback_that_exits_leaves_the_calls_of_others_alone(
    pool: Pool, kind: type[BaseException], gate: Gate
) -> None:
    other = pool.submit(gate.enter)
    gate.wait_for()
    before = pids(pool)
    raise_in_a_callback(pool, kind)
    assert pool.submit(abs, -1).result(10) == 1
    gate.open()
    assert other.result(10) is None
    assert set(before) <= set(pids(pool))


def test_a_callback_may_submit(pool: Pool) -> None:
    inner: Future[Future[int]] = Future()
    outer = pool.submit(abs, -1)
    outer.add_done_callback(lambda done: inner.set_result(pool.submit(abs, done.result() - 3)))
    assert inner.result(10).result(10) == 2


@pytest.mark.parametrize(
    ("fn", "args", "message"),
    [
        (lambda lock: 1, (threading.Lock(),), "cannot send the call to the workers"),
        (lambda: threading.Lock(), (), "cannot send the result of item 0 back"),
    ],
    ids=["argument", "result"],
)
def test_what_cannot_be_pickled_is_named(
    pool: Pool, fn: Callable[..., Any], args: tuple[Any, ...], message: str
) -> None:
    error = pool.submit(fn, *args).exception()
    assert isinstance(error, PayloadError)
    assert message in str(error)
    assert "_thread.lock" in str(error)
    assert pool.submit(abs, -1).result() == 1


def test_thousands_of_calls_keep_their_results_apart(pool: Pool) -> None:
    futures = [pool.submit(operator.neg, number) for number in range(3000)]
    assert [future.result() for future in futures] == [-number for number in range(3000)]


def test_several_threads_submit_at_once(pool: Pool) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        ask = lambda n: [pool.submit(operator.add, n, k).result() for k in range(50)]  # noqa: E731
        assert list(threads.map(ask, range(8))) == [[n + k for k in range(50)] for n in range(8)]


def test_what_a_call_prints_is_shown_here(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    def fn() -> None:
        print("out")
        print("err", file=sys.stderr)

    pool.submit(fn).result()
    assert capsys.readouterr() == ("out\n", "err\n")


def test_calls_see_folder_and_environment_as_they_are(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lambda: (os.getcwd(), os.environ.get("PARMAGIC_TEST"))  # noqa: E731
    assert pool.submit(here).result() == (os.getcwd(), None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARMAGIC_TEST", "here")
    assert pool.submit(here).result() == (str(tmp_path), "here")


def test_a_call_whose_worker_dies_is_broken_and_no_other(pool: Pool) -> None:
    dying, living = pool.submit(os._exit, 3), pool.submit(abs, -1)
    with pytest.raises(BrokenProcessPool, match="exit code 3"):
        dying.result(10)
    assert isinstance(dying.exception(), WorkerDied)
    assert living.result(10) == 1
    assert pool.submit(abs, -1).result() == 1


def test_it_is_one_of_the_standard_library_s(pool: Pool) -> None:
    assert isinstance(pool, concurrent.futures.ProcessPoolExecutor)
    pool.resize(1)
    assert pool._max_workers == 1


# cancel


def test_a_call_that_waits_can_be_cancelled_and_the_others_run(pool: Pool, gate: Gate) -> None:
    running = [pool.submit(gate.enter, number) for number in range(2)]
    gate.wait_for(2)
    waiting = [pool.submit(abs, -number) for number in range(5)]
    assert [waiting[number].cancel() for number in (0, 2, 4)] == [True] * 3
    assert not running[0].cancel()
    gate.open()
    assert [waiting[number].result(10) for number in (1, 3)] == [1, 3]
    done, _ = concurrent.futures.wait([*running, *waiting], 10)
    assert len(done) == 7
    with pytest.raises(CancelledError):
        waiting[2].result()


# the interfaces of others


def test_it_serves_asyncio(pool: Pool) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(pool, abs, -n) for n in range(5)))

    assert asyncio.run(main()) == list(range(5))


def test_results_come_as_they_are_completed(pool: Pool, gate: Gate) -> None:
    slow, quick = pool.submit(gate.enter), pool.submit(abs, -1)
    completed = concurrent.futures.as_completed([slow, quick], timeout=10)
    assert next(completed) is quick
    gate.open()
    assert next(completed) is slow


def test_a_result_is_waited_for_no_longer_than_asked(pool: Pool, gate: Gate) -> None:
    future = pool.submit(gate.enter)
    gate.wait_for()
    for timeout in (-0.5, 0, 0.001, 0.02):
        with pytest.raises(TimeoutError):
            future.result(timeout)
    gate.open()
    assert future.exception(10) is None


# shutdown


def test_shutdown_waits_for_what_was_submitted() -> None:
    with ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(abs, -number) for number in range(20)]
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == list(range(20))
    assert pool.workers == []


def test_without_wait_shutdown_returns_at_once_and_all_still_run(gate: Gate) -> None:
    pool = ProcessPoolExecutor(1)
    futures = [pool.submit(gate.enter), *(pool.submit(abs, -number) for number in range(5))]
    pool.shutdown(wait=False)
    gate.open()
    assert [future.result(10) for future in futures] == [None, *range(5)]
    pool.shutdown()


def test_cancel_futures_leaves_what_has_begun(gate: Gate) -> None:
    pool = ProcessPoolExecutor(1)
    running, waiting = pool.submit(gate.enter), pool.submit(abs, -1)
    gate.wait_for(1)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.open()
    pool.shutdown()
    assert running.result() is None
    assert waiting.cancelled()


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("end", [Pool.shutdown, Pool.kill])
def test_after_its_end_it_takes_no_calls(
    end: Callable[[Pool], None], wait: bool, used: bool
) -> None:
    pool = ProcessPoolExecutor(1)
    if used:
        pool.submit(abs, -1).result()
    pool.shutdown(wait=wait)
    for call in (lambda: pool.submit(abs, -1), lambda: pool.map(abs, [-1])):
        with pytest.raises(RuntimeError, match="after shutdown"):
            call()
    end(pool)
    end(pool)


def test_kill_ends_what_runs_and_what_waits(gate: Gate) -> None:
    pool = ProcessPoolExecutor(1)
    futures = [pool.submit(gate.enter), pool.submit(abs, -1)]
    gate.wait_for(1)
    pool.kill()
    assert not any(map(alive, gate.pids))
    for future in futures:
        with pytest.raises(PoolBroken, match="was stopped"):
            future.result(10)


def test_killed_workers_break_what_runs_and_cancel_what_waits(gate: Gate) -> None:
    pool = ProcessPoolExecutor(1)
    running, waiting = pool.submit(gate.enter), pool.submit(abs, -1)
    gate.wait_for(1)
    pool.kill_workers()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, -1)
    with pytest.raises(BrokenProcessPool, match="was stopped"):
        running.result(10)
    assert wait_until(waiting.cancelled)
    pool.shutdown()
    assert not any(map(alive, gate.pids))


@pytest.mark.parametrize("state", ["starting", "busy"])
def test_kill_brings_up_no_new_workers(state: str) -> None:
    pool = ProcessPoolExecutor(1)
    future = pool.submit(abs, -1)
    wait_until(
        lambda: (pool.workers and pool.workers[0].state != "starting") or state == "starting"
    )
    pool.kill()
    assert wait_until(future.done)
    assert pool.workers == []


def test_a_collected_pool_ends_when_all_is_done(gate: Gate) -> None:
    pool = ProcessPoolExecutor(1)
    future = pool.submit(gate.enter)
    gate.wait_for(1)
    del pool
    gc.collect()
    gate.open()
    assert future.result(10) is None
    assert wait_until(lambda: not any(map(alive, gate.pids)))


def test_who_submits_while_another_shuts_down_is_answered() -> None:
    for _ in range(8):
        pool = ProcessPoolExecutor(1)
        pool.submit(abs, -1).result()
        futures: list[Future[int]] = []

        def submit(pool: Pool = pool, futures: list[Future[int]] = futures) -> None:
            for number in itertools.count():
                futures.append(pool.submit(abs, -number))

        thread = threading.Thread(target=lambda: pytest.raises(RuntimeError, submit))
        thread.start()
        pool.shutdown(wait=False)
        thread.join()
        _, waiting = concurrent.futures.wait(futures, 10)
        assert not waiting
        pool.shutdown()


# making one


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_workers": 0}, ValueError, "max_workers must be greater than 0, not 0"),
        ({"max_workers": -1}, ValueError, "max_workers must be greater than 0, not -1"),
        ({"max_workers": 1.5}, TypeError, "integer"),
        ({"initializer": 1}, TypeError, "initializer must be a callable"),
        ({"initializer": abs, "initargs": (threading.Lock(),)}, PayloadError, "the initializer"),
        ({"max_tasks_per_child": 0}, ValueError, "max_tasks_per_child must be >= 1"),
        ({"max_tasks_per_child": 1.5}, TypeError, "max_tasks_per_child must be an integer"),
        ({"mp_context": get_context("fork")}, ValueError, "cannot with 'fork'.*mp_context=multi"),
        ({"mp_context": get_context("forkserver")}, ValueError, "cannot with 'forkserver'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ProcessPoolExecutor(**options)


def test_the_initializer_runs_in_every_worker_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, initializer=Gate(tmp_path).note, initargs=("ready",)) as pool:
        list(pool.map(abs, range(10)))
        assert wait_until(lambda: len(Gate(tmp_path).pids) == 2)
        list(pool.map(abs, range(10)))
        assert sorted(Gate(tmp_path).pids) == sorted(pids(pool))


@pytest.mark.parametrize("kind", [ValueError, *EXITS])
def test_an_initializer_that_fails_is_reported(kind: type[BaseException]) -> None:
    with ProcessPoolExecutor(2, initializer=raising(kind)) as pool:
        futures = [pool.submit(abs, -1) for _ in range(3)]
        for error in [future.exception(10) for future in futures]:
            assert isinstance(error, PoolBroken)
            assert isinstance(error, BrokenProcessPool)
            assert f"the initializer failed in a worker: {kind.__name__}" in str(error)
            assert type(error.__cause__) is kind
        for submit in (lambda: pool.submit(abs, -1), lambda: pool.map(abs, [-1])):
            with pytest.raises(BrokenProcessPool, match="the initializer failed"):
                submit()


def test_no_more_workers_are_started_than_there_are_calls(gate: Gate) -> None:
    with ProcessPoolExecutor(9) as pool:
        assert pool.workers == []
        assert pool.max_workers == 9
        for _ in range(3):
            pool.submit(abs, -1).result()
        assert len(pool.workers) == 1
        for number in range(3):
            pool.submit(gate.enter, number)
        gate.wait_for(3)
        assert len(pool.workers) == 3
        gate.open()


def test_calls_are_run_in_the_folder_in_which_they_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in "ab"]
    with ProcessPoolExecutor(1) as pool:
        futures = []
        for folder in folders:
            folder.mkdir()
            monkeypatch.chdir(folder)
            futures += [pool.submit(os.getcwd) for _ in range(4)]
        assert [future.result() for future in futures] == [
            str(each) for each in folders for _ in range(4)
        ]


def test_what_calls_hold_is_freed_also_after_a_shutdown(nothing_held: None) -> None:
    captured = np.ones(500_000)
    with ProcessPoolExecutor(1) as pool:
        values = pool.map(lambda x: captured[x], range(4))
    assert list(values) == [1.0] * 4


def test_a_call_outlives_any_number_of_restarts(gate: Gate) -> None:
    with ProcessPoolExecutor(1) as pool:
        future = pool.submit(gate.enter)
        for count in range(1, 6):
            gate.wait_for(count)
            (worker,) = [each for each in pool.workers if each.state == "busy"]
            pool.restart(worker.number)
            assert wait_until(lambda gone=worker.pid: not alive(gone))
            for path in gate.folder.glob("*@*"):
                path.rename(path.with_name(f"{count}{path.name}"))
        gate.open()
        assert future.result(10) is None


def test_what_an_initializer_sets_of_its_process_holds_for_all_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "before")

    def begin() -> None:
        os.environ["OWN"] = "3"
        os.chdir(tmp_path)

    def seen(_: int) -> tuple[str | None, ...]:
        return os.environ.get("OWN"), os.environ["GIVEN"], os.getcwd()

    with ProcessPoolExecutor(1, initializer=begin) as pool:
        assert pool.submit(seen, 0).result() == ("3", "before", str(tmp_path))
        monkeypatch.setenv("GIVEN", "after")
        assert pool.submit(seen, 0).result() == ("3", "after", str(tmp_path))


def test_a_replacement_that_cannot_start_at_once_harms_nobody(tmp_path: Path, gate: Gate) -> None:
    def begin() -> None:
        number = len(list(tmp_path.glob("start-*")))
        (tmp_path / f"start-{number}-{os.getpid()}").touch()
        if number in (2, 3):
            raise OSError("no network")

    with ProcessPoolExecutor(2, initializer=begin) as pool:
        running = pool.submit(gate.enter)
        dying = pool.submit(os._exit, 3)
        with pytest.raises(WorkerDied):
            dying.result()
        assert pool.submit(abs, -1).result() == 1
        gate.open()
        assert running.result() is None
    assert len(list(tmp_path.glob("start-*"))) == 5
