"""A notebook in JupyterLab, as its reader sees and drives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

from browser.page import MOST_SECONDS, LabPage


class BrowserNotebook:
    """A notebook that is open in a page, with a kernel of its own.

    Parameters
    ----------
    path
        Its file, as `Lab.write` returns it.
    """

    def __init__(self, page: LabPage, path: str) -> None:
        self.page = page
        self.path = path
        self._open()

    def _open(self) -> None:
        self._drive("open")
        self._wait_for("isOpen")
        self._wait_for("isConnected")
        self._drive("greet")

    def _drive(self, name: str, *arguments: object) -> Any:
        return self.page.drive(name, self.path, *arguments)

    def _wait_for(self, name: str, *arguments: object, seconds: float = MOST_SECONDS) -> None:
        self.page.wait_for(name, self.path, *arguments, seconds=seconds)

    def run(self, index: int) -> None:
        """Run a cell to its end."""
        self.start(index)
        self.wait_for_cell(index)

    def start(self, index: int) -> None:
        """Run a cell, and return at once."""
        self._drive("start", index)

    def run_all(self) -> None:
        """Run all cells to their end."""
        self._drive("startAll")
        self.wait_until_idle()

    def wait_for_cell(self, index: int, seconds: float = MOST_SECONDS) -> None:
        """Wait for the end of a cell."""
        self._wait_for("hasRun", index, seconds=seconds)

    def wait_until_idle(self, seconds: float = MOST_SECONDS) -> None:
        """Wait until every cell has run, and the kernel does nothing."""
        self._wait_for("isIdle", seconds=seconds)

    def is_running(self, index: int) -> bool:
        """Tell whether a cell runs, even if a thread lets the kernel look idle."""
        running: bool = self._drive("isRunning", index)
        return running

    def interrupt(self) -> None:
        """Do what the button Interrupt does."""
        self._drive("interrupt")

    def restart(self) -> None:
        """Have a new kernel."""
        self._drive("restart")
        self._wait_for("isConnected")
        self._drive("greet")

    def save(self) -> None:
        """Write the file."""
        self._drive("save")

    def reopen(self) -> None:
        """Save, end the kernel and open the file again, with a new kernel."""
        self.save()
        self.close()
        self._open()

    def reopen_without_kernel(self) -> None:
        """Save, end the kernel and open the file again, as who only reads it."""
        self.save()
        self.close()
        self._drive("openWithoutKernel")
        self._wait_for("isOpen")
        assert not self._drive("hasKernel")

    def reopen_with_its_kernel(self) -> None:
        """Open the file again, in a page that was loaded anew."""
        self._open()

    def close(self) -> None:
        """End the kernel and close the tab, whatever is saved."""
        self._drive("close")

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """Return the outputs of a cell, as the file will have them."""
        outputs: list[dict[str, Any]] = self._drive("outputs", index)
        return outputs

    def saved(self) -> str:
        """Save, and return what the file has."""
        self.save()
        return (self.page.lab.notebooks / self.path).read_text()

    def text(self, index: int) -> str:
        """Return the text of a cell's outputs, without any HTML."""
        return "\n".join(_text(each) for each in self.outputs(index)).strip()

    def shown(self, index: int) -> str:
        """Return the text that is to be seen below a cell."""
        return "\n".join(self._displays(index).all_inner_texts()).strip()

    def cell(self, index: int) -> Locator:
        """Return a cell, for Playwright to look into."""
        return self._panel.locator(".jp-Cell").nth(index)

    @property
    def _panel(self) -> Locator:
        return self.page.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def output(self, index: int) -> Locator:
        """Return what a cell shows."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def _displays(self, index: int) -> Locator:
        """Return the single outputs of a cell, without their prompts."""
        return self.output(index).locator(".jp-OutputArea-output")

    def button(self, index: int, name: str) -> Locator:
        """Return a button that a cell shows."""
        return self.output(index).get_by_role("button", name=name)

    def click(self, index: int, name: str) -> None:
        """Click on a button that a cell shows, as soon as it is there."""
        self.button(index, name).click()

    def contrast(self, index: int) -> float:
        """Return WCAG's contrast of the palest text that a cell shows: 4.5 reads well."""
        return -self._greatest(index, "-legible.contrast(each)")

    def smallest_text(self, index: int) -> float:
        """Return the size in pixels of the smallest letters that a cell shows."""
        return -self._greatest(index, "-legible.smallest(each)")

    def overflow(self, index: int) -> int:
        """Return by how many pixels what a cell shows is too wide for its place."""
        return int(self._greatest(index, "each.scrollWidth - each.clientWidth"))

    def _greatest(self, index: int, measure: str) -> float:
        script = f"all => Math.max(...all.map(each => {measure}))"
        greatest: float = self._displays(index).evaluate_all(script)
        return greatest

    def screenshot(self, index: int, name: str) -> Path | None:
        """Save a picture of a cell, if PARMAGIC_SHOTS names a folder."""
        return self.page.screenshot(name, self.cell(index))


def _text(output: dict[str, Any]) -> str:
    match output:
        case {"output_type": "stream", "text": text}:
            return "".join(text)
        case {"output_type": "error", "ename": name, "evalue": value}:
            return f"{name}: {value}"
        case {"data": {"text/plain": text}}:
            return "".join(text)
    return ""
