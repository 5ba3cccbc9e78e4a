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
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import CHUNK, ITEM, LOADING, NOTHING, RECEIVING, SENDING, Board
from parmagic.worker.cancel import Cancellation, Cancelled
from parmagic.worker.capture import Capture, Output
from parmagic.worker.channel import Channel, Received, SharedSender
from parmagic.worker.footprint import take_peak
from parmagic.worker.function import LoadedFunction
from parmagic.worker.items import ItemRun
from parmagic.worker.lifeline import die_with_parent, die_with_parent_for_sure
from parmagic.worker.messages import Done, Forget, Load, Printed, Ready, Run, Stop
from parmagic.worker.modules import LocalModules
from parmagic.worker.parcel import unwrap, wrap
from parmagic.worker.surroundings import Surroundings
from parmagic.worker.values import dump_values

if TYPE_CHECKING:
    from parmagic.worker.failure import Failure

# What can wait is done when nothing has come for so long: a first result comes before it.
IDLE_SECONDS = 0.02
# Shorter chunks are not worth the 35 µs that it takes to measure their memory.
MEASURED_SECONDS = 0.01

_inside_worker = False


def inside_worker() -> bool:
    """Tell whether this process is one of our workers, where a nested map runs serially."""
    return _inside_worker


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
    pid = os.getpid()
    try:
        Worker(channel, board, black_box).serve(initializer)
    except (EOFError, OSError):
        pass  # the kernel is gone
    except MemoryError:
        os._exit(1)  # there is none left to say so; the kernel will
    except ValueError:  # a fork that an item made has come out of the item
        if os.getpid() == pid:
            raise
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _read_nothing() -> None:
    # multiprocessing replaces sys.stdin, but who reads the descriptor would wait for the kernel's.
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)


def _be_no_worker(channel: Channel, board: Board) -> None:
    # In a fork that an item made: what it prints or returns would be taken for the item's.
    channel.close()
    board.cells.release()  # which ends the walk over the chunk's other items, too
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
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
        self._job = NOTHING
        self._too_large = False
        self._ends = False

    def serve(self, initializer: bytes | None) -> None:
        """Receive messages and do them, until `Stop`."""
        die_with_parent()
        self._cancellation.install()
        self._capture.install()
        self._black_box.install()
        failure = None if initializer is None else _initialize(initializer)
        self._sender.send(Ready(failure))
        if failure is None:
            self._answer_all()

    def _answer_all(self) -> None:
        prepared = False
        while not self._ends:
            if not prepared and not self._channel.inbox.poll(IDLE_SECONDS):
                prepared = True
                _prepare()
            for received in self._channel.receive():
                if not self._ends:
                    self._answer(received)

    def _answer(self, received: Received) -> None:
        message = received.message
        if isinstance(message, Run):
            self._run(message, received)
        elif isinstance(message, Load):
            self._forget(message.over)
            self._surroundings = message.surroundings or self._surroundings
            self._functions[message.job] = LoadedFunction(received, self._surroundings)
        elif isinstance(message, Forget):
            self._forget(message.jobs)
        self._ends = self._has_to_end(message)

    def _has_to_end(self, message: Any) -> bool:
        if isinstance(message, Load):
            # Before its first chunk is begun, which then goes to a worker that is new.
            return self._modules.changed()
        return isinstance(message, Stop) or self._cancellation.poisoned or self._too_large

    def _forget(self, jobs: tuple[int, ...]) -> None:
        for job in jobs:
            self._functions.pop(job).close()

    def _run(self, run: Run, received: Received) -> None:
        function = self._functions[run.job]
        load = function.load
        walk = ItemRun(run, self._cells, keep_going=load.keep_going, most_bytes=load.most_bytes)
        started = time.monotonic()
        self._job = run.job
        self._cells[CHUNK] = run.serial
        try:
            self._walk(walk, run, function, received)
        except Cancelled:
            pass
        finally:
            received.close()
        walk.settle()
        self._modules.note_new()  # before the kernel goes on, and perhaps edits one
        self._send_done(run, walk, started)
        self._cells[CHUNK] = self._cells[ITEM] = NOTHING

    def _walk(self, walk: ItemRun, run: Run, function: LoadedFunction, received: Received) -> None:
        try:
            self._capture.install()  # again, for an item may have set its own streams
            self._cancellation.allow(run.job, walk.stop)
            self._walk_items(walk, run, function, received)
        finally:
            self._cancellation.forbid()  # which is the last moment to be cancelled at

    def _walk_items(
        self, walk: ItemRun, run: Run, function: LoadedFunction, received: Received
    ) -> None:
        try:
            self._cells[ITEM] = LOADING
            call = function.call()
            self._cells[ITEM] = RECEIVING
        except BaseException as error:
            return walk.fail_all(error)
        try:
            items = unwrap(run.parcel, received.descriptor, private=True)
        except BaseException as error:
            return walk.refuse(error)
        if function.load.timeout_seconds is not None:
            call = self._cancellation.limited(call, function.load.timeout_seconds)
        return walk.walk(call, items)

    def _send_done(self, run: Run, walk: ItemRun, started: float) -> None:
        self._cells[ITEM] = SENDING
        self._too_large = walk.too_large
        parcel, segment = wrap(*dump_values(walk, run.first))
        done = Done(
            run.job,
            run.serial,
            len(walk.values),
            parcel,
            tuple(walk.seconds),
            started,
            tuple(walk.failures),
            self._capture.take(),
            ends=self._cancellation.poisoned or self._too_large,
            peak_bytes=0 if sum(walk.seconds) < MEASURED_SECONDS else take_peak(),
        )
        self._sender.send(done, segment)
        if segment is not None:
            segment.close()

    def _send_output(self, output: Output) -> None:
        with self._cancellation.postponed():
            self._sender.send(Printed(self._job, output))


def _prepare() -> None:
    die_with_parent_for_sure()
    import cloudpickle  # noqa: F401  # 60 ms

    # Where memory has run out, there is none to import what tells so.
    import parmagic.worker.failure  # noqa: F401


def _initialize(initializer: bytes) -> Failure | None:
    try:
        pickle.loads(initializer)()
    except BaseException as error:
        from parmagic.worker.failure import pack

        return pack(error)
    return None
