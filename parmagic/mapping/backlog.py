"""The items that are still to be run: those cut and given back, then those not cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from parmagic.mapping.piece import Piece
from parmagic.mapping.source import Source
from parmagic.worker.cancel import Cancelled


class Backlog:
    """Cut pieces of the wanted size, in the order of the items.

    Parameters
    ----------
    cut
        How many items were taken from the source before.
    note
        Is told of each cut, if it is not None: the index of the first item, and the items.
    """

    def __init__(
        self,
        source: Source,
        *,
        cut: int = 0,
        note: Callable[[int, Sequence[Any]], None] | None = None,
    ) -> None:
        self._source = source
        self._note = note
        self._returned: deque[Piece] = deque()
        self._cut = cut
        self._exhausted = False
        self._error: BaseException | None = None

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
        """Remove and return the next piece, of ``most`` items at the most.

        User code may run in here.
        """
        if self._returned:
            piece = self._returned.popleft()
            self.give_back([piece.after(most)])
            return piece.upto(most)
        return None if self._exhausted else self._cut_next(most)

    def take_error(self) -> BaseException | None:
        """Remove and return what the iterable has raised; it gives no more items then."""
        # Its traceback knows us: together we would wait for the garbage collector.
        error, self._error = self._error, None
        return error

    def _cut_next(self, most: int) -> Piece | None:
        items = self._take(most)
        if len(items) == 0:
            self._exhausted = True
            return None
        first = self._cut
        self._cut += len(items)
        if self._note is not None:
            self._note(first, items)
        return Piece(first, items)

    def _take(self, most: int) -> Sequence[Any]:
        try:
            return self._source.take(most)
        except (KeyboardInterrupt, Cancelled):
            raise
        except BaseException as error:
            self._error = error
            return ()
