"""Each item is tried until it has a value, or has failed often enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.piece import Piece
from parmagic.worker.errors import PayloadError, WorkerDied, add_item_note, add_note
from parmagic.worker.failure import Failure, unpack
from parmagic.worker.text import safe_repr


class Tries:
    """Take note of values and failures; give a failed item back if it is to be tried again.

    Parameters
    ----------
    retries
        How often an item that failed is tried again.
    keep_going
        Whether the others run on after one has failed for good.
    remark
        Called with an item that has failed by a `TypeError`: what more there is to say of it.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        backlog: Backlog,
        *,
        retries: int,
        keep_going: bool,
        remark: Callable[[Any], str] = lambda _: "",
    ) -> None:
        self._outcomes = outcomes
        self._backlog = backlog
        self._retries = retries
        self._keep_going = keep_going
        self._remark = remark

    @property
    def over(self) -> bool:
        """Whether an item has failed, and the others are not to run on."""
        return bool(self._outcomes.errors) and not self._keep_going

    def record(
        self,
        piece: Piece,
        values: Sequence[Any],
        failures: Mapping[int, Failure],
        missing: Sequence[int] = (),
    ) -> None:
        """Take note of a chunk: the values of its first items, and who has failed of them.

        Parameters
        ----------
        failures
            By number within the piece; what stands there in ``values`` counts for nothing.
        missing
            The numbers of those that are still to be run.
        """
        start = 0
        self._backlog.give_back(piece.only(piece.first + number) for number in missing)
        for number in [*sorted([*failures, *missing]), len(values)]:
            self._outcomes.record(piece.first + start, values[start:number])
            start = number + 1
        for number, failure in failures.items():
            self.fail(piece.only(piece.first + number), unpack(failure))

    def fail(self, piece: Piece, error: BaseException) -> None:
        """Take note that the one item of ``piece`` has failed."""
        tried = replace(piece, tries=piece.tries + 1)
        # To pickle something a second time is no use.
        if tried.tries <= self._retries and not issubclass(type(error), PayloadError):
            self._backlog.give_back([tried])
        else:
            self._give_up(tried, error)

    def _give_up(self, piece: Piece, error: BaseException) -> None:
        item = piece.items[0]
        item_repr = safe_repr(item)
        if not issubclass(type(error), WorkerDied):  # which says so itself
            add_item_note(error, piece.first, item_repr)
        if type(error) is TypeError and (remark := self._remark(item)):
            add_note(error, remark)
        if piece.tries > 1:
            add_note(error, f"after {piece.tries} tries")
        self._outcomes.fail(piece.first, error, item, item_repr)
