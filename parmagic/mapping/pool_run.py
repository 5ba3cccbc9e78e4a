"""Drive a job on our pool: cut, send, take note of what comes back.

::

    Backlog ──Piece──▶ Chunk ──▶ dispatcher ──▶ worker
       ▲                                          │
       └── handed back, lost ◀── Event ◀──────────┘
                                   └──▶ Outcomes
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import replace

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.output import show
from parmagic.mapping.piece import Piece
from parmagic.mapping.room import Room
from parmagic.mapping.sizer import ChunkSizer
from parmagic.mapping.tries import Tries
from parmagic.mapping.usage import Usage
from parmagic.pool.autopsy import worker_died
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkDropped, ChunkLost, ChunkPrinted, Event
from parmagic.pool.dispatcher import Dispatcher
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.payload import Payload
from parmagic.worker.board import LOADING
from parmagic.worker.classes import load
from parmagic.worker.culprit import blame_value_calmly
from parmagic.worker.failure import unpack
from parmagic.worker.messages import UNREADABLE
from parmagic.worker.parcel import unwrap
from parmagic.worker.text import safe_repr

# Each worker has one chunk, and one more lies ready for it: with chunks of 50 ms a
# greater depth gains nothing.
CHUNKS_PER_WORKER = 2
# A worker that dies before it begins is not the items' fault: others get them, a few times.
MOST_LOSSES = 3
# In a short job this thread hears the workers itself: two items take 0.2 instead of 0.4 ms.
LEND_SECONDS = 0.005
PROBE_SECONDS = 0.0005
# How often to look up from the queue.
WAIT_SECONDS = 0.1


class PoolRun:
    """One job on a `Dispatcher`.

    Parameters
    ----------
    tries, usage
        Where to note what became of the items, and what that took.
    room
        How many of them may run beside each other.
    look_up
        Called between events, ten times a second and more.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        payload: Payload,
        backlog: Backlog,
        tries: Tries,
        usage: Usage,
        *,
        chunksize: int | None,
        room: Room,
        look_up: Callable[[], None],
    ) -> None:
        self.interrupted = False
        self._dispatcher = dispatcher
        self._payload = payload
        self._backlog = backlog
        self._tries = tries
        self._usage = usage
        self._room = room
        self._look_up = look_up
        self._sizer = ChunkSizer(chunksize)
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._interrupts = Interrupts(self.interrupt)
        self._under_way: dict[Chunk, Piece] = {}
        self._stopping = False
        self._lent = not usage.warm  # nothing is short that waits for a process to start
        self._lend_until = time.monotonic() + LEND_SECONDS

    def interrupt(self) -> None:
        """Stop, and keep what is finished. For any thread, and for signal handlers."""
        self.interrupted = True
        self._events.put(None)

    def run(self) -> None:
        """Return when every item has run, or one has failed, or after `interrupt`.

        Raises
        ------
        PoolBroken
            The pool cannot start its workers.
        Exception
            Whatever the iterable raises.
        """
        with self._interrupts:
            try:
                self._probe()
                self._feed()
                while self._under_way:
                    self._take_next_event()
                    self._feed()
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                self._finish()

    def _probe(self) -> None:
        # One item alone: if it is short, the sizer knows that before others are sent, one by
        # one, to workers that must be woken. 100 trivial items take 0.8 instead of 2.8 ms.
        if self._lent:
            return
        self._feed_one()
        self._dispatcher.lend_thread(self._has_event, PROBE_SECONDS)
        if self._has_event():
            self._take_next_event()

    def _has_event(self) -> bool:
        return not self._events.empty()

    def _feed(self) -> None:
        if self.interrupted or self._tries.over:
            self._stop()
        most = CHUNKS_PER_WORKER * self._dispatcher.size
        while not self._stopping and len(self._under_way) < most and self._feed_one():
            pass

    def _feed_one(self) -> bool:
        rest = self._backlog.rest
        if rest == 0:
            return False
        most = self._sizer.size(rest, self._dispatcher.size)
        piece = self._interrupts.allow(self._backlog.next, most)
        if piece is not None:
            self._send(piece)
        return piece is not None

    def _send(self, piece: Piece) -> None:
        try:
            chunk = Chunk.of(
                self._payload,
                piece.items,
                first=piece.first,
                listener=self._events.put,
                hand_back_seconds=self._sizer.hand_back_seconds,
            )
        except BaseException as error:  # an item's own: no Interrupt is raised here
            self._blame(piece, error)
        else:
            self._under_way[chunk] = piece
            self._dispatcher.submit(chunk)

    def _blame(self, piece: Piece, error: BaseException) -> None:
        if len(piece) > 1:
            self._backlog.give_back(piece.singles())
            return
        blame = blame_value_calmly(piece.items[0], error, f"item {piece.first}")
        self._tries.fail(piece, blame)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._dispatcher.cancel(self._payload.job)

    def _finish(self) -> None:
        # Also on the way out of an error: no chunk of ours may be left in the pool.
        if self._under_way:
            self._stop()
        while self._under_way:
            self._take_next_event()
        self._dispatcher.forget(self._payload)

    def _take_next_event(self) -> None:
        event = self._next_event()
        if event is not None:
            self._take(event)
        self._look_up()

    def _next_event(self) -> Event | None:
        if not self._lent and not self._has_event():
            self._lend_thread()
        try:
            return self._events.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            return None

    def _lend_thread(self) -> None:
        # Later on the answers must be heard while we take note of earlier ones.
        rest = self._lend_until - time.monotonic()
        if rest > 0:
            self._dispatcher.lend_thread(self._has_event, rest)
        if not self._has_event():
            self._lent = True
            self._dispatcher.resume()

    def _take(self, event: Event) -> None:
        if isinstance(event, ChunkPrinted):
            show(event.printed.output)
            return
        piece = self._under_way.pop(event.chunk)
        if isinstance(event, ChunkDone):
            self._take_done(piece, event)
        elif isinstance(event, ChunkLost):
            self._take_lost(piece, event)
        else:
            self._take_dropped(piece, event)

    def _take_done(self, piece: Piece, event: ChunkDone) -> None:
        try:
            done = event.done
            show(done.output)
            seconds = sum(done.seconds)
            self._usage.add(seconds)
            self._sizer.learn(done.length, seconds, event.nbytes)
            if done.peak_bytes:
                self._room.learn(done.peak_bytes)
                self._payload.most_running = self._room.most_workers()
            self._take_values(piece, event)
        finally:
            event.close()

    def _take_values(self, piece: Piece, event: ChunkDone) -> None:
        done = event.done
        failures = dict(done.failures)
        if UNREADABLE in failures:
            self._fail_or_split(piece, unpack(failures[UNREADABLE]))
            return
        try:
            values = unwrap(done.parcel, event.descriptor, load=load)
        except BaseException as error:  # a value's own: no Interrupt is raised here
            self._fail_or_split(piece.upto(done.length), error)
        else:
            self._tries.record(piece, values, failures)
        self._backlog.give_back([piece.after(done.length)])

    def _fail_or_split(self, piece: Piece, error: BaseException) -> None:
        # One item's pickle spoils its whole chunk: alone, each answers for itself.
        if len(piece) == 1:
            self._tries.fail(piece, error)
        else:
            self._backlog.give_back(piece.singles())

    def _take_lost(self, piece: Piece, event: ChunkLost) -> None:
        if self._stopping:
            return
        if event.place is None or event.place == LOADING:
            self._take_not_begun(piece, event)
        elif event.place >= 0:
            self._take_dead_item(piece, event, event.place)
        elif len(piece) > 1:
            # It unpickled the items, or pickled their values. Alone, each answers for itself.
            self._backlog.give_back(piece.singles())
        else:
            self._take_dead_item(piece, event, piece.first)

    def _take_not_begun(self, piece: Piece, event: ChunkLost) -> None:
        if event.exitcode != 0:  # not one that left in good order
            piece = replace(piece, losses=piece.losses + 1)
        self._backlog.give_back([piece])
        if piece.losses == MOST_LOSSES:
            raise worker_died(event)

    def _take_dead_item(self, piece: Piece, event: ChunkLost, index: int) -> None:
        before = index - piece.first
        self._backlog.give_back([piece.upto(before), piece.after(before + 1)])
        self._tries.fail(piece.only(index), self._death(piece, event, index))

    def _death(self, piece: Piece, event: ChunkLost, index: int) -> Exception:
        if event.expired:
            return TimeoutError(
                f"took longer than {self._payload.load.timeout_seconds:g} s, and did not stop when"
                f" it was asked to: worker {event.worker} was replaced"
            )
        return worker_died(event, index, safe_repr(piece.item(index)))

    def _take_dropped(self, piece: Piece, event: ChunkDropped) -> None:
        self._backlog.give_back([piece])
        if event.error is not None and not self._stopping:
            self._stopping = True
            raise event.error
