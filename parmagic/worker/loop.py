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

from parmagic.worker.board import CHUNK, ITEM, NOTHING, Board
from parmagic.worker.cancel import Cancellation, Cancelled
from parmagic.worker.capture import Capture, Output
from parmagic.worker.channel import Channel, Received, SharedSender
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

_inside_worker = False


def inside_worker() -> bool:
    """Tell whether this process is one of our workers, where a nested map runs serially."""
    return _inside_worker


def main(channel: Channel, board: Board, initializer: bytes | None) -> None:
    """Serve the kernel until it says stop or is gone.

    Parameters
    ----------
    initializer
        A pickled function without parameters, called before the worker says that it is ready.
    """
    global _inside_worker
    _inside_worker = True
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_be_no_worker, channel))
    try:
        Worker(channel, board).serve(initializer)
    except (EOFError, OSError):
        pass  # the kernel is gone
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _be_no_worker(channel: Channel) -> None:
    # In a fork that an item made: what it prints or returns would be taken for the item's.
    channel.close()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Worker:
    """The process that this is, as the kernel sees it."""

    def __init__(self, channel: Channel, board: Board) -> None:
        self._channel = channel
        self._sender = SharedSender(channel)
        self._cells = board.cells
        self._cancellation = Cancellation(self._cells)
        self._capture = Capture(self._cells, self._send_output)
        self._functions: dict[int, LoadedFunction] = {}
        self._surroundings: Surroundings | None = None
        self._modules = LocalModules()
        self._job = NOTHING
        self._ends = False

    def serve(self, initializer: bytes | None) -> None:
        """Receive messages and do them, until `Stop`."""
        die_with_parent()
        self._cancellation.install()
        self._capture.install()
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
        return isinstance(message, Stop) or self._cancellation.poisoned

    def _forget(self, jobs: tuple[int, ...]) -> None:
        for job in jobs:
            self._functions.pop(job).close()

    def _run(self, run: Run, received: Received) -> None:
        function = self._functions[run.job]
        walk = ItemRun(run, self._cells, keep_going=function.load.keep_going)
        started = time.monotonic()
        self._job = run.job
        self._cells[CHUNK] = run.serial
        try:
            self._walk(walk, run, function, received)
        except Cancelled:
            pass
        finally:
            received.close()
        self._modules.note_new()  # before the kernel goes on, and perhaps edits one
        self._send_done(run, walk, started)
        self._cells[CHUNK] = self._cells[ITEM] = NOTHING

    def _walk(self, walk: ItemRun, run: Run, function: LoadedFunction, received: Received) -> None:
        try:
            self._cancellation.allow(run.job)
            _walk(walk, run, function, received)
        finally:
            self._cancellation.forbid()  # which is the last moment to be cancelled at

    def _send_done(self, run: Run, walk: ItemRun, started: float) -> None:
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
        )
        self._sender.send(done, segment)
        if segment is not None:
            segment.close()

    def _send_output(self, output: Output) -> None:
        with self._cancellation.postponed():
            self._sender.send(Printed(self._job, output))


def _walk(walk: ItemRun, run: Run, function: LoadedFunction, received: Received) -> None:
    try:
        call = function.call()
    except Cancelled:
        raise
    except BaseException as error:
        return walk.fail_all(error)
    try:
        items = unwrap(run.parcel, received.descriptor, private=True)
    except Cancelled:
        raise
    except BaseException as error:
        return walk.refuse(error)
    return walk.walk(call, items)


def _prepare() -> None:
    die_with_parent_for_sure()
    import cloudpickle  # noqa: F401  # 60 ms


def _initialize(initializer: bytes) -> Failure | None:
    try:
        pickle.loads(initializer)()
    except BaseException as error:
        from parmagic.worker.failure import pack

        return pack(error)
    return None
