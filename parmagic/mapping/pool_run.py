"""Drive a job on a pool: cut, send, take note of what comes back.

::

    Backlog ──Piece──▶ Chunk ──▶ workforce ──▶ worker
       ▲                                         │
       └── handed back, lost ◀── Event ◀─────────┘
                                   └──▶ Outcomes
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.piece import Piece
from parmagic.mapping.record import Record
from parmagic.mapping.room import Room
from parmagic.mapping.sizer import FIRST_ELSEWHERE, ChunkSizer, TogetherSizer
from parmagic.mapping.tries import Tries
from parmagic.pool.autopsy import worker_died
from parmagic.pool.chunk import Chunk, ChunkDone, ChunkDropped, ChunkLost, ChunkPrinted, Event
from parmagic.pool.interrupts import Interrupts
from parmagic.pool.payload import Payload, Way
from parmagic.pool.trouble import tell_once
from parmagic.pool.workforce import Workforce
from parmagic.worker.board import LOADING
from parmagic.worker.capture import Output
from parmagic.worker.classes import load
from parmagic.worker.culprit import blame_value_calmly
from parmagic.worker.direct import Direct
from parmagic.worker.failure import unpack
from parmagic.worker.messages import UNREADABLE
from parmagic.worker.parcel import Parcel, unwrap
from parmagic.worker.segment import WRITE
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
    """One job on a `Workforce`.

    Parameters
    ----------
    tries, record
        Where to note what became of the items, and what that took.
    room
        How many of them may run beside each other.
    look_up
        Called between events, ten times a second and more.
    hear
        Called with what items have printed and displayed, and the number of their worker.

    Attributes
    ----------
    interrupted
        Whether it was stopped.
    broken
        What the iterable has raised, after the items that were run.
    """

    def __init__(
        self,
        workforce: Workforce,
        payload: Payload,
        backlog: Backlog,
        tries: Tries,
        record: Record,
        *,
        chunksize: int | None,
        room: Room,
        look_up: Callable[[], None],
        hear: Callable[[Output, int], None],
    ) -> None:
        self.interrupted = False
        self.broken: BaseException | None = None
        self.workforce = workforce
        self._payload = payload
        self._backlog = backlog
        self._tries = tries
        self._record = record
        self._room = room
        self._look_up = look_up
        self._hear = hear
        # A backend runs one item after the other.
        self._together = payload.load.is_async and payload.way is Way.SHARED
        share_out = self._together and chunksize is None
        # Of items that wait for each other none may lie behind another one in its chunk.
        size = chunksize or (1 if payload.may_wait else None)
        first = 1 if payload.way is Way.SHARED else FIRST_ELSEWHERE
        self._sizer = TogetherSizer() if share_out else ChunkSizer(size, first=first)
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._interrupts = Interrupts(self.interrupt)
        self._under_way: dict[Chunk, Piece] = {}
        self._suspects: list[Piece] = []
        self._alone = False
        self._stopping = False
        self._trouble = payload.load.parcel.trouble
        self._lent = not record.usage.warm  # nothing is short that waits for a process to start
        self._lend_until = time.monotonic() + LEND_SECONDS

    def interrupt(self) -> None:
        """Stop, and keep what is finished. For any thread, and for signal handlers."""
        self.interrupted = True
        self._events.put(None)

    def places(self) -> Mapping[int, int]:
        """Return which item each worker runs, by the worker's number."""
        return self.workforce.places(self._payload.job)

    def sent(self) -> Mapping[int, tuple[int, float]]:
        """Return the first item of what each worker has, and when it was sent."""
        return self.workforce.sent(self._payload.job)

    def run(self) -> None:
        """Return when every item has run, or one has failed, or after `interrupt`.

        Raises
        ------
        PoolBroken
            The pool cannot start its workers.
        """
        with self._interrupts:
            try:
                if not self.interrupted:
                    self._probe()
                self._feed()
                while self._under_way:
                    self._take_next_event()
                    self._feed()
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                self._finish()
        self.broken = self._backlog.take_error()
        # A circle would keep the results until the garbage collector comes by.
        del self._interrupts
        tell_once(self._trouble)

    def _probe(self) -> None:
        # One item alone: if it is short, the sizer knows that before others are sent, one by
        # one, to workers that must be woken. 100 trivial items take 0.8 instead of 2.8 ms.
        if self._lent:
            return
        self._feed_one()
        self.workforce.lend_thread(self._has_event, PROBE_SECONDS)
        if self._has_event():
            self._take_next_event()

    def _has_event(self) -> bool:
        return not self._events.empty()

    def _feed(self) -> None:
        most = CHUNKS_PER_WORKER * self.workforce.size
        while self._goes_on() and len(self._under_way) < most and self._feed_one():
            pass  # also where all that can be fed cannot be sent
        if not self._goes_on():
            self._stop()

    def _goes_on(self) -> bool:
        return not (self._stopping or self.interrupted or self._tries.over)

    def _feed_suspect(self) -> bool:
        """Run one alone: if a worker is lost again, it is to blame, and none of its neighbours."""
        if self._under_way:
            return False
        self._send(self._suspects.pop())
        self._alone = bool(self._under_way)
        return True

    def _feed_one(self) -> bool:
        if self._alone:
            return False
        if self._suspects:
            return self._feed_suspect()
        rest = self._backlog.rest
        if rest == 0:
            return False
        most = self._sizer.size(rest, self.workforce.size)
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
            if chunk.may_wait and self._sizer.adapts:
                self._send_alone(piece, chunk)
            else:
                self._submit(piece, chunk)

    def _send_alone(self, piece: Piece, chunk: Chunk) -> None:
        self._sizer = ChunkSizer(1)
        if len(piece) == 1:
            self._submit(piece, chunk)
        else:
            chunk.close()
            self._backlog.give_back(piece.singles())

    def _submit(self, piece: Piece, chunk: Chunk) -> None:
        self._note_trouble(chunk.run.parcel)
        self._under_way[chunk] = piece
        self.workforce.submit(chunk)

    def _note_trouble(self, parcel: Parcel | Direct) -> None:
        self._trouble = self._trouble or parcel.trouble

    def _blame(self, piece: Piece, error: BaseException) -> None:
        if len(piece) > 1:
            self._backlog.give_back(piece.singles())
            return
        blame = blame_value_calmly(piece.items[0], error, f"item {piece.first}")
        self._tries.fail(piece, blame)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self.workforce.cancel(self._payload.job)

    def _finish(self) -> None:
        # Also on the way out of an error: no chunk of ours may be left in the pool.
        try:
            if self._under_way:
                self._stop()
            while self._under_way:
                self._take_next_event()
        finally:
            self._backlog.give_back(self._suspects)
            self.workforce.forget(self._payload)

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
            self.workforce.lend_thread(self._has_event, rest)
        if not self._has_event():
            self._lent = True
            self.workforce.resume()

    def _take(self, event: Event) -> None:
        if isinstance(event, ChunkPrinted):
            self._hear(event.printed.output, event.worker)
            return
        piece = self._under_way.pop(event.chunk)
        try:
            self._take_end(piece, event)
        finally:
            self._alone = False

    def _take_end(self, piece: Piece, event: ChunkDone | ChunkLost | ChunkDropped) -> None:
        if isinstance(event, ChunkDone):
            self._take_done(piece, event)
        elif isinstance(event, ChunkLost):
            self._take_lost(piece, event)
        else:
            self._take_dropped(piece, event)

    def _take_done(self, piece: Piece, event: ChunkDone) -> None:
        try:
            done = event.done
            self._note_trouble(done.parcel)
            seconds = sum(done.seconds)
            self._note_times(piece, event, seconds)
            self._sizer.learn(done.length, seconds, event.nbytes)
            if done.peak_bytes:
                self._room.learn(done.peak_bytes)
                self._payload.most_running = self._room.most_workers()
            self._take_values(piece, event)
            self._hear(done.output, event.worker)
        finally:
            event.close()

    def _note_times(self, piece: Piece, event: ChunkDone, seconds: float) -> None:
        done = event.done
        self._record.usage.add(
            seconds,
            worked_seconds=done.worked_seconds,
            load_seconds=done.load_seconds,
            transfer_seconds=event.transfer_seconds,
            nbytes=event.nbytes,
        )
        together = done.started + done.worked_seconds - done.began
        self._record.spans.add(
            event.worker,
            piece.first,
            done.length,
            done.began,
            done.seconds,
            together if self._together else None,
        )

    def _take_values(self, piece: Piece, event: ChunkDone) -> None:
        done = event.done
        failures = dict(done.failures)
        if UNREADABLE in failures:
            self._fail_or_split(piece, unpack(failures[UNREADABLE]))
            return
        try:
            values = unwrap(done.parcel, event.segments, access=WRITE, load=load)
        except BaseException as error:  # a value's own: no Interrupt is raised here
            self._fail_or_split(piece.upto(done.length), error)
        else:
            self._tries.record(piece, values, failures, done.missing)
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
        elif event.shared and not self._alone:
            self._suspects.append(piece)
        else:
            self._take_dead_item(piece, event, piece.first)

    def _take_not_begun(self, piece: Piece, event: ChunkLost) -> None:
        if event.exitcode != 0 or event.place == LOADING:  # not one that left in good order
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
