"""Drive a job in the kernel, one item after the other: breakpoints work."""

from __future__ import annotations

import time
from collections.abc import Callable
from time import perf_counter
from typing import Any

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.piece import Piece
from parmagic.mapping.record import Record
from parmagic.mapping.tries import Tries
from parmagic.worker import progress
from parmagic.worker.capture import Output
from parmagic.worker.function import of_one_argument
from parmagic.worker.random_numbers import seeded

# The number of what is no worker.
KERNEL = 0


class SerialRun:
    """One job without processes; parameters and attributes are those of `PoolRun`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        backlog: Backlog,
        tries: Tries,
        record: Record,
        *,
        star: bool,
        seed: int | None,
        look_up: Callable[[], None],
        hear: Callable[[Output, int], None],
    ) -> None:
        self.interrupted = False
        self.broken: BaseException | None = None
        self.place: int | None = None
        self._call = of_one_argument(fn, star=star)
        self._seed = seed
        self._backlog = backlog
        self._tries = tries
        self._record = record
        self._look_up = look_up
        self._hear = hear

    def places(self) -> dict[int, int]:
        """Return which item the kernel runs."""
        return {} if self.place is None else {KERNEL: self.place}

    def interrupt(self) -> None:
        """Stop before the next item."""
        self.interrupted = True

    def run(self) -> None:
        """Return when every item has run, or one has failed, or after an Interrupt."""
        before, progress.listener = progress.listener, self._hear_progress
        try:
            while not (self.interrupted or self._tries.over):
                piece = self._backlog.next(1)
                if piece is None:
                    break
                self._run_item(piece)
                self._look_up()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            progress.listener = before
        self.broken = self._backlog.take_error()

    def _hear_progress(self, done: float, total: float | None, text: str) -> None:
        if self.place is not None:
            self._hear(((self.place, "progress", (done, total, text)),), KERNEL)
        self._look_up()

    def _run_item(self, piece: Piece) -> None:
        self.place = piece.first
        begun, clock = time.monotonic(), perf_counter()
        try:
            value = seeded(self._call, self._seed, piece.first)(piece.items[0])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._tries.fail(piece, error)
        else:
            self._tries.record(piece, [value], {})
        seconds = perf_counter() - clock
        self._record.usage.add(seconds)
        self._record.spans.add(KERNEL, piece.first, 1, begun, [seconds])
