"""The values of a job, in the order of its items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any, Generic, TypeVar

from parmagic.report import html
from parmagic.report.report import Report
from parmagic.worker.text import safe_repr

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
        The job as plain data, without a preview: that is made of the list when it is asked for.
    """

    def __init__(self, values: Iterable[T], report: Report) -> None:
        super().__init__(values)
        self._report = report

    @property
    def report(self) -> Report:
        """The job as plain data, with the first of the results."""
        return replace(self._report, preview=preview(self))

    def _repr_html_(self) -> str:
        return html.render(self.report)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()
