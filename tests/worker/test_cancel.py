from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import weakref
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import wait_until

import parmagic
from parmagic.pool.default import default_pool
from parmagic.worker import cancel
from parmagic.worker.board import CANCELLED, EXPIRED, ITEM
from parmagic.worker.cancel import _POSTPONED_AT_MOST, Cancellation, Cancelled, _soon_again

JOB = 5


class Worker:
    """This process, which can be interrupted like a worker."""

    def __init__(self) -> None:
        self.cells = memoryview(array("q", [-1] * 8))
        self.cancellation = Cancellation(self.cells)
        self.cancellation.install()

        self.stops = 0

    def stop(self) -> None:
        self.stops += 1

    def interrupt(self, job: int = JOB) -> None:
        self.cells[CANCELLED] = job
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = signal.getsignal(signal.SIGINT)
    yield Worker()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):  # an interrupt that is still to come
            thread.join()
    signal.signal(signal.SIGINT, before)


def test_an_item_of_a_cancelled_job_is_stopped(worker: Worker) -> None:
    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(Cancelled):
        worker.interrupt()
    assert not worker.cancellation.poisoned
    assert worker.stops == 1


def test_an_item_whose_time_is_over_is_stopped_alone(worker: Worker) -> None:
    def late(item: int) -> None:
        worker.cells[EXPIRED] = worker.cells[ITEM] = item
        os.kill(os.getpid(), signal.SIGINT)

    worker.cancellation.allow(JOB, worker.stop)
    limited = worker.cancellation.limited(late, 1.5)
    for item in (7, 8):
        with pytest.raises(TimeoutError, match="took longer than 1.5 s"):
            limited(item)
    assert worker.stops == 0


@pytest.mark.parametrize("made", ["a value", "another error"])
def test_what_an_item_makes_of_its_end_does_not_count(worker: Worker, made: str) -> None:
    def late(item: int) -> int:
        worker.cells[EXPIRED] = worker.cells[ITEM] = item
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            if made == "another error":
                raise ValueError from None
        return item

    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(TimeoutError):
        worker.cancellation.limited(late, 1)(7)


def test_the_time_of_another_item_is_not_that_of_this_one(worker: Worker) -> None:
    def in_time(item: int) -> int:
        worker.cells[ITEM], worker.cells[EXPIRED] = item, item - 1
        os.kill(os.getpid(), signal.SIGINT)
        return item

    worker.cancellation.allow(JOB, worker.stop)
    assert worker.cancellation.limited(in_time, 1)(7) == 7


@pytest.mark.parametrize("item", [-1, 7], ids=["none yet", "one of the same number"])
def test_the_time_of_an_earlier_chunk_is_not_that_of_this_one(worker: Worker, item: int) -> None:
    worker.cancellation.limit()
    worker.cells[EXPIRED] = worker.cells[ITEM] = item
    worker.cancellation.allow(JOB, worker.stop)
    worker.cancellation.limit()
    worker.cells[ITEM] = 7
    os.kill(os.getpid(), signal.SIGINT)


async def waits(item: int) -> int:
    await asyncio.sleep(0)
    return item


def test_after_a_job_of_coroutines_with_a_timeout_the_next_one_is_whole() -> None:
    pool = default_pool(1)
    for _ in range(2):
        assert parmagic.map(waits, range(6), timeout=60, chunksize=3) == [*range(6)]
        assert pool.submit(abs, -1).result() == 1
        assert parmagic.map(waits, range(6), timeout=60, chunksize=3) == [*range(6)]
        assert list(pool.map(abs, [-1, -2, -3], chunksize=3)) == [1, 2, 3]


def ignores_its_end(item: int) -> int:
    handler: Any = signal.signal(signal.SIGINT, signal.SIG_IGN)
    cells = handler.__self__._cells
    assert wait_until(lambda: cells[EXPIRED] == item)
    return item


def prints(item: int) -> int:
    print("a flushed line", flush=True)
    return item


def test_an_end_that_an_item_did_not_hear_is_not_for_the_next_job() -> None:
    default_pool(1)
    assert parmagic.map(ignores_its_end, [0], timeout=0.2) == [0]
    assert parmagic.map(prints, [0], timeout=60) == [0]


def test_an_items_own_handler_does_not_outlive_its_chunk(worker: Worker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(Cancelled):
        worker.interrupt()


@pytest.mark.parametrize("job", [-1, JOB - 1, JOB + 1])
def test_an_item_of_another_job_is_not(worker: Worker, job: int) -> None:
    worker.cancellation.allow(JOB, worker.stop)
    worker.interrupt(job)


def test_between_chunks_nothing_is_stopped(worker: Worker) -> None:
    worker.interrupt()
    worker.cancellation.allow(JOB + 1, worker.stop)
    worker.cancellation.forbid()
    worker.interrupt(JOB + 1)


def test_a_job_that_was_cancelled_before_does_not_begin(worker: Worker) -> None:
    worker.interrupt()
    with pytest.raises(Cancelled):
        worker.cancellation.allow(JOB, worker.stop)


def test_the_way_out_of_an_item_is_not_disturbed(worker: Worker) -> None:
    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(Cancelled):
        try:
            worker.interrupt()
        finally:
            worker.interrupt()


def test_a_message_under_way_is_finished_first(worker: Worker) -> None:
    done = []
    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(Cancelled), worker.cancellation.postponed():
        worker.interrupt()
        done.append("sent")
    assert done == ["sent"]


class Dying:
    def __init__(self, last_words: Callable[[], None]) -> None:
        self._last_words = last_words

    def __del__(self) -> None:
        self._last_words()


def test_a_destructor_that_swallows_it_does_not_save_the_item(worker: Worker) -> None:
    worker.cancellation.allow(JOB, worker.stop)
    with pytest.raises(Cancelled):
        Dying(worker.interrupt)
        assert not wait_until(lambda: False)


def test_a_weak_reference_that_swallows_it_does_not_save_the_item(worker: Worker) -> None:
    worker.cancellation.allow(JOB, worker.stop)
    dying = Dying(int)
    reference = weakref.ref(dying, lambda _: worker.interrupt())
    with pytest.raises(Cancelled):
        del dying
        assert not wait_until(lambda: False)
    assert reference() is None


def when_a_lock_is_waited_for(call: Callable[[], None]) -> threading.Thread:
    """Start a thread that calls ``call`` once this one waits for a lock of multiprocessing."""
    here = threading.get_ident()

    def wait_and_call() -> None:
        assert wait_until(lambda: sys._current_frames()[here].f_code.co_name == "__enter__")
        call()

    thread = threading.Thread(target=wait_and_call)
    thread.start()
    return thread


@pytest.mark.parametrize("interrupts", [1, 2, 5])
def test_a_lock_that_an_item_is_given_as_it_is_stopped_is_given_back(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, interrupts: int
) -> None:
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    sent = 0

    def interrupt() -> None:
        nonlocal sent
        sent += 1
        worker.interrupt()

    def soon_again() -> None:
        # On a busy machine the next one comes while the last one is still being postponed.
        if sent < interrupts:
            interrupt()
        _soon_again()

    def give_and_interrupt() -> None:
        queue._rlock.release()
        interrupt()

    monkeypatch.setattr(cancel, "_soon_again", soon_again)
    queue._rlock.acquire()
    worker.cancellation.allow(JOB, worker.stop)
    giver = when_a_lock_is_waited_for(give_and_interrupt)
    with pytest.raises(Cancelled):
        queue.get()
    giver.join()
    assert sent == interrupts
    assert queue._rlock.acquire(block=False)
    queue.close()


def test_an_item_that_waits_for_its_own_lock_is_stopped_a_little_later(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    postponed = []
    monkeypatch.setattr(cancel, "_soon_again", lambda: postponed.append(_soon_again()))
    lock = multiprocessing.get_context("spawn").Lock()
    worker.cancellation.allow(JOB, worker.stop)
    with lock:
        interrupter = when_a_lock_is_waited_for(worker.interrupt)
        with pytest.raises(Cancelled), lock:
            pass
        interrupter.join()
    assert len(postponed) >= _POSTPONED_AT_MOST


def test_other_threads_send_undisturbed(worker: Worker) -> None:
    done = []

    def send() -> None:
        with worker.cancellation.postponed():
            done.append("sent")

    worker.cancellation.allow(JOB, worker.stop)
    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert done == ["sent"]
    with pytest.raises(Cancelled):
        worker.interrupt()


def test_after_an_import_that_was_cut_short_the_worker_must_go(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "cut_short.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    worker.cancellation.allow(JOB, worker.stop)
    worker.cells[CANCELLED] = JOB
    with pytest.raises(Cancelled):
        importlib.import_module("cut_short")
    assert worker.cancellation.poisoned
