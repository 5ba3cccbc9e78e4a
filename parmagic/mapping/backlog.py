"""The items that are still to be run: those cut and given back, then those not cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from parmagic.mapping.piece import Piece
from parmagic.mapping.source import Source


class Backlog:
    """Cut pieces of the wanted size, in the order of the items.

    Parameters
    ----------
    take
        Calls ``source.take``: user code may run in there.
    """

    def __init__(self, source: Source, take: Callable[[int], Sequence[Any]]) -> None:
        self._source = source
        self._take = take
        self._returned: deque[Piece] = deque()
        self._cut = 0
        self._exhausted = False

    @property
    def rest(self) -> int | None:
        """How many items it holds, or None while that is unknown."""
        returned = sum(map(len, self._returned)) if self._returned else 0
        if self._exhausted:
            return returned
        # An iterable may have more items than its len() says: at the end it is asked.
        length = self._source.length
        return None if length is None or length <= self._cut else returned + length - self._cut

    def give_back(self, pieces: Iterable[Piece]) -> None:
        """Put ``pieces`` before all others."""
        self._returned.extendleft(reversed([piece for piece in pieces if len(piece)]))

    def next(self, most: int) -> Piece | None:
        """Remove and return the next piece, of ``most`` items at the most."""
        if self._returned:
            piece = self._returned.popleft()
            self.give_back([piece.after(most)])
            return piece.upto(most)
        return None if self._exhausted else self._cut_next(most)

    def _cut_next(self, most: int) -> Piece | None:
        items = self._take(most)
        if len(items) == 0:
            self._exhausted = True
            return None
        self._cut += len(items)
        return Piece(self._cut - len(items), items)
