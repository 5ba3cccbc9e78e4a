"""Drive a job in the kernel, one item after the other: breakpoints work."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.piece import Piece
from parmagic.mapping.tries import Tries
from parmagic.mapping.usage import Usage
from parmagic.worker.function import of_one_argument


class SerialRun:
    """One job without processes; the parameters are those of `PoolRun`."""

    def __init__(
        self,
        fn: Callable[..., Any],
        backlog: Backlog,
        tries: Tries,
        usage: Usage,
        *,
        star: bool,
        look_up: Callable[[], None],
    ) -> None:
        self.interrupted = False
        self._call = of_one_argument(fn, star=star)
        self._backlog = backlog
        self._tries = tries
        self._usage = usage
        self._look_up = look_up

    def interrupt(self) -> None:
        """Stop before the next item."""
        self.interrupted = True

    def run(self) -> None:
        """Return when every item has run, or one has failed, or after an Interrupt."""
        try:
            while not (self.interrupted or self._tries.over):
                piece = self._backlog.next(1)
                if piece is None:
                    break
                self._run_item(piece)
                self._look_up()
        except KeyboardInterrupt:
            self.interrupted = True

    def _run_item(self, piece: Piece) -> None:
        begun = perf_counter()
        try:
            value = self._call(piece.items[0])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._tries.fail(piece, error)
        else:
            self._tries.record(piece, [value], {})
        self._usage.add(perf_counter() - begun)
