"""One worker, seen from the kernel."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import process as processes
from multiprocessing import spawn
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from parmagic.pool.custody import Custody
from parmagic.worker import loop
from parmagic.worker.arrival import Arrival, arrive
from parmagic.worker.blackbox import BlackBox, LastWords
from parmagic.worker.board import CANCELLED, CHUNK, EXPIRED, ITEM, NOTHING, SENDING, Board
from parmagic.worker.channel import Channel, Outgoing, Received
from parmagic.worker.memory import descriptors_are_scarce
from parmagic.worker.messages import Forget, Stop, Taken

if TYPE_CHECKING:
    from parmagic.pool.chunk import Chunk
    from parmagic.pool.payload import Payload
    from parmagic.worker.messages import Load
    from parmagic.worker.surroundings import Surroundings

_context = multiprocessing.get_context("spawn")
_NAME = "parmagic-worker"
# Small functions that a worker may still hold though their jobs are over: to tell it at
# once would wake it for nothing.
MOST_OVER = 20


class WorkerProcess:
    """A process, its channel, board and black box. Used by the dispatcher's thread only.

    Parameters
    ----------
    number
        What it is called in reports and errors; a replacement gets a number of its own.
    initializer
        A pickled function without parameters for the worker to call first.

    Attributes
    ----------
    expired
        The item that was asked to stop because its time was over, if it was the last to be.
    recalled
        Whether it was ended to be replaced: what it ran is to run again.
    """

    def __init__(self, number: int, initializer: bytes | None = None) -> None:
        self.number = number
        self.ready = False
        self.leaving = False
        self.reachable = True
        self._out_of_reach = False
        self.chunk: Chunk | None = None
        self.sent = 0.0
        self.chunks_done = 0
        self.items_done = 0
        self.expired: int | None = None
        self.recalled = False
        self._loaded: set[int] = set()
        self._over: list[int] = []
        self._custody = Custody()
        self._surroundings: Surroundings | None = None
        self._board = Board.create()
        self._black_box = BlackBox.create()
        self.channel, theirs = Channel.pair(_context)
        arguments = (theirs, self._board, self._black_box, initializer)
        self._process = _context.Process(target=loop.main, args=arguments, name=f"{_NAME}-{number}")
        try:
            _start(self._process)
        except BaseException:
            self.channel.close()
            self._black_box.close()
            raise
        finally:
            theirs.close()
            self._board.close()
        self.sentinel = _sentinel(self._process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid or 0

    @property
    def exitcode(self) -> int | None:
        """How it ended: negative for a signal; None while it lives."""
        return self._process.exitcode

    @property
    def own_exitcode(self) -> int | None:
        """How it ended by itself: 0 if it was recalled, None if we ended it as out of reach."""
        if self.recalled:
            return 0
        return None if self._out_of_reach else self.exitcode

    @property
    def idle(self) -> bool:
        """Whether it can be given a chunk."""
        return self.ready and not self.leaving and self.chunk is None

    @property
    def place(self) -> int | None:
        """The index of the item that it runs, or ran when it died.

        Or what else it does with its chunk, as the board has it; None if it has not begun it.
        """
        cells = self._board.cells
        if self.chunk is None or cells[CHUNK] != self.chunk.run.serial:
            return None
        if self._out_of_reach:
            return SENDING  # it went on after the item that has closed its pipes
        return None if cells[ITEM] == NOTHING else cells[ITEM]

    def last_words(self) -> LastWords:
        """Return what is left of it, once it is dead."""
        return self._black_box.read(self.place)

    def run(self, chunk: Chunk) -> None:
        """Send ``chunk``, after its job's function if this worker has not seen it.

        Raises
        ------
        OSError
            The worker is gone; its sentinel tells the rest.
        """
        self.chunk = chunk
        self.sent = time.monotonic()
        self.expired = None
        run, segments = chunk.run, chunk.shipment.segments
        if descriptors_are_scarce(self.channel.inbox.fileno()):
            run = run._replace(inline=True)
        elif chunk.payload.value_bytes:
            run, segments = self._custody.lend(run, segments, chunk.value_bytes)
        items = Outgoing(run, segments, chunk.shipment.descriptors)
        try:
            if chunk.payload.job in self._loaded:
                self._send(items)
            else:
                shipment = chunk.payload.shipment
                load = self._load(chunk.payload)
                self._send(Outgoing(load, shipment.segments, shipment.descriptors), items)
        finally:
            chunk.close()

    def _send(self, *outgoing: Outgoing) -> None:
        for each in outgoing:
            self._custody.begin(each.segments)
        self.channel.send(*outgoing)

    def _load(self, payload: Payload) -> Load:
        load = payload.load._replace(over=self._take_over())
        if load.surroundings == self._surroundings:
            load = load._replace(surroundings=None)
        self._surroundings = payload.load.surroundings
        self._loaded.add(payload.job)
        return load

    def receive(self) -> list[Arrival]:
        """Return what it has said.

        Raises
        ------
        EOFError, OSError
            It is gone.
        """
        return [self._arrival(received) for received in self.channel.receive()]

    def _arrival(self, received: Received) -> Arrival:
        arrival = arrive(received, self._custody.find)
        if any(segment.named for segment in arrival.segments):
            for segment in arrival.segments:
                segment.own(segment.named)
            self._send_quietly(Taken())
        self._custody.note(arrival.segments)
        self._custody.end(getattr(arrival.message, "released", ()))
        self._custody.end(getattr(arrival.message, "unclean", ()), clean=False)
        return arrival

    def forget(self, payload: Payload) -> None:
        """Let the worker free the job's function: at once if it is large, else some time."""
        if payload.job in self._loaded:
            self._loaded.remove(payload.job)
            self._over.append(payload.job)
            if payload.large or len(self._over) > MOST_OVER:
                self._send_quietly(Forget(self._take_over()))

    def _take_over(self) -> tuple[int, ...]:
        over, self._over = tuple(self._over), []
        return over

    def finish(self, items: int, *, ends: bool) -> None:
        """Note that it has run so many items, and whether it is on its way out."""
        self.chunk = None
        self.chunks_done += 1
        self.items_done += items
        self.leaving = self.leaving or ends

    def cancel(self) -> None:
        """Ask the item that runs, and the rest of its chunk, to stop."""
        if self.chunk is not None:
            self._board.cells[CANCELLED] = self.chunk.payload.job
            self._signal()

    def expire(self, item: int) -> None:
        """Ask ``item`` to stop if it still runs."""
        self.expired = item
        self._board.cells[EXPIRED] = item
        self._signal()

    def _signal(self) -> None:
        if sys.platform != "win32":  # where a signal to one process does not exist
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def stop(self) -> None:
        """Let the worker end when it has answered."""
        self.leaving = True
        self._send_quietly(Stop())

    def kill(self, *, politely: bool = False) -> None:
        """End the worker at once; politely, by SIGTERM, which an item may have its way with."""
        self.leaving = True
        if politely:
            self._process.terminate()
        else:
            self._process.kill()

    def recall(self) -> None:
        """End the worker at once; nobody is to blame."""
        self.recalled = True
        self.kill()

    def end_out_of_reach(self) -> None:
        """End a worker that has closed its pipes; one on its way out may finish."""
        if not self.leaving:
            self._out_of_reach = True
            self._process.kill()

    def _send_quietly(self, message: tuple[Any, ...]) -> None:
        with contextlib.suppress(OSError):  # it is gone: its sentinel tells the rest
            self.channel.send(Outgoing(message))

    def reap(self) -> None:
        """Take note of how the process has ended."""
        self._process.join()

    def close(self) -> None:
        """Give up all that was for the process, which has ended."""
        self._custody.close()
        if self.sentinel != self._process.sentinel:
            os.close(self.sentinel)
        self.channel.close()
        self._black_box.close()


@contextlib.contextmanager
def in_a_folder() -> Iterator[None]:
    """Be in a folder that is there while processes are started: the own one may be gone."""
    try:
        os.getcwd()
    except FileNotFoundError:
        here = os.open(".", os.O_RDONLY)
        os.chdir(os.sep)
        try:
            yield
        finally:
            os.fchdir(here)
            os.close(here)
    else:
        yield


def _start(process: BaseProcess) -> None:
    # SIGINT stays blocked until the worker has its handler, or an Interrupt in the
    # first 100 ms would end it with a traceback.
    with _interrupts_blocked(), _without_main():
        process.start()
    # We reap it ourselves. multiprocessing would do so behind our back in active_children(),
    # and at the end of a forked child, whose it is not.
    children: set[BaseProcess] = getattr(processes, "_children", set())
    children.discard(process)


def _sentinel(process: BaseProcess) -> int:
    # multiprocessing's own is a pipe whose other end a grandchild can hold open.
    if hasattr(os, "pidfd_open") and process.pid is not None:
        with contextlib.suppress(OSError):
            return os.pidfd_open(process.pid)
    return process.sentinel


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_preparation_lock = threading.Lock()
_original_preparation = spawn.get_preparation_data


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the kernel's ``__main__`` again in our workers.

    It would where ``__main__.__file__`` is set: in terminal IPython after ``%run``, in
    VS Code, in scripts. Functions of ``__main__`` travel by value instead. Processes
    that others start at the same time are prepared as ever.
    """
    with _preparation_lock:
        spawn.get_preparation_data = _prepare
        try:
            yield
        finally:
            spawn.get_preparation_data = _original_preparation


def _renew_in_child() -> None:
    # The dispatcher's thread, which may have held it, is not in the child of a fork.
    global _preparation_lock
    _preparation_lock = threading.Lock()
    spawn.get_preparation_data = _original_preparation


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)


def _prepare(name: str) -> dict[str, Any]:
    main = sys.modules["__main__"]
    if not hasattr(main, "__spec__"):  # IPython's %run takes it away, and multiprocessing reads it
        main.__spec__ = None
    preparation = _original_preparation(name)
    if name.startswith(_NAME):
        preparation.pop("init_main_from_name", None)
        preparation.pop("init_main_from_path", None)
    return preparation
