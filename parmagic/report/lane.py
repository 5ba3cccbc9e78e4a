"""When each worker ran which items, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Of the width: nobody could point at anything thinner.
_THINNEST = 1 / 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """Items that a worker ran one after the other; most often only one.

    Attributes
    ----------
    first, last
        Their lowest and highest index.
    start, seconds
        When the first one began, in seconds from the beginning of the job; how long they took.
    failed
        Whether one of them failed.
    items
        How many they are; None for all from first to last.
    """

    first: int
    last: int
    start: float
    seconds: float
    failed: bool = False
    items: int | None = None

    @property
    def count(self) -> int:
        """How many items it stands for."""
        return self.last - self.first + 1 if self.items is None else self.items

    @property
    def end(self) -> float:
        """When the last item ended."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Lane:
    """What one worker ran, by time.

    Attributes
    ----------
    worker
        Its number; 0 for the kernel.
    bars
        By their start; they do not overlap.
    """

    worker: int
    bars: tuple[Bar, ...]

    @property
    def end(self) -> float:
        """When its last item ended; 0 if there is none."""
        return max((bar.end for bar in self.bars), default=0.0)


def merged(bars: Iterable[Bar], most: int, seconds: float) -> tuple[Bar, ...]:
    """Join thin bars with their neighbours, until at most ``most`` are left.

    A bar that stands for several items is failed if one of them is.

    Parameters
    ----------
    bars
        Of one lane, by their start.
    seconds
        The width of the lane.
    """
    left = tuple(bars)
    width = max(seconds, Lane(0, left).end, 1e-9)
    thin = width * _THINNEST
    left = tuple(_joined(left, thin))
    while len(left) > max(most, 1):
        thin *= 2
        left = tuple(_joined(left, thin))
    return left


def _joined(bars: Iterable[Bar], thin: float) -> Iterator[Bar]:
    """Join bars as long as the one that they make is no wider than ``thin``."""
    group: list[Bar] = []
    for bar in bars:
        # Written out: this runs for each of a million items.
        if group and bar.start + bar.seconds - group[0].start > thin:
            yield _one(group)
            group = []
        group.append(bar)
    if group:
        yield _one(group)


def _one(group: list[Bar]) -> Bar:
    if len(group) == 1:
        return group[0]
    start = group[0].start
    first, last = min(bar.first for bar in group), max(bar.last for bar in group)
    # A repeated item counts once.
    items = min(sum(bar.count for bar in group), last - first + 1)
    return Bar(
        first=first,
        last=last,
        start=start,
        seconds=max(bar.end for bar in group) - start,
        failed=any(bar.failed for bar in group),
        items=None if items == last - first + 1 else items,
    )
