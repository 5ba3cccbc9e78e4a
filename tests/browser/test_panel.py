"""The panel, as its user sees it: in JupyterLab, and in Notebook 7."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect
from support import Gate

from browser.lab import Lab
from browser.notebook import BrowserNotebook
from browser.page import LOAD_SECONDS, SCRIPTS, LabPage, Theme

LOADED = """
%load_ext parmagic
from pathlib import Path
from support import Gate
folder = Path({folder!r})
"""
DEFINED = """
def square(number):
    print("squaring", number)
    Gate(folder / str(number)).enter(number)
    return number ** 2
"""
SQUARES = [0, 1, 4, 9, 16, 25]
LOOKS: list[tuple[Theme, int]] = [("Light", 700), ("Light", 1400), ("Dark", 700), ("Dark", 1400)]
# What Notebook 7 says of itself, with any notebook.
NOISE = re.compile(r"reading 'schema'|status of 403 \(Forbidden\)")
CLIPBOARD = ["clipboard-read", "clipboard-write"]

Open = Callable[..., BrowserNotebook]


@pytest.fixture
def gates(tmp_path: Path) -> list[Gate]:
    """Gates, one for each item."""
    made = [Gate(tmp_path / str(number)) for number in range(len(SQUARES))]
    for gate in made:
        gate.folder.mkdir()
    return made


class Panel:
    """A panel in an output, and what its user does."""

    def __init__(self, place: Locator) -> None:
        self.place = place.locator(".parmagic-panel")

    def fill(self, label: str, text: str) -> None:
        field = self.place.get_by_label(label, exact=True)
        field.fill(text)
        field.press("Enter")

    def click(self, name: str) -> None:
        self.button(name).click()

    def button(self, name: str) -> Locator:
        # An icon is a letter, too.
        return self.place.get_by_role("button", name=re.compile(rf"^\W*{name}$"))

    def turn_to(self, tab: str) -> None:
        self.click(tab)
        expect(self.button(tab)).to_have_class(re.compile("parmagic-current"))

    def lane(self, worker: int) -> Locator:
        return self.place.locator(".parmagic-lane").filter(has_text=f"worker {worker}")

    def sees(self, *texts: str | re.Pattern[str]) -> None:
        """Wait until all of them are to be seen."""
        for text in texts:
            expect(self.place).to_contain_text(text)

    def workers(self) -> dict[int, int]:
        """Return the workers' pids as the table has them, by number."""
        rows = self.place.locator(".parmagic-table tbody tr").all_inner_texts()
        return {int(row.split()[0]): int(row.split()[1]) for row in rows}


def test_a_function_is_run_watched_stopped_resumed_and_mended_by_clicking(
    page: LabPage, notebook: Open, gates: list[Gate], tmp_path: Path
) -> None:
    page.page.context.grant_permissions(CLIPBOARD)
    load = LOADED.format(folder=str(tmp_path))
    opened = notebook(
        load, "%parpanel", DEFINED, "1 + 1", "clicked = squares", "", "clicked, squares"
    )
    panel = run_from_the_panel(opened)
    watch_and_stop(panel, opened, gates)
    page.page.set_viewport_size({"width": 1200, "height": 1100})
    resume_and_mend(panel, gates)
    look_at_results(panel)
    run_the_copied_cell(page, panel, opened)
    panel = reload(page, opened)
    panel.sees("6 items on 2 workers in")
    expect(panel.place.get_by_label("Items", exact=True)).to_have_value("range(6)")
    opened.run(1)
    panel.sees("6 items on 2 workers in")
    panel.click("Close")
    expect(opened.output(1).locator(".parmagic-report")).to_contain_text("6 items on 2 workers")
    expect(panel.place).to_have_count(0)
    assert "widget-view" not in opened.saved()


def run_from_the_panel(opened: BrowserNotebook) -> Panel:
    opened.run(0)
    opened.run(1)
    panel = Panel(opened.output(1))
    functions = panel.place.get_by_label("Function")
    expect(functions).to_contain_text("Path")
    opened.run(2)
    expect(functions).to_contain_text("square(number)")  # it follows new definitions
    functions.select_option("square(number)")
    panel.fill("Items", "range(siz)")
    panel.sees("NameError: name 'siz' is not defined")
    panel.fill("Items", "range(6)")
    panel.sees("6 items: 0, 1, 2, 3, 4, …")
    panel.fill("Results", "squares")
    panel.click("Options")
    for label, value in (("Workers", "2"), ("Chunksize", "1"), ("Retries", "1")):
        panel.fill(label, value)
    panel.click("Options")
    panel.sees("--workers 2 --chunksize 1 --retries 1 number in range(6) -> squares")
    panel.click("Run")
    return panel


def watch_and_stop(panel: Panel, opened: BrowserNotebook, gates: list[Gate]) -> None:
    expect(panel.lane(1)).to_contain_text(re.compile(r"busy\s*item [01] [01] for"))
    expect(panel.lane(2)).to_contain_text(re.compile(r"busy\s*item [01] [01] for"))
    panel.sees("squaring 0", "squaring 1", "0 of 6")
    opened.run(3)  # the notebook is free
    assert opened.text(3) == "2"
    gates[0].open()
    panel.sees("1 of 6", "item 2", "squaring 2")  # the lane has moved on
    panel.click("Stop")
    panel.sees("Interrupted after", "1 of 6 items done", "5 pending", "Press Resume")
    for number in (1, 2):
        expect(panel.lane(number)).to_contain_text("idle")


def resume_and_mend(panel: Panel, gates: list[Gate]) -> None:
    panel.click("Resume")
    panel.sees("1 of 6", "2 workers busy")
    panel.turn_to("Pool")
    panel.sees("2 workers: processes on this machine")
    panel.place.get_by_label("Worker", exact=True).select_option("1")
    panel.click("Restart this worker")
    row = panel.place.locator(".parmagic-table tbody tr")
    expect(row.first).to_contain_text(re.compile(r"^2"))
    expect(row.nth(1)).to_contain_text("busy")
    before = panel.workers()
    os.kill(before[2], signal.SIGKILL)  # and the item that it had is tried again
    expect(row.nth(1)).to_contain_text(re.compile(r"^4.*busy"))
    assert before[2] not in panel.workers().values()
    for gate in gates:
        gate.open()
    panel.sees("squares has the 6 results")


def look_at_results(panel: Panel) -> None:
    panel.turn_to("Results")
    panel.sees("[0, 1, 4, 9, 16, 25]", "Slowest items", "Seconds of the items")
    panel.turn_to("Jobs")
    panel.sees("square over range(6)")
    jobs = panel.place.get_by_role("listbox").locator("option")
    expect(jobs).to_have_count(2)
    expect(jobs.nth(1)).to_contain_text("1 of 6 items done, 5 pending, interrupted")


def run_the_copied_cell(page: LabPage, panel: Panel, opened: BrowserNotebook) -> None:
    opened.run(4)
    panel.click("Copy")
    expect(panel.button("Copied")).to_be_visible()
    opened.cell(5).locator(".cm-content").click()
    page.page.keyboard.press("Control+V")
    opened.run(5)
    opened.run(6)
    assert opened.text(6) == f"({SQUARES}, {SQUARES})"


def reload(page: LabPage, opened: BrowserNotebook) -> Panel:
    opened.save()
    page.reload()
    opened.reopen_with_its_kernel()
    return Panel(opened.output(1))


def test_two_panels_show_the_same_and_are_legible(
    page: LabPage, notebook: Open, gates: list[Gate], tmp_path: Path
) -> None:
    opened = notebook(LOADED.format(folder=str(tmp_path)) + DEFINED, "%parpanel", "%parpanel")
    opened.run_all()
    first, second = (Panel(opened.output(index)) for index in (1, 2))
    first.fill("Items", "range(6)")
    second.sees("6 items: 0, 1, 2, 3, 4, …")
    first.click("Options")
    first.place.get_by_label("Return exceptions").check()
    second.sees("--return-exceptions")
    second.click("Run")
    for panel in (first, second):
        panel.sees("0 of 6", "squaring 0")
    for theme, width in LOOKS:
        page.look(theme, width)
        for tab in ("Now", "Results", "Pool", "Jobs"):
            first.turn_to(tab)
            opened.screenshot(1, f"panel-{tab.lower()}-{theme.lower()}-{width}")
            assert opened.contrast(1) > 4.5, (tab, theme, width)
            assert opened.overflow(1) <= 0, (tab, theme, width)
    page.look()
    first.click("Close")
    second.sees("0 of 6")  # and the job runs on
    for gate in gates:
        gate.open()
    second.sees("6 items on")


def test_it_works_in_notebook_7_by_the_keyboard_alone(lab: Lab, browser: Browser) -> None:
    cell = "%load_ext parmagic\ndef square(number):\n    return number ** 2\n%parpanel"
    path = lab.write("notebook-7", cell, "squares")
    window = browser.new_context()
    errors: list[str] = []
    page = window.new_page()
    for script in SCRIPTS:
        page.add_init_script(script.read_text())
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(lab.url(f"notebooks/{path}"))
    connected = "path => window.jupyterapp && drive.isOpen(path) && drive.isConnected(path)"
    page.wait_for_function(connected, arg=path, polling=50, timeout=1000 * LOAD_SECONDS)
    page.evaluate("path => drive.greet(path)", path)
    page.evaluate("path => drive.start(path, 0)", path)
    panel = Panel(page.locator(".jp-Cell-outputArea").first)
    field = panel.place.get_by_label("Items", exact=True)
    field.focus()
    page.keyboard.type("range(6)")
    for key in ("Tab", "s", "Enter", "Tab"):
        page.keyboard.press(key)
    expect(panel.button("Run")).to_be_focused()
    page.keyboard.press("Space")
    panel.sees("s has the 6 results")
    panel.button("Results").focus()
    page.keyboard.press("Space")
    panel.sees("[0, 1, 4, 9, 16, 25]")
    assert [each for each in errors if not NOISE.search(each)] == []
    window.close()
