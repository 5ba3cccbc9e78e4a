"""What a job leaves behind beside its values: times, output, items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from parmagic.mapping.outcome import Outcome
from parmagic.mapping.output_log import OutputLog
from parmagic.mapping.plain import GONE, is_plain
from parmagic.mapping.source import Source
from parmagic.mapping.spans import Spans
from parmagic.mapping.usage import Usage
from parmagic.report.output import ItemOutput
from parmagic.report.report import Report, SlowItem
from parmagic.worker.text import safe_repr

_SLOWEST = 5
_ITEM_CHARACTERS = 100


class Record:
    """What a job leaves behind beside its values.

    Parameters
    ----------
    source
        Where its items come from.
    targets
        The names that an item has in the loop; empty for a function.

    Attributes
    ----------
    errors
        By index; shared with the job while it runs.
    """

    def __init__(
        self, source: Source, errors: dict[int, BaseException], targets: Sequence[str] = ()
    ) -> None:
        self.errors = errors
        self.targets = tuple(targets)
        self.usage = Usage()
        self.spans = Spans()
        self.log = OutputLog()
        self._source: Source | None = source
        self._items: Sequence[Any] = ()

    def settle(self) -> None:
        """Keep plain items only, now that the job is over: others may be large."""
        if self._source is not None:
            self._items = self._source.plain()
            self._source = None

    def detailed(self, report: Report) -> Report:
        """Add to a report where the time went, which items were slowest, and what they wrote."""
        return replace(
            self.measured(report),
            lanes=self.spans.lanes(self.usage.began, self.errors, report.wall_seconds),
            outputs=self.outputs(),
        )

    def measured(self, report: Report) -> Report:
        """Add to a report where the time went, and which items were slowest."""
        ended = report.state != "running"
        return replace(
            report,
            slowest=tuple(self._slowest()),
            time=self.usage.time_spent(report.workers) if ended and report.workers else None,
            nbytes=self.usage.nbytes,
        )

    def outputs(self, last: int | None = None) -> tuple[ItemOutput, ...]:
        """Return what the items have printed and displayed, by index; or ``last`` of them."""
        return self.log.outputs(self.item_repr, last)

    def item(self, index: int) -> Any:
        """Return an item; None if it is gone."""
        item = self._item(index)
        return None if item is GONE else item

    def item_repr(self, index: int) -> str:
        """Return the short repr of an item; empty if it is gone."""
        item = self._item(index)
        return "" if item is GONE else safe_repr(item, _ITEM_CHARACTERS)

    def plain_repr(self, index: int) -> str:
        """Return the short repr of an item that is quick to write; empty if it is not."""
        item = self._item(index)
        return safe_repr(item, _ITEM_CHARACTERS) if is_plain(item) else ""

    def _item(self, index: int) -> Any:
        with suppress(Exception):  # such as an iterable's own
            if index >= 0:
                source = self._source
                return self._items[index] if source is None else source.item(index)
        return GONE

    def outcomes(self, values: Sequence[Any]) -> Iterator[Outcome]:
        """Yield what became of each item, given the job's values."""
        times = self.spans.items()
        for index, value in enumerate(values):
            error = self.errors.get(index)
            time = times.get(index)
            yield Outcome(
                index,
                self.item(index),
                None if error is not None else value,
                error,
                self.log.text_of(index),
                None if time is None else time.seconds,
                self.spans.worker_of(index) if time is None else time.worker,
            )

    def outcome(self, index: int, value: Any, error: BaseException | None) -> Outcome:
        """Return what became of one item."""
        seconds, worker = self.spans.seconds_of(index), self.spans.worker_of(index)
        output = self.log.text_of(index)
        return Outcome(index, self.item(index), value, error, output, seconds, worker)

    def _slowest(self) -> Iterator[SlowItem]:
        for index, seconds in self.spans.slowest(_SLOWEST):
            yield SlowItem(index, self.item_repr(index), seconds)
