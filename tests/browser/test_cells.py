"""Cells in JupyterLab: what their reader sees while they run, and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from support import Gate

from browser.notebook import BrowserNotebook
from browser.page import LabPage, Theme

START = """
%load_ext parmagic
from support import Gate
"""
WAITING = (
    "%%parmap --workers 2 --chunksize 1 gate in gates -> names\ngate.enter()\ngate.folder.name"
)
LOOKS: list[tuple[Theme, int]] = [("Light", 700), ("Light", 1400), ("Dark", 700), ("Dark", 1400)]

Open = Callable[..., BrowserNotebook]


@pytest.fixture
def gates(tmp_path: Path) -> list[Gate]:
    """Four gates, one for each item."""
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    return [Gate(folder) for folder in folders]


@pytest.fixture
def waiting(notebook: Open, gates: list[Gate]) -> BrowserNotebook:
    """A notebook whose cell 1 runs, and waits for the gates to open."""
    paths = [str(gate.folder) for gate in gates]
    opened = notebook(
        f"{START}from pathlib import Path\ngates = [Gate(Path(each)) for each in {paths}]", WAITING
    )
    opened.run(0)
    opened.start(1)
    return opened


@pytest.fixture
def finished(waiting: BrowserNotebook, gates: list[Gate]) -> BrowserNotebook:
    """The same, when it has shown its line and has run."""
    expect(line(waiting)).to_be_visible()
    for gate in gates:
        gate.open()
    waiting.wait_for_cell(1)
    return waiting


def line(notebook: BrowserNotebook) -> Locator:
    return notebook.output(1).locator(".parmagic-line")


def card(notebook: BrowserNotebook) -> Locator:
    return notebook.output(1).locator(".parmagic-report")


def test_the_line_grows_until_the_report_takes_its_place(
    waiting: BrowserNotebook, gates: list[Gate]
) -> None:
    bar = line(waiting).get_by_role("progressbar")
    for done, gate in enumerate(gates):
        expect(bar).to_have_attribute("aria-valuenow", str(done))
        expect(bar).to_have_attribute("aria-valuemax", "4")
        gate.open()
    waiting.wait_for_cell(1)
    expect(card(waiting)).to_contain_text("4 items on 2 workers in")
    expect(line(waiting)).to_have_count(0)


def test_interrupt_ends_a_cell_that_is_blocked(waiting: BrowserNotebook, gates: list[Gate]) -> None:
    gates[0].open()
    expect(line(waiting)).to_contain_text("1 of 4")
    waiting.interrupt()
    waiting.wait_for_cell(1, seconds=10)
    expect(card(waiting)).to_contain_text("Interrupted after")
    expect(line(waiting)).to_have_count(0)
    assert "1 of 4 items done, 3 pending, interrupted" in waiting.text(1)
    assert "KeyboardInterrupt" in waiting.shown(1)


def test_stop_ends_a_cell_that_is_blocked(waiting: BrowserNotebook, gates: list[Gate]) -> None:
    gates[0].open()
    expect(line(waiting)).to_contain_text("1 of 4")
    waiting.click(1, "Stop")
    waiting.wait_for_cell(1, seconds=10)
    assert "1 of 4 items done, 3 pending, interrupted" in waiting.text(1)
    expect(waiting.button(1, "Stop")).to_have_count(0)
    expect(card(waiting)).to_be_visible()


def test_a_cell_that_was_interrupted_runs_again(
    waiting: BrowserNotebook, gates: list[Gate]
) -> None:
    expect(line(waiting)).to_be_visible()
    waiting.interrupt()
    waiting.wait_for_cell(1)
    for gate in gates:
        gate.open()
    waiting.run(1)
    expect(card(waiting)).to_contain_text("4 items on 2 workers in")
    assert waiting.text(1) == "4 items done"


def test_a_restarted_kernel_runs_the_cell_again(finished: BrowserNotebook) -> None:
    finished.restart()
    finished.run_all()
    assert finished.text(1) == "4 items done"


def test_a_saved_notebook_shows_the_report_without_a_kernel(finished: BrowserNotebook) -> None:
    before = finished.shown(1)
    finished.reopen_without_kernel()
    expect(card(finished)).to_be_visible()
    assert finished.shown(1) == before
    assert "widget" not in finished.saved()


def test_line_and_report_are_legible(
    page: LabPage, waiting: BrowserNotebook, gates: list[Gate]
) -> None:
    gates[0].open()
    expect(line(waiting)).to_contain_text("1 of 4")
    are_legible(page, waiting, "line")
    for gate in gates:
        gate.open()
    waiting.wait_for_cell(1)
    for summary in card(waiting).locator("summary").all():
        summary.click()
    are_legible(page, waiting, "report")


@pytest.fixture
def in_background(notebook: Open, gates: list[Gate]) -> BrowserNotebook:
    """A notebook whose cell 1 is over, and whose job waits for the gates to open."""
    paths = [str(gate.folder) for gate in gates]
    opened = notebook(
        f"{START}from pathlib import Path\ngates = [Gate(Path(each)) for each in {paths}]",
        WAITING.replace("1 gate", "1 --background gate")
        .replace("names", "job")
        .replace("gate.enter()", "gate.enter()\nprint('through', gate.folder.name)"),
        "print('another cell')\njob.done()",
        "await job",
    )
    opened.run(0)
    opened.run(1)
    return opened


def test_a_cell_in_the_background_goes_on_below_itself(
    page: LabPage, in_background: BrowserNotebook, gates: list[Gate]
) -> None:
    expect(line(in_background)).to_contain_text("0 of 4")
    in_background.run(2)
    assert "False" in in_background.text(2)
    gates[0].open()
    expect(line(in_background)).to_contain_text("1 of 4")
    expect(in_background.output(1)).to_contain_text("through a")
    in_background.screenshot(1, "background-running")
    for gate in gates:
        gate.open()
    in_background.run(3)
    expect(card(in_background)).to_contain_text("4 items on 2 workers in")
    expect(line(in_background)).to_have_count(0)
    expect(in_background.button(1, "Stop")).to_have_count(0)
    in_background.screenshot(1, "background-ended")
    assert in_background.text(1).startswith("4 items done")
    assert "through" not in in_background.text(2) + in_background.text(3)
    in_background.reopen_without_kernel()
    expect(card(in_background)).to_be_visible()
    assert "widget" not in in_background.saved()


def test_stop_ends_a_job_in_the_background(
    in_background: BrowserNotebook, gates: list[Gate]
) -> None:
    gates[0].open()
    expect(line(in_background)).to_contain_text("1 of 4")
    in_background.click(1, "Stop")
    expect(card(in_background)).to_contain_text("Interrupted after")
    expect(in_background.output(1)).to_contain_text("1 result kept in job")
    in_background.screenshot(1, "background-stopped")


def are_legible(page: LabPage, notebook: BrowserNotebook, what: str) -> None:
    for theme, width in LOOKS:
        page.look(theme, width)
        notebook.screenshot(1, f"{what}-{theme.lower()}-{width}")
        assert notebook.contrast(1) > 4.5
        assert notebook.overflow(1) <= 0
