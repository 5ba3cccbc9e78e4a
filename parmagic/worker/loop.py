"""The worker's loop: receive a message, do it, answer.

::

    Load (a function) ──▶ kept as bytes until the job's first chunk
    Run (a chunk)     ──▶ ItemRun ──▶ Done: values, seconds, failures, output
"""

from __future__ import annotations

import pickle
import sys
import time
from typing import Any

from parmagic.worker.board import CHUNK, ITEM, NOTHING, Board
from parmagic.worker.cancel import Cancellation, Cancelled
from parmagic.worker.capture import Capture, Output
from parmagic.worker.channel import Channel, Received, SharedSender
from parmagic.worker.failure import Failure, pack
from parmagic.worker.function import LoadedFunction
from parmagic.worker.items import ItemRun
from parmagic.worker.lifeline import die_with_parent
from parmagic.worker.messages import Done, Forget, Load, Printed, Ready, Run, Stop
from parmagic.worker.modules import LocalModules
from parmagic.worker.parcel import unwrap, wrap
from parmagic.worker.surroundings import Surroundings
from parmagic.worker.values import dump_values

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
    try:
        Worker(channel, board).serve(initializer)
    except (EOFError, OSError):
        pass  # the kernel is gone
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


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
        self._cancellation.install()
        self._capture.install()
        failure = None if initializer is None else _initialize(initializer)
        self._sender.send(Ready(failure))
        if failure is None:
            if initializer is None:
                die_with_parent()  # not before: it takes a while
            self._prepare_while_idle()
            self._answer_all()

    def _answer_all(self) -> None:
        while not self._ends:
            for received in self._channel.receive():
                if not self._ends:
                    self._answer(received)

    def _prepare_while_idle(self) -> None:
        if not self._channel.inbox.poll(0):
            import cloudpickle  # noqa: F401  # 60 ms, while there is nothing else to do

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


def _initialize(initializer: bytes) -> Failure | None:
    die_with_parent()  # it may load models for minutes, or hang
    try:
        pickle.loads(initializer)()
    except BaseException as error:
        return pack(error)
    return None
