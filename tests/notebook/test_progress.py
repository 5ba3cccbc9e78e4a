"""What a running cell shows, and where."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from parmagic.mapping.job import Job
from parmagic.notebook import progress
from parmagic.notebook.background import start_in_background
from parmagic.notebook.choose import surface_for
from parmagic.notebook.notebook_surface import NotebookSurface
from parmagic.notebook.output_area import OutputArea
from parmagic.notebook.plain_surface import PlainSurface
from parmagic.notebook.progress import UPDATE_SECONDS, Progress
from parmagic.notebook.static_surface import StaticSurface
from parmagic.notebook.terminal_surface import TerminalSurface
from parmagic.report.output import ItemOutput, Part
from parmagic.worker.capture import Output

SAID: Output = ((1, "stdout", "one\n"), (0, "stdout", "zero\n"))


class Clock:
    """A clock that stands still."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Notes:
    """A surface that keeps what it is told."""

    def __init__(self) -> None:
        self.updates = 0
        self.reports: list[bool] = []

    def echo(self, output: Output) -> None:
        pass

    def update(self, job: Job[Any]) -> None:
        self.updates += 1

    def finish(self, job: Job[Any], *, report: bool) -> None:
        self.reports.append(report)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.fixture
def job() -> Job[int]:
    return Job(abs, [1, 2])


def test_a_quick_job_shows_nothing_before_its_end(clock: Clock, job: Job[int]) -> None:
    notes = Notes()
    shown = Progress(notes, 0.5)
    for _ in range(5):
        shown.look_up(job)
        clock.now += 0.099
    assert (notes.updates, shown.shown) == (0, False)


def test_a_line_appears_in_time_and_is_repainted_now_and_then(clock: Clock, job: Job[int]) -> None:
    notes = Notes()
    shown = Progress(notes, 0.5)
    clock.now += 0.5
    shown.look_up(job)
    assert (notes.updates, shown.shown) == (1, True)
    clock.now += 0.6 * UPDATE_SECONDS
    shown.look_up(job)
    assert notes.updates == 1
    clock.now += 0.6 * UPDATE_SECONDS
    shown.look_up(job)
    assert notes.updates == 2


@pytest.mark.parametrize("report", [True, False])
def test_the_end_is_always_shown(job: Job[int], report: bool) -> None:
    notes = Notes()
    Progress(notes, 0.5).finish(job, report=report)
    assert notes.reports == [report]


KERNEL, TERMINAL = SimpleNamespace(kernel=1), SimpleNamespace()


@pytest.mark.parametrize(
    ("shell", "live", "session", "variable", "tty", "surface"),
    [
        (KERNEL, None, None, None, False, StaticSurface),
        (KERNEL, None, "a.ipynb", None, False, NotebookSurface),
        (KERNEL, None, "", None, False, NotebookSurface),
        (KERNEL, None, "a.ipynb", "", False, NotebookSurface),
        (KERNEL, None, "a.ipynb", "0", False, StaticSurface),
        (KERNEL, None, None, "1", False, NotebookSurface),
        (KERNEL, True, None, "0", False, NotebookSurface),
        (KERNEL, False, "a.ipynb", "1", False, StaticSurface),
        (KERNEL, None, None, None, True, StaticSurface),
        (TERMINAL, None, None, None, True, TerminalSurface),
        (TERMINAL, None, None, None, False, PlainSurface),
        (TERMINAL, None, "a.ipynb", "1", False, PlainSurface),
        (TERMINAL, True, None, None, False, TerminalSurface),
        (TERMINAL, False, None, None, True, PlainSurface),
    ],
)
def test_where_a_line_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    shell: Any,
    live: bool | None,
    session: str | None,
    variable: str | None,
    tty: bool,
    surface: type,
) -> None:
    for name, value in {"JPY_SESSION_NAME": session, "PARMAGIC_LIVE": variable}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Tty() if tty else io.StringIO())
    assert type(surface_for(shell, live)) is surface


def test_quiet_has_no_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Tty())
    assert type(surface_for(TERMINAL, None, quiet=True)) is PlainSurface


def job_of(items: int) -> Job[int]:
    return Job(abs, range(items))


def test_a_terminal_writes_a_line_over_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    surface = TerminalSurface()
    surface.update(job_of(1_000_000))
    surface.update(job_of(1_000_000))
    surface.finish(job_of(1), report=False)
    first, second = [each for each in capsys.readouterr().err.split("\r") if each.strip()]
    assert "0/1,000,000 · " in first
    assert "0/1,000,000 · " in second


def test_a_terminal_wipes_its_line_before_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    surface = TerminalSurface()
    surface.update(job_of(1))
    capsys.readouterr()
    surface.finish(job_of(1), report=True)
    out, err = capsys.readouterr()
    assert out == "0 of 1 item done, 1 pending\n"
    assert err.strip(" \r") == ""
    assert err.endswith("\r")


def test_a_terminal_without_a_line_has_nothing_to_wipe(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalSurface().finish(job_of(1), report=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("surface", [PlainSurface(), TerminalSurface()])
def test_a_terminal_prints_as_it_comes(surface: Any, capsys: pytest.CaptureFixture[str]) -> None:
    surface.echo(SAID)
    assert capsys.readouterr().out == "one\nzero\n"


def test_a_notebook_updates_one_output(shell: InteractiveShell) -> None:
    surface = NotebookSurface()
    with capture_output() as shown:
        surface.update(job_of(1))
        surface.update(job_of(2))
        surface.finish(job_of(2), report=True)
    first, second, last = shown.outputs
    assert "parmagic-line" in first.data["text/html"]
    assert "parmagic-report" in last.data["text/html"]
    assert [first.update, second.update, last.update] == [False, True, True]
    assert len({each.transient["display_id"] for each in shown.outputs}) == 1


@pytest.mark.parametrize(
    ("surface", "shown_at_once", "shown_at_the_end"),
    [(StaticSurface(), 0, 1), (NotebookSurface(line=False), 0, 1), (NotebookSurface(), 1, 2)],
)
def test_how_many_outputs_a_job_with_a_report_makes(
    shell: InteractiveShell, surface: Any, shown_at_once: int, shown_at_the_end: int
) -> None:
    with capture_output() as shown:
        surface.update(job_of(1))
        assert len(shown._outputs) == shown_at_once
        surface.finish(job_of(1), report=True)
    assert len(shown.outputs) == shown_at_the_end


@pytest.mark.parametrize(
    "surface", [StaticSurface(), NotebookSurface(), NotebookSurface(line=False)]
)
def test_a_job_that_said_nothing_leaves_nothing(shell: InteractiveShell, surface: Any) -> None:
    with capture_output() as shown:
        surface.finish(job_of(1), report=False)
    assert shown.outputs == []
    assert shown.stdout == shown.stderr == ""


@pytest.mark.parametrize(
    "surface", [StaticSurface(), NotebookSurface(), NotebookSurface(line=False)]
)
def test_output_is_shown_by_item_also_without_a_report(
    shell: InteractiveShell, surface: Any
) -> None:
    job = job_of(2)
    job.record.log.add(SAID)
    with capture_output() as shown:
        surface.finish(job, report=False)
    assert [each.data["text/plain"] for each in shown.outputs] == ["item 0: zero\nitem 1: one"]


def said(index: int, text: str) -> ItemOutput:
    return ItemOutput(index, "", (Part("stdout", text),))


def final(outputs: list[Any]) -> list[str]:
    last = {each.transient["display_id"]: each.data["text/plain"] for each in outputs}
    return list(last.values())


def test_a_block_of_output_grows_until_it_is_full(shell: InteractiveShell) -> None:
    area, outputs = OutputArea(), [said(number, "x" * 30_000) for number in range(6)]
    with capture_output() as shown:
        for count in range(1, 7):
            area.draw(outputs[:count])
    blocks = final(shown.outputs)
    assert 2 <= len(blocks) <= 6
    assert [text.count("item ") for text in blocks] == [6 // len(blocks)] * len(blocks)


def test_what_did_not_change_is_not_sent_again(shell: InteractiveShell) -> None:
    area = OutputArea()
    with capture_output() as shown:
        area.draw([said(0, "a")])
        area.draw([said(0, "a")])
        area.finish([said(0, "a")])
    assert len(shown.outputs) == 1


def test_blocks_are_in_the_order_of_the_items_in_the_end(shell: InteractiveShell) -> None:
    area, large = OutputArea(), "x" * 80_000
    with capture_output() as shown:
        area.draw([said(5, large)])
        area.draw([said(2, large), said(5, large)])
        area.draw([said(2, large), said(3, "c"), said(5, large)])
        area.finish([said(2, large), said(3, "c"), said(5, large)])
    firsts = [text.partition(":")[0] for text in final(shown.outputs)]
    assert firsts == ["item 2", "item 3", "item 5"]


def test_a_display_that_only_the_front_end_can_draw_is_shown_once(shell: InteractiveShell) -> None:
    foreign = {"application/vnd.plotly.v1+json": {"data": []}, "text/plain": "Figure"}
    outputs = [ItemOutput(0, "", (Part("display", "Figure\n", foreign),))]
    area = OutputArea()
    with capture_output() as shown:
        area.draw(outputs)
        area.draw(outputs)
        area.finish(outputs)
    assert [each.data for each in shown.outputs].count(foreign) == 1


class Interrupted:
    """A line that an Interrupt keeps from being drawn."""

    def begin(self, _: Job[Any]) -> None:
        raise KeyboardInterrupt


def test_a_background_job_whose_line_could_not_be_drawn_is_over() -> None:
    job = Job(abs, range(3))
    with pytest.raises(KeyboardInterrupt):
        start_in_background(job, cast(Progress, Interrupted()), all_frames=False, quiet=False)
    assert (job.done(), job.cancelled(), job.pending) == (True, True, [0, 1, 2])
