"""What is to be seen without widgets: the pool, and the last jobs, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator

from parmagic.notebook.panel import jobs_text
from parmagic.notebook.panel.crew_now import CrewNow, WorkerRow
from parmagic.notebook.panel.lanes_html import NOTHING_YET, memory, missing, share
from parmagic.notebook.panel.model import PanelModel
from parmagic.report import html
from parmagic.report.markup import CELL, MUTED, ROW, TABLE, escaped, folded
from parmagic.report.units import count, duration

_LENGTH = 200

Bundle = dict[str, str]


def bundle(model: PanelModel) -> Bundle:
    """Return what stays in a notebook."""
    return {"text/html": _html(model), "text/plain": text(model)}


def text(model: PanelModel) -> str:
    """Say what the panel would show."""
    return "\n".join([*_pool_lines(model.crew()), *_job_lines(model), *_cell_lines(model)])


def _pool_lines(crew: CrewNow) -> Iterator[str]:
    yield _pool_line(crew)
    for row in [*crew.workers, *crew.others]:
        yield f"  {' '.join(_worker(row))}"


def _pool_line(crew: CrewNow) -> str:
    if crew.backend:
        return f"jobs run on {crew.backend}"
    if not crew.size:
        return NOTHING_YET
    states = [f"{number} {state}" for state in ("busy", "idle") if (number := crew.count(state))]
    more = [missing(crew)] if crew.missing else []
    return ", ".join([count(crew.size, "worker"), *states, *more])


def _worker(row: WorkerRow) -> Iterator[str]:
    yield f"{row.name:<10} {row.pid or '':>8} {row.state:<8}"
    yield f"{count(row.items_done, 'item'):>12} {memory(row):>8} {share(row):>6}"
    if row.now is not None:
        yield f" item {row.now.index:,} for {duration(row.now.seconds, digits=2)}"


def _job_lines(model: PanelModel) -> Iterator[str]:
    for entry in model.entries:
        yield f"job {jobs_text.line(entry)}"


def _cell_lines(model: PanelModel) -> list[str]:
    return [model.cell] if model.cell else []


def _html(model: PanelModel) -> str:
    newest = model.newest
    card = "" if newest is None else html.render(newest.report(), outputs=False)
    jobs = list(_job_lines(model))
    listed = "".join(
        f'<tr style="{ROW}"><td style="{CELL}">{_line(each)}</td></tr>' for each in jobs
    )
    table = f'<table style="{TABLE}"><tbody>{listed}</tbody></table>'
    more = folded(f'<span style="{MUTED}">Last jobs</span>', table) if len(jobs) > 1 else ""
    pool = f'<div style="{MUTED}">{_line(_pool_line(model.crew()))}</div>'
    return f'<div class="parmagic-still">{card}{pool}{more}</div>'


def _line(words: str) -> str:
    return escaped(words, _LENGTH)
