"""The workers as lanes: what each does at this moment, a row each."""

from __future__ import annotations

from html import escape

from parmagic.notebook.panel.crew_now import CrewNow, WorkerRow
from parmagic.report.markup import isolated
from parmagic.report.now import WorkerNow
from parmagic.report.units import count, duration, size

_TEXT_CHARACTERS = 80
_ITEM_CHARACTERS = 40
NOTHING_YET = "No workers yet: the first job starts them."


def render(crew: CrewNow) -> str:
    """Draw a row for each worker."""
    if not crew.size and not crew.others:
        return f'<div class="parmagic-quiet">{NOTHING_YET}</div>'
    rows = "".join(map(_row, [*crew.workers, *crew.others]))
    more = f'<div class="parmagic-quiet">{missing(crew)}</div>' if crew.missing else ""
    return f'<div class="parmagic-lanes" role="list" aria-label="Workers">{rows}</div>{more}'


def missing(crew: CrewNow) -> str:
    """Say how many workers are still to start."""
    return f"{count(crew.missing, 'worker')} to start"


def memory(row: WorkerRow) -> str:
    """Write how much memory a worker uses."""
    return size(row.vital.nbytes) if row.vital.nbytes else ""


def share(row: WorkerRow) -> str:
    """Write how much of a processor a worker uses."""
    return "" if row.vital.share is None else f"{100 * row.vital.share:.0f} %"


def _row(row: WorkerRow) -> str:
    name = isolated(row.name, _ITEM_CHARACTERS)
    return (
        f'<div role="listitem" class="parmagic-lane parmagic-{row.state}">'
        f'<span class="parmagic-dot"></span><span class="parmagic-name">{name}</span>'
        f"<span>{row.state}</span>{_item(row.now, row.item)}"
        f'<span title="memory">{memory(row)}</span>'
        f'<span title="share of a processor">{share(row)}</span></div>'
    )


def _item(now: WorkerNow | None, item: str) -> str:
    if now is None:
        return "<span></span>"
    said = " ".join(now.words(_TEXT_CHARACTERS)).strip()
    words = f" · <samp>{escape(said)}</samp>" if said else ""
    name = f" <samp>{isolated(item, _ITEM_CHARACTERS)}</samp>" if item else ""
    since = f'<span class="parmagic-quiet"> for {duration(now.seconds, digits=2)}</span>'
    what = f"{_bar(now)}<b>item {now.index:,}</b>{name}{since}{words}"
    return f'<span class="parmagic-item">{what}</span>'


def _bar(now: WorkerNow) -> str:
    if now.percent is None:
        return ""
    return f'<span class="parmagic-bar"><span style="width:{now.percent:.1f}%"></span></span>'
