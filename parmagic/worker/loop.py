"""The worker's loop: receive a message, do it, answer.

::

    Load (a function) ──▶ kept as bytes until the job's first chunk
    Run (a chunk)     ──▶ ItemRun ──▶ Done: values, seconds, failures, output
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from parmagic.worker import capture, debugger, reserve, substitutes
from parmagic.worker.arrival import Arrival, arrive
from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import CHUNK, ITEM, LOADING, NOTHING, RECEIVING, SENDING, Board
from parmagic.worker.cancel import Cancellation, Cancelled
from parmagic.worker.capture import Capture, Output
from parmagic.worker.channel import Channel, SharedSender
from parmagic.worker.footprint import take_peak
from parmagic.worker.function import LoadedFunction
from parmagic.worker.items import ItemRun
from parmagic.worker.lifeline import die_with_parent, die_with_parent_for_sure
from parmagic.worker.loans import LOOK_AGAIN_SECONDS, Loans
from parmagic.worker.memory import Found, memory
from parmagic.worker.messages import Done, Forget, Load, Printed, Ready, Run, Stop
from parmagic.worker.modules import LocalModules
from parmagic.worker.open_figures import forget_open_figures, show_open_figures
from parmagic.worker.parcel import Shipment, unwrap, wrap
from parmagic.worker.surroundings import Surroundings
from parmagic.worker.values import dump_values
from parmagic.worker.warning_filters import send_warnings

if TYPE_CHECKING:
    from collections.abc import Callable

    from parmagic.worker.failure import Failure

# What can wait is done when nothing has come for so long: a first result comes before it.
IDLE_SECONDS = 0.02
# Shorter chunks are not worth the 35 µs that it takes to measure their memory.
MEASURED_SECONDS = 0.01
# A worker that makes room for a new one has so long to end by itself.
LAST_SECONDS = 1.0

_inside_worker = False


def inside_worker() -> bool:
    """Tell whether an item runs in this process or thread, where a nested map runs serially."""
    return _inside_worker or capture.of_this_thread() is not None


def main(channel: Channel, board: Board, black_box: BlackBox, initializer: bytes | None) -> None:
    """Serve the kernel until it says stop or is gone.

    Parameters
    ----------
    initializer
        A pickled function without parameters, called before the worker says that it is ready.
    """
    global _inside_worker
    _inside_worker = True
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_be_no_worker, channel, board))
    _read_nothing()
    reserve.keep()
    pid = os.getpid()
    try:
        Worker(channel, board, black_box).serve(initializer)
    except (EOFError, OSError):
        # The kernel is gone, or an item has taken or closed all descriptors. Code 0 is for who
        # leaves in good order: the chunk that was sent to such a one is tried again without end.
        sys.exit(1)
    except MemoryError:
        os._exit(1)  # there is none left to say so; the kernel will
    except ValueError:  # a fork that an item made has come out of the item
        if os.getpid() == pid:
            raise
    finally:
        Capture.uninstall()


def _read_nothing() -> None:
    # multiprocessing replaces sys.stdin, but who reads the descriptor would wait for the kernel's.
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)


def _be_no_worker(channel: Channel, board: Board) -> None:
    # In a fork that an item made: what it prints or returns would be taken for the item's.
    channel.close()
    board.cells.release()  # which ends the walk over the chunk's other items, too
    Capture.uninstall()
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Worker:
    """The process that this is, as the kernel sees it."""

    def __init__(self, channel: Channel, board: Board, black_box: BlackBox) -> None:
        self._channel = channel
        self._sender = SharedSender(channel)
        self._cells = board.cells
        self._cancellation = Cancellation(self._cells)
        self._black_box = black_box
        self._capture = Capture(self._cells, black_box, self._send_output)
        self._functions: dict[int, LoadedFunction] = {}
        self._surroundings: Surroundings | None = None
        self._modules = LocalModules()
        self._loans = Loans()
        self._unpickle: Callable[..., Any] = pickle.loads
        self._sent: list[Shipment] = []
        self._job = NOTHING
        self._entered = NOTHING
        self._walked: ItemRun | None = None
        self._load_seconds = 0.0
        self._draws = False
        self._too_large = False
        self._ends = False

    def serve(self, initializer: bytes | None) -> None:
        """Receive messages and do them, until `Stop`."""
        die_with_parent()
        memory.keeper = self._loans
        self._cancellation.install()
        self._capture.install()
        send_warnings()
        debugger.install()
        substitutes.install(on_pyplot=self._watch_figures)
        self._black_box.install()
        failure = None if initializer is None else self._initialize(initializer)
        self._sender.send(Ready(failure))
        if failure is None:
            self._answer_all()

    def _initialize(self, initializer: bytes) -> Failure | None:
        from parmagic.worker.legacy import Legacy

        legacy = Legacy()
        try:
            legacy.run(initializer)
        except BaseException as error:
            from parmagic.worker.failure import pack

            return pack(error)
        finally:
            self._sender.send(Printed(NOTHING, self._capture.take()))
        self._unpickle = legacy.load
        return None

    def _answer_all(self) -> None:
        prepared = False
        while not self._ends:
            if not prepared and not self._channel.inbox.poll(IDLE_SECONDS):
                prepared = _when_idle(_prepare)
            self._tidy_up()
            for received in self._channel.receive():
                if not self._ends:
                    self._answer(arrive(received, self._loans.recall))

    def _tidy_up(self) -> None:
        """Let go of memory, as long as there is nothing else to do."""
        if self._loans and not self._channel.inbox.poll(IDLE_SECONDS):
            self._send_released()
        while self._loans.keeps_any and not self._channel.inbox.poll(LOOK_AGAIN_SECONDS):
            self._loans.drop_old()
            _when_idle(_give_back_heap)

    def _answer(self, arrival: Arrival) -> None:
        message = arrival.message
        for segment in arrival.segments:
            segment.known_there = True
        self._close_sent()
        if isinstance(message, Run):
            self._run(message, arrival)
        elif isinstance(message, Load):
            self._forget(message.over)
            self._surroundings = message.surroundings or self._surroundings
            self._functions[message.job] = LoadedFunction(
                arrival, self._surroundings, self._unpickle
            )
        elif isinstance(message, Forget):
            self._forget(message.jobs)
            self._send_released()
            self._loans.sort_in()  # before the next job comes
        self._ends = self._has_to_end(message)

    def _has_to_end(self, message: Any) -> bool:
        if isinstance(message, Load) and self._modules.changed():
            # Before its first chunk is begun, which waits for a worker that is new.
            _end_soon()
            return True
        return isinstance(message, Stop) or self._cancellation.poisoned or self._too_large

    def _forget(self, jobs: tuple[int, ...]) -> None:
        for job in jobs:
            self._functions.pop(job).close()

    def _send_released(self) -> None:
        if self._loans:
            self._sender.send(self._loans.take_released())

    def _close_sent(self) -> None:
        while self._sent:
            self._sent.pop().close()

    def _run(self, run: Run, arrival: Arrival) -> None:
        function = self._functions[run.job]
        load = function.load
        walk = self._new_walk(run, function)
        started = time.monotonic()
        self._job = run.job
        self._walked = walk
        self._capture.begin(run.job, bounded=load.bounded, by_task=load.is_async)
        self._black_box.begin()
        self._cells[CHUNK] = run.serial
        with suppress(Cancelled):
            self._walk(walk, run, function, arrival)
        walk.settle()
        self._walked = None
        self._modules.note_new()  # before the kernel goes on, and perhaps edits one
        self._loans.loan = None if run.loan is None else arrival.segments[-1]
        self._send_done(run, walk, started, arrival)
        self._cells[CHUNK] = self._cells[ITEM] = NOTHING

    def _new_walk(self, run: Run, function: LoadedFunction) -> ItemRun:
        load = function.load
        if not load.is_async:
            return ItemRun(run, self._cells, keep_going=load.keep_going, most_bytes=load.most_bytes)
        from parmagic.worker.async_items import AsyncItemRun

        return AsyncItemRun(
            run,
            self._cells,
            function.loop(self._cells, self._cancellation.limit),
            keep_going=load.keep_going,
            most_bytes=load.most_bytes,
            most_seconds=load.timeout_seconds,
            one_by_one=load.seed is not None,
        )

    def _walk(self, walk: ItemRun, run: Run, function: LoadedFunction, arrival: Arrival) -> None:
        try:
            self._capture.install()  # again, for an item may have set its own streams
            self._cancellation.allow(run.job, walk.stop)
            self._walk_items(walk, run, function, arrival)
        finally:
            self._cancellation.forbid()  # which is the last moment to be cancelled at

    def _walk_items(
        self, walk: ItemRun, run: Run, function: LoadedFunction, arrival: Arrival
    ) -> None:
        try:
            self._cells[ITEM] = LOADING
            begun = time.monotonic()
            if run.job != self._entered:  # jobs take turns
                function.enter()
                self._entered = run.job
            call = function.call()
            self._load_seconds = time.monotonic() - begun
            self._cells[ITEM] = RECEIVING
        except BaseException as error:
            return walk.fail_all(error)
        try:
            items = unwrap(
                run.parcel,
                arrival.segments,
                descriptors=arrival.descriptors,
                load=self._unpickle,
            )
        except BaseException as error:
            return walk.refuse(error)
        if function.load.timeout_seconds is not None and not function.load.is_async:
            call = self._cancellation.limited(call, function.load.timeout_seconds)
        if self._draws:
            forget_open_figures()
            walk.watch(show_open_figures)
        if function.load.seed is None:
            return walk.walk(call, items)
        from parmagic.worker.random_numbers import RandomNumbers

        with RandomNumbers(function.load.seed) as numbers:
            return walk.walk(numbers.given_to(call, self._cells), items)

    def _watch_figures(self) -> None:
        """Show from now on, after each item, the figures that it leaves open."""
        self._draws = True
        if self._walked is not None:
            self._walked.watch(show_open_figures)

    def _send_done(self, run: Run, walk: ItemRun, started: float, arrival: Arrival) -> None:
        self._cells[ITEM] = SENDING
        self._too_large = walk.too_large
        peak_bytes = 0 if sum(walk.seconds) < MEASURED_SECONDS else take_peak()
        values = dump_values(walk, run.first)
        shipment = wrap(*values, place=_found_in_kernel, inline=run.inline, to_kernel=True)
        self._loans.loan = None
        length = len(walk.values)
        walk.values.clear()  # they may be what came in: that is free then, for what comes next
        arrival.close()
        let_go = self._loans.take_released()
        done = Done(
            run.job,
            run.serial,
            length,
            shipment.parcel,
            tuple(walk.seconds),
            started,
            tuple(walk.failures),
            self._capture.take(),
            ends=self._cancellation.poisoned or self._too_large,
            peak_bytes=peak_bytes,
            worked_seconds=time.monotonic() - started,
            began=walk.began,
            load_seconds=self._load_seconds,
            released=let_go.released,
            unclean=let_go.unclean,
            missing=walk.missing,
        )
        self._sender.send(done, shipment.segments)
        self._sent.append(shipment)
        for segment in shipment.segments:  # are the kernel's now
            segment.own(False)
            segment.given = not segment.known_there
        # What has a name lasts no longer than somebody holds it: we do until the kernel does.
        if not any(segment.named for segment in shipment.segments):
            self._close_sent()

    def _send_output(self, output: Output) -> bool:
        with self._cancellation.postponed():
            return self._sender.try_to_send(Printed(self._job, output))


def _end_soon() -> None:
    # Python waits for threads that an item has left, and for as long as they like.
    end = threading.Timer(LAST_SECONDS, os._exit, (0,))
    end.daemon = True
    end.start()


def _found_in_kernel(buffer: memoryview) -> Found | None:
    """Tell where ``buffer`` lies, if the kernel has the segment and knows that we look at it.

    What a pool of this worker's own has made is only ours, and not to be given away as it is.
    """
    found = memory.find(buffer)
    return found if found is not None and found.segment.known_there else None


def _when_idle(do: Callable[[], None]) -> bool:
    """Do what can be left undone, and tell whether that went well.

    An item may have taken all descriptors or emptied sys.path, or a file of the user's may stand
    before the module that is to be imported.
    """
    try:
        do()
    except MemoryError:
        raise  # a new worker has some
    except (Exception, SystemExit):
        return False
    return True


def _prepare() -> None:
    die_with_parent_for_sure()
    import cloudpickle  # noqa: F401  # 60 ms

    # Where memory has run out, there is none to import what tells so.
    import parmagic.worker.failure
    import parmagic.worker.window  # noqa: F401
    from parmagic.worker import heap

    heap.keep_freed()


def _give_back_heap() -> None:
    from parmagic.worker import heap  # ctypes, 8 ms

    heap.give_back()
