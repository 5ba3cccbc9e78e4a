"""The pool as a table: its workers, and where they run."""

from __future__ import annotations

from parmagic.notebook.panel import code_html
from parmagic.notebook.panel.crew_now import CrewNow, WorkerRow
from parmagic.notebook.panel.lanes_html import NOTHING_YET, memory, missing, share
from parmagic.report.markup import escaped
from parmagic.report.units import count

_COLUMNS = ("Worker", "Process", "State", "Items done", "Memory", "Processor")

_LENGTH = 100


def render(crew: CrewNow) -> str:
    """Draw a row for each worker."""
    if not crew.size:
        return f'<div class="parmagic-quiet">{NOTHING_YET}</div>'
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(map(_row, crew.workers))
    more = f'<div class="parmagic-quiet">{missing(crew)}</div>' if crew.missing else ""
    table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<table class="parmagic-table" aria-label="Workers">{table}</table>{more}'


def start_up(crew: CrewNow) -> str:
    """Show the cell that each worker runs first; nothing if there is none."""
    if not crew.start_up:
        return ""
    shown = code_html.render(crew.start_up, "start-up cell")
    return f"<h4>Start-up cell</h4>{shown}"


def _row(row: WorkerRow) -> str:
    cells = (row.pid, row.state, f"{row.items_done:,}", memory(row), share(row))
    return (
        f'<tr><th scope="row">{row.number}</th>{"".join(f"<td>{each}</td>" for each in cells)}</tr>'
    )


def where(crew: CrewNow) -> str:
    """Say where jobs run."""
    if crew.backend:
        return f"<div>Jobs run on {escaped(crew.backend, _LENGTH)}</div>"
    if not crew.size:
        return ""
    return f"<div>{count(crew.size, 'worker')}: processes on this machine, started by spawn</div>"
