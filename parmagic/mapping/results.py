"""The values of a job, in the order of its items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from parmagic.mapping.frame import frame_of
from parmagic.mapping.outcome import Outcome
from parmagic.mapping.record import Record
from parmagic.report import html
from parmagic.report.report import Report
from parmagic.worker.text import safe_repr

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

_PREVIEWED_ITEMS = 10
_PREVIEWED_CHARACTERS = 100


def preview(values: Iterable[Any]) -> tuple[str, ...]:
    """Return short texts of the first values."""
    return tuple(
        safe_repr(value, _PREVIEWED_CHARACTERS) for value in islice(values, _PREVIEWED_ITEMS)
    )


class Results(list[T], Generic[T]):
    """A list, which a notebook shows with the report of the job that made it.

    Everywhere else it is the list: its text, its comparisons, and in a worker, where
    it arrives as a plain one.

    Parameters
    ----------
    report
        The job in short; the rest is made of the list and the record when it is asked for.
    record
        What the job has left behind beside the values.
    """

    def __init__(self, values: Iterable[T], report: Report, record: Record) -> None:
        super().__init__(values)
        self._report = report
        self._record = record

    @property
    def report(self) -> Report:
        """The job as plain data, with the first of the results."""
        return replace(self._record.detailed(self._report), preview=preview(self))

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each item: value or error, output, seconds, worker.

        Raises
        ------
        ValueError
            The list has not its length any more.
        """
        if len(self) != self._report.finished:
            raise ValueError(
                f"there were {self._report.finished:,} results, and the list has {len(self):,} now:"
                " which belongs to which item is not known"
            )
        return list(self._record.outcomes(self))

    def frame(self) -> DataFrame:
        """Return a pandas frame with a row for each item.

        Its columns are the variables of the loop (or ``item``), ``result`` or, if all results
        are dicts, their keys, and ``seconds``, ``worker`` and ``error``.

        Raises
        ------
        ImportError
            pandas is not installed.
        ValueError
            The list has not its length any more.
        """
        return frame_of(self.outcomes, self._record.targets)

    def _repr_html_(self) -> str:
        return html.render(self.report, outputs=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()
