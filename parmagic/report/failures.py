"""The items that failed, as HTML: those that failed alike stand together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parmagic.report.markup import (
    CELL,
    FIRST_CELL,
    MUTED,
    ROW,
    TABLE,
    escaped,
    folded,
    isolated,
    muted,
)
from parmagic.report.report import FailedItem, Report
from parmagic.report.units import count

# So many groups, each with so many items, the first of them in the open. Together with the
# lengths these keep the section under 70 kB, were it all quotes (six bytes each).
_GROUPS = 5
_KNOWN = 100
_ROWS = 10
_OPEN_ROWS = 3
_ITEM_LENGTH = 40
_ERROR_LENGTH = 120
_LINE_LENGTH = 60

_HEADING = "margin:6px 0 0"


def render(report: Report) -> str:
    """List the items that failed, by what they raised and where; nothing if none did."""
    known = report.failures[:_KNOWN]
    groups = _groups(known)
    shown = groups[:_GROUPS]
    all_known = len(known) == report.failed
    hidden = report.failed - sum(map(len, shown))
    body = "".join(_group(group, all_known) for group in shown)
    more = muted(f"and {hidden:,} more failed") if shown and hidden > 0 else ""
    return body + more


def _groups(failures: Iterable[FailedItem]) -> list[list[FailedItem]]:
    """Put those together that raised the same class in the same line, by the first of them."""
    groups: dict[tuple[str, str], list[FailedItem]] = {}
    for failure in failures:
        groups.setdefault((failure.class_name, failure.line), []).append(failure)
    return list(groups.values())


def _group(group: Sequence[FailedItem], all_known: bool) -> str:
    if len(group) == 1:
        return _table([_alone(group[0])])
    alike = len({failure.message for failure in group}) == 1
    rows = [_row(failure, "" if alike else failure.message) for failure in group[:_ROWS]]
    hidden = len(group) - _OPEN_ROWS
    rest = _table(rows[_OPEN_ROWS:]) + _not_shown(len(group) - len(rows))
    more = f'<span style="{MUTED}">{count(hidden, "more item")}</span>'
    return (
        f"{_heading(group, alike, all_known)}{_table(rows[:_OPEN_ROWS])}"
        f"{folded(more, rest, 'margin:0') if hidden > 0 else ''}"
    )


def _not_shown(hidden: int) -> str:
    return muted(f"and {hidden:,} more") if hidden > 0 else ""


def _heading(group: Sequence[FailedItem], alike: bool, all_known: bool) -> str:
    what = isolated(group[0].error if alike else group[0].class_name, _ERROR_LENGTH)
    many = f"{'' if all_known else 'at least '}{count(len(group), 'item')}"
    where = f'<span style="{MUTED}">{_line(group[0])} · {many}</span>'
    return f'<div style="{_HEADING}">{what}{where}</div>'


def _line(failure: FailedItem) -> str:
    return f" · {escaped(failure.line, _LINE_LENGTH)}" if failure.line else ""


def _alone(failure: FailedItem) -> str:
    error = isolated(failure.error, _ERROR_LENGTH)
    return _cells(failure, f'{error}<span style="{MUTED}">{_line(failure)}</span>')


def _row(failure: FailedItem, message: str) -> str:
    return _cells(failure, isolated(message, _ERROR_LENGTH) if message else "")


def _cells(failure: FailedItem, last: str) -> str:
    cell = f'<td style="{CELL}">{last}</td>' if last else ""
    return (
        f'<tr style="{ROW}"><th scope="row" style="{FIRST_CELL}">item {failure.index:,}</th>'
        f'<td style="{CELL}"><samp>{isolated(failure.item, _ITEM_LENGTH)}</samp></td>{cell}</tr>'
    )


def _table(rows: Sequence[str]) -> str:
    return f'<table style="{TABLE}"><tbody>{"".join(rows)}</tbody></table>' if rows else ""
