"""What a worker does at this moment, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerNow:
    """The item that a worker runs, and how far it says that it is.

    Attributes
    ----------
    seconds
        How long it has been seen to run.
    done, total
        What `parmagic.progress` was last given; None where it was not.
    text
        The item's own words for it, or the last line of its progress bar.
    """

    worker: int
    index: int
    seconds: float
    done: float | None = None
    total: float | None = None
    text: str = ""

    @property
    def percent(self) -> float | None:
        """How far it is, from 0 to 100; None where that is not known."""
        if self.done is None or not self.total:
            return None
        return min(max(100 * self.done / self.total, 0), 100)

    def words(self, most: int) -> list[str]:
        """Return what it says: how much of how much is done, and ``most`` characters of text."""
        text = "".join(each if each.isprintable() else " " for each in self.text)
        return [*self._count(), text[:most]]

    def _count(self) -> list[str]:
        if self.done is None:
            return []
        return [f"{self.done:,g}" if self.total is None else f"{self.done:,g} of {self.total:,g}"]
