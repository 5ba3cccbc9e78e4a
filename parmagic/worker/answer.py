"""Run a chunk in a thread of a process that is not ours alone."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import ITEM, NOTHING
from parmagic.worker.cancel import Cancelled
from parmagic.worker.capture import Capture, Output
from parmagic.worker.direct import Direct
from parmagic.worker.items import ItemRun
from parmagic.worker.messages import Done, Load, Run
from parmagic.worker.open_figures import PYPLOT, show_figures
from parmagic.worker.parcel import Parcel, unwrap, wrap
from parmagic.worker.stage import stage
from parmagic.worker.values import dump_values

Call = Callable[[Any], Any]

_CELLS = 8
_thread = threading.local()
# A process has its generators of random numbers once: of its threads one has them at a time.
_seeding = threading.Lock()


def answer(
    run: Run,
    load: Load,
    call: Callable[[], Call],
    *,
    job: str,
    send: Callable[[Output], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Done:
    """Call the job's function on the items of ``run``, and say what became of them.

    Parameters
    ----------
    call
        Returns the function, as one of one argument.
    job
        Names the job among those of all notebooks.
    send
        Takes output that cannot wait for the end; by default all of it does.
    stopped
        Asked between two items whether the rest is not wanted any more.
    """
    return _Answer(run, load, call, job, send, stopped).given()


class _Answer:
    def __init__(
        self,
        run: Run,
        load: Load,
        call: Callable[[], Call],
        job: str,
        send: Callable[[Output], None] | None,
        stopped: Callable[[], bool] | None,
    ) -> None:
        self._run = run
        self._load = load
        self._call = call
        self._job = job
        self._stopped = stopped
        self._sent: list[Any] = []
        self._send = send or self._sent.extend
        self._seat = _seat()
        self._walk = ItemRun(run, self._seat.cells, keep_going=load.keep_going)
        self._load_seconds = 0.0

    def given(self) -> Done:
        started = time.monotonic()
        capture = self._seat.capture
        self._seat.send = self._send
        capture.begin(self._job, bounded=self._load.bounded)
        try:
            with stage.entered(capture), contextlib.suppress(Cancelled), _stoppable(self._walk):
                self._walk_items()
        finally:
            self._seat.cells[ITEM] = NOTHING
        self._walk.settle()
        return self._done(capture, started)

    def _walk_items(self) -> None:
        try:
            begun = time.monotonic()
            call = self._call()
            self._load_seconds = time.monotonic() - begun
        except BaseException as error:
            return self._walk.fail_all(error)
        try:
            items = unwrap(self._run.parcel, ())
        except BaseException as error:
            return self._walk.refuse(error)
        self._walk.watch(self._after_item)
        if self._load.seed is None:
            return self._walk.walk(call, items)
        from parmagic.worker.random_numbers import RandomNumbers

        with _seeding, RandomNumbers(self._load.seed) as numbers:
            return self._walk.walk(numbers.given_to(call, self._seat.cells), items)

    def _after_item(self) -> None:
        # At home they are the notebook's, which shows them itself.
        if PYPLOT in sys.modules and not stage.is_home:
            show_figures()
        if self._stopped is not None and self._stopped():
            self._walk.stop()

    def _done(self, capture: Capture, started: float) -> Done:
        walk, run = self._walk, self._run
        parcel, rest = self._packed(), capture.take()
        return Done(
            run.job,
            run.serial,
            len(walk.values),
            parcel,
            tuple(walk.seconds),
            started,
            tuple(walk.failures),
            (*self._sent, *rest),
            ends=False,
            peak_bytes=0,
            worked_seconds=time.monotonic() - started,
            began=walk.began,
            load_seconds=self._load_seconds,
        )

    def _packed(self) -> Parcel | Direct:
        if isinstance(self._run.parcel, Direct):
            return Direct(self._walk.values)
        return wrap(*dump_values(self._walk, self._run.first), inline=True).parcel


class _Seat:
    """What a thread has, once it has run a chunk."""

    def __init__(self) -> None:
        self.cells = memoryview(bytearray(8 * _CELLS)).cast("q")
        self.cells[ITEM] = NOTHING
        self.capture = Capture(self.cells, BlackBox(None), self._pass_on)
        self.send: Callable[[Output], None]

    def _pass_on(self, output: Output) -> bool:
        self.send(output)
        return True


def _seat() -> _Seat:
    seat: _Seat | None = getattr(_thread, "seat", None)
    if seat is None:
        seat = _thread.seat = _Seat()
    return seat


@contextlib.contextmanager
def _stoppable(walk: ItemRun) -> Iterator[None]:
    """Let SIGINT stop the items, where it is this thread that receives signals.

    So ray and ipyparallel stop a call that runs; what is finished by then is kept.
    """
    if stage.is_home or threading.current_thread() is not threading.main_thread():
        yield
        return

    running = True

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once: the way out is not disturbed
        if running:
            walk.stop()
            raise Cancelled

    before = signal.signal(signal.SIGINT, stop)
    try:
        try:
            yield
        finally:
            running = False
    finally:  # which is reached, whenever the signal comes
        signal.signal(signal.SIGINT, before)
