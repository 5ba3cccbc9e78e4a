"""Items that have been cut and have not all run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive items, the first of which has the index ``first`` in the job.

    They are kept in the kernel until they have run: for errors that name an item, and
    to be sent again when a worker dies or gives some of them back.

    Attributes
    ----------
    losses
        How many workers died before they had begun.
    tries
        How often the items have failed.
    """

    first: int
    items: Sequence[Any]
    losses: int = 0
    tries: int = 0

    def __len__(self) -> int:
        return len(self.items)

    def upto(self, count: int) -> Piece:
        """Return the first ``count`` items."""
        return replace(self, items=self.items[:count])

    def after(self, count: int) -> Piece:
        """Return the items after the first ``count``."""
        return replace(self, first=self.first + count, items=self.items[count:])

    def singles(self) -> Iterator[Piece]:
        """Yield pieces of one item."""
        for index in range(len(self)):
            yield self.only(self.first + index)

    def only(self, index: int) -> Piece:
        """Return the item with this index in the job, alone."""
        return self.after(index - self.first).upto(1)

    def item(self, index: int) -> Any:
        """Return the item with this index in the job."""
        return self.items[index - self.first]
