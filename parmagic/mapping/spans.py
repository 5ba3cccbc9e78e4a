"""When each worker ran which items, and how long each took."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from parmagic.report.lane import Bar, Lane, merged

# What a drawing of a job can well show.
_MOST_BARS = 1000
# With more items than these, those that were sent together are one bar.
_MOST_CLOCKED = 10_000


class Span(NamedTuple):
    """Consecutive items that a worker ran one after the other.

    Attributes
    ----------
    started
        When the first one began, as ``time.monotonic()`` tells it.
    seconds
        One for each item; or, where the items are very short, one for all.
    together_seconds
        How long all took, if they ran beside each other.
    """

    worker: int
    first: int
    length: int
    started: float
    seconds: array[float]
    together_seconds: float | None = None

    @property
    def is_clocked(self) -> bool:
        """Whether the seconds of each item are known."""
        return len(self.seconds) == self.length


class ItemTime(NamedTuple):
    """How long an item took, and where it ran."""

    seconds: float
    worker: int


class Spans:
    """All spans of a job, in the order in which they came back."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def __len__(self) -> int:
        return len(self._spans)

    def add(
        self,
        worker: int,
        first: int,
        length: int,
        started: float,
        seconds: Sequence[float],
        together_seconds: float | None = None,
    ) -> None:
        """Note what came back."""
        if length and seconds:
            # Four bytes an item: a job may have millions.
            each = array("f", seconds)
            self._spans.append(Span(worker, first, length, started, each, together_seconds))

    def since(self, number: int) -> list[Span]:
        """Return those after the first ``number``."""
        return self._spans[number:]

    def slowest(self, most: int) -> list[tuple[int, float]]:
        """Return the indices and seconds of the items that took longest."""
        slowest: list[tuple[float, int]] = []
        for span in self.since(0):
            # A look at the longest alone: of 100,000 items that takes 2 instead of 20 ms.
            known = len(slowest) == most and max(span.seconds) <= slowest[-1][0]
            if span.is_clocked and not known:
                clocked = zip(
                    span.seconds, range(span.first, span.first + span.length), strict=True
                )
                slowest = heapq.nlargest(most, [*slowest, *clocked])
        return [(index, seconds) for seconds, index in slowest]

    def items(self) -> dict[int, ItemTime]:
        """Return what is known of each item; of one that ran several times, the last."""
        found: dict[int, ItemTime] = {}
        for span in self._spans:
            if span.is_clocked:
                for index, seconds in enumerate(span.seconds, span.first):
                    found[index] = ItemTime(seconds, span.worker)
        return found

    def worker_of(self, index: int) -> int | None:
        """Return the number of the worker that ran an item last."""
        span = self._last_span(index)
        return None if span is None else span.worker

    def seconds_of(self, index: int) -> float | None:
        """Return how long an item took, the last time; None where that is not known."""
        span = self._last_span(index)
        return span.seconds[index - span.first] if span is not None and span.is_clocked else None

    def _last_span(self, index: int) -> Span | None:
        for span in reversed(self._spans):
            if span.first <= index < span.first + span.length:
                return span
        return None

    def seconds(self) -> array[float]:
        """Return how long each item took; of those timed together, the mean."""
        seconds = array("f")
        for span in self.since(0):
            seconds.extend(span.seconds if span.is_clocked else _mean(span))
        return seconds

    def lanes(self, began: float, failed: Collection[int], seconds: float) -> tuple[Lane, ...]:
        """Return what each worker ran, in seconds from ``began``, as a drawing can show it."""
        bars = self.bars(began, failed)
        most = max(_MOST_BARS // max(len(bars), 1), 10)
        return tuple(
            Lane(worker, merged(each, most, seconds)) for worker, each in sorted(bars.items())
        )

    def bars(self, began: float, failed: Collection[int]) -> dict[int, list[Bar]]:
        """Return what each worker ran, in seconds from ``began``."""
        spans = sorted(self._spans, key=lambda span: span.started)
        # A drawing shows no more, and of 100,000 items this takes 10 instead of 200 ms.
        each_item = sum(span.length for span in spans) <= _MOST_CLOCKED
        ordered = sorted(failed)
        lanes: dict[int, list[Bar]] = {}
        for span in spans:
            if each_item and span.is_clocked and span.together_seconds is None:
                bars = _bars(span, began, failed)
            else:
                bars = iter([_bar(span, began, ordered)])
            lanes.setdefault(span.worker, []).extend(bars)
        return dict(sorted(lanes.items()))


def _mean(span: Span) -> array[float]:
    return array("f", [sum(span.seconds) / span.length]) * span.length


def _bars(span: Span, began: float, failed: Collection[int]) -> Iterator[Bar]:
    starts = accumulate(span.seconds, initial=span.started - began)
    each = zip(starts, span.seconds, strict=False)  # the last start is the end
    for index, (start, seconds) in enumerate(each, span.first):
        yield Bar(index, index, start, seconds, index in failed)


def _bar(span: Span, began: float, failed: Sequence[int]) -> Bar:
    last = span.first + span.length - 1
    next_failed = bisect_left(failed, span.first)
    some_failed = next_failed < len(failed) and failed[next_failed] <= last
    seconds = sum(span.seconds) if span.together_seconds is None else span.together_seconds
    return Bar(span.first, last, span.started - began, seconds, some_failed)
