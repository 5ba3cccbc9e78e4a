"""What the panel draws: whatever items are called, it is text; and it stays small."""

from __future__ import annotations

import time
from typing import Any

import pytest
from report.pages import HOSTILE, Page

from parmagic.mapping.job import Job
from parmagic.mapping.logbook import logbook
from parmagic.notebook.panel import code_html, jobs_text, lanes_html, pool_html
from parmagic.notebook.panel.crew_now import CrewNow, WorkerRow
from parmagic.notebook.panel.vitals import Vital
from parmagic.report import timeline
from parmagic.report.histogram import Histogram
from parmagic.report.now import WorkerNow


def row(number: int, **changes: Any) -> WorkerRow:
    now = WorkerNow(number, number, 2.5, 3, 10, "step")
    vital = Vital(12_000_000, 0.97)
    given = {"now": now, "item": "'a.csv'", "vital": vital, "name": f"worker {number}", **changes}
    return WorkerRow(number, 1000 + number, given.pop("state", "busy"), 7, **given)


def crew(*rows: WorkerRow, size: int = 2, **changes: Any) -> CrewNow:
    return CrewNow(size, rows, **changes)


def test_a_lane_says_what_its_worker_does() -> None:
    page = Page(lanes_html.render(crew(row(1), row(2, state="idle", now=None))))
    assert "worker 1busyitem 1 'a.csv' for 2.5 s · 3 of 10 step12 MB97 %" in page.text
    assert "worker 2idle12 MB97 %" in page.text


def test_workers_that_are_missing_and_those_of_a_backend_are_told() -> None:
    other = row(9, name="tcp://10.0.0.1:99", vital=Vital())
    shown = crew(row(1), others=(other,), backend="dask: 4 workers")
    assert "tcp://10.0.0.1:99busyitem 9" in Page(lanes_html.render(shown)).text
    assert "1 worker to start" in Page(lanes_html.render(shown)).text
    assert Page(pool_html.where(shown)).text == "Jobs run on dask: 4 workers"
    assert "10.0.0.1" not in pool_html.render(shown)


def test_without_workers_it_says_where_they_come_from() -> None:
    for render in (lanes_html.render, pool_html.render):
        assert Page(render(CrewNow())).text == "No workers yet: the first job starts them."
    assert pool_html.where(CrewNow()) == ""


def test_the_pool_has_pid_state_items_memory_and_processor() -> None:
    page = Page(pool_html.render(crew(row(3, vital=Vital()), row(4))))
    assert "31003busy7" in page.text
    assert "41004busy712 MB97 %" in page.text


def test_the_start_up_cell_is_shown_if_there_is_one() -> None:
    assert pool_html.start_up(crew()) == ""
    page = Page(pool_html.start_up(crew(start_up='%%parpool\nmodel = load("big")')))
    assert page.text == 'Start-up cell%%parpool\nmodel = load("big")Copy'


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_text(string: str) -> None:
    now = WorkerNow(1, 1, 1.0, None, None, string)
    worker = row(1, now=now, item=string, name=string)
    for each in (
        lanes_html.render(crew(worker)),
        pool_html.where(crew(worker, backend=string)),
        code_html.render(string, string),
    ):
        page = Page(each)
        assert {name for name, _ in page.elements} <= ELEMENTS
        assert not any("alert" in str(name) for _, found in page.elements for name in found)


ELEMENTS = {"div", "span", "b", "bdi", "samp", "pre", "code", "button"}


def test_a_job_is_one_line() -> None:
    entry = logbook.begin(Job(abs, [1], what="line\none" * 40))
    line = jobs_text.line(entry)
    assert "\n" not in line
    assert len(line) < 140
    entry.end()


def test_64_workers_and_100000_items_stay_light() -> None:
    job = Job(abs, range(100_000))
    job.record.usage.began -= 1.6
    for chunk in range(2_000):  # of 50 items that took a millisecond each
        began = job.record.usage.began + chunk // 64 * 0.05
        job.record.spans.add(1 + chunk % 64, 50 * chunk, 50, began, [0.001] * 50)
    entry = logbook.begin(job)
    rows = [row(number) for number in range(1, 65)]
    spent, sizes = {}, {}
    for name, draw in {
        "lanes": lambda: lanes_html.render(crew(*rows, size=64)),
        "pool": lambda: pool_html.render(crew(*rows, size=64)),
        "timeline": lambda: timeline.render(entry.report()),
        "histogram": lambda: Histogram.of(entry.seconds()),
    }.items():
        before = time.thread_time()
        sizes[name] = len(str(draw()))
        spent[name] = time.thread_time() - before
    entry.end()
    # Of a busy core: 1, 1, 20 and 5 ms. The lanes are drawn three times a second, the rest once.
    assert sum(spent.values()) < 1, spent
    assert sizes["lanes"] < 40_000, sizes
    assert sizes["timeline"] < 120_000, sizes
