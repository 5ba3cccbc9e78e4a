"""What a running cell shows, and where."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from parmagic.mapping.job import Job
from parmagic.notebook import progress
from parmagic.notebook.progress import (
    UPDATE_SECONDS,
    LiveLine,
    NoSurface,
    NotebookSurface,
    StaticSurface,
    TerminalSurface,
    surface_for,
)
from parmagic.report.report import Report

BUNDLE = {"text/html": "<b>report</b>", "text/plain": "report"}


class Clock:
    """A clock that stands still."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Notes:
    """A surface that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[Report] = []
        self.bundles: list[dict[str, str] | None] = []

    def update(self, report: Report) -> None:
        self.lines.append(report)

    def replace(self, bundle: dict[str, str] | None) -> None:
        self.bundles.append(bundle)


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


def test_a_quick_job_shows_no_line(clock: Clock, job: Job[int]) -> None:
    notes = Notes()
    line = LiveLine(notes, 0.5)
    for _ in range(5):
        line.look_up(job)
        clock.now += 0.099
    assert (notes.lines, line.shown) == ([], False)


def test_a_line_appears_in_time_and_is_repainted_now_and_then(clock: Clock, job: Job[int]) -> None:
    notes = Notes()
    line = LiveLine(notes, 0.5)
    clock.now += 0.5
    line.look_up(job)
    assert (len(notes.lines), line.shown) == (1, True)
    clock.now += 0.6 * UPDATE_SECONDS
    line.look_up(job)
    assert len(notes.lines) == 1
    clock.now += 0.6 * UPDATE_SECONDS
    line.look_up(job)
    assert len(notes.lines) == 2


def test_a_report_takes_the_place_of_the_line(job: Job[int]) -> None:
    notes = Notes()
    line = LiveLine(notes, 0.5)
    line.show_report(job.report())
    line.vanish()
    shown, nothing = notes.bundles
    assert shown is not None
    assert shown["text/plain"] == "0 of 2 items done, 2 pending"
    assert 'class="parmagic-report"' in shown["text/html"]
    assert nothing is None


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
        (TERMINAL, None, None, None, False, StaticSurface),
        (TERMINAL, None, "a.ipynb", "1", False, StaticSurface),
        (TERMINAL, True, None, None, False, TerminalSurface),
        (TERMINAL, False, None, None, True, StaticSurface),
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


def report_of(items: int) -> Report:
    return Job(abs, range(items)).report()


def test_a_terminal_writes_a_line_over_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    surface = TerminalSurface()
    surface.update(report_of(1_000_000))
    surface.update(report_of(1))
    first, second = capsys.readouterr().err.split("\r")[1:]
    assert first.startswith("0/1,000,000")
    assert second.startswith("0/1 ")
    assert len(second) == len(first)


def test_a_terminal_wipes_its_line_before_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    surface = TerminalSurface()
    surface.update(report_of(1))
    width = len(capsys.readouterr().err) - 1
    surface.replace(BUNDLE)
    assert capsys.readouterr() == ("report\n", "\r" + " " * width + "\r")


def test_a_terminal_without_a_line_has_nothing_to_wipe(capsys: pytest.CaptureFixture[str]) -> None:
    surface = TerminalSurface()
    surface.replace(None)
    assert capsys.readouterr() == ("", "")
    surface.replace(BUNDLE)
    assert capsys.readouterr() == ("report\n", "")


def test_a_notebook_updates_one_output(shell: InteractiveShell) -> None:
    surface = NotebookSurface()
    with capture_output() as shown:
        surface.update(report_of(1))
        surface.update(report_of(2))
        surface.replace(BUNDLE)
    first, second, last = shown.outputs
    assert "parmagic-line" in first.data["text/html"]
    assert last.data == BUNDLE
    assert [first.update, second.update, last.update] == [False, True, True]
    assert len({each.transient["display_id"] for each in shown.outputs}) == 1


@pytest.mark.parametrize(
    ("surface", "shown_at_once", "shown_at_the_end"),
    [(StaticSurface(), 0, 1), (NoSurface(), 0, 0), (NotebookSurface(), 1, 2)],
)
def test_how_many_outputs_a_job_with_a_report_makes(
    shell: InteractiveShell, surface: Any, shown_at_once: int, shown_at_the_end: int
) -> None:
    with capture_output() as shown:
        surface.update(report_of(1))
        assert len(shown._outputs) == shown_at_once
        surface.replace(BUNDLE)
    assert len(shown.outputs) == shown_at_the_end


@pytest.mark.parametrize("surface", [StaticSurface(), NoSurface(), NotebookSurface()])
def test_a_line_that_was_never_shown_leaves_nothing(shell: InteractiveShell, surface: Any) -> None:
    with capture_output() as shown:
        surface.replace(None)
    assert shown.outputs == []
    assert shown.stdout == shown.stderr == ""
