"""The values of a job, in the order of its items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from parmagic.report import html
from parmagic.report.report import Report

T = TypeVar("T")


class Results(list[T], Generic[T]):
    """A list, which a notebook shows with the report of the job that made it.

    Everywhere else it is the list: its text, its comparisons, and in a worker, where
    it arrives as a plain one.

    Attributes
    ----------
    report
        The job as plain data.
    """

    def __init__(self, values: Iterable[T], report: Report) -> None:
        super().__init__(values)
        self.report = report

    def _repr_html_(self) -> str:
        return html.render(self.report)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()
