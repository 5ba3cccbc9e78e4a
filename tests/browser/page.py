"""A page of JupyterLab in Chromium; notebooks are opened in it, one after the other."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page

from browser.lab import Lab

Theme = Literal["Light", "Dark"]

HEIGHT = 900
WIDTH = 1200
# A cold page takes 7 s, and 67 s where others keep both processors busy.
LOAD_SECONDS = 100.0
MOST_SECONDS = 60.0

SCRIPTS = [Path(__file__).with_name(name) for name in ("drive.js", "legible.js")]
# What Lab and its widgets say of any notebook, whose kernel ends or which is opened without one;
# and on a busy machine, where Lab takes its splash screen away twice.
NOISE = re.compile(
    r"Canceled future for \w+ message before replies were done"
    r"|Cannot read properties of null \(reading 'kernel'\)[\s\S]*/@jupyter-widgets/"
    r"|NotFoundError: Failed to execute 'removeChild'[^\n]*\n +at [^\n]*/jlab_core\.[^\n]*$"
)


class LabPage:
    """The one page, with what its console says.

    Loading takes seconds, and opening a notebook in it less than one: so it is loaded once.
    """

    def __init__(self, lab: Lab, browser: Browser) -> None:
        self.lab = lab
        self.console: list[str] = []
        self._window: BrowserContext = browser.new_context(device_scale_factor=1)
        self._window.set_default_timeout(1000 * MOST_SECONDS)
        for script in SCRIPTS:
            self._window.add_init_script(script.read_text())
        self.page: Page = self._window.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", self._failed)
        self._load()

    def _heard(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")

    def _failed(self, error: Error) -> None:
        self.console.append(f"pageerror: {error.stack or error}")

    def _load(self) -> None:
        # A workspace without the tabs of an earlier one.
        self.page.goto(self.lab.url("lab/workspaces/tests?reset"), timeout=1000 * LOAD_SECONDS)
        self.wait_until("window.jupyterapp !== undefined", seconds=LOAD_SECONDS)
        self.page.evaluate("window.jupyterapp.restored.then(() => null)")
        self.look()

    def reload(self) -> None:
        """Load it anew; the kernels run on."""
        self._load()

    @property
    def errors(self) -> list[str]:
        """What the console holds of errors that are not Lab's own."""
        kinds = ("error: ", "pageerror: ")
        found = [each for each in self.console if each.startswith(kinds)]
        return [each for each in found if not NOISE.search(each)]

    def look(self, theme: Theme = "Light", width: int = WIDTH) -> None:
        """Choose a theme, and how many pixels wide the page is."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme}",
        )
        self.wait_until(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")

    def wait_until(self, condition: str, *arguments: object, seconds: float = MOST_SECONDS) -> None:
        """Wait until a JavaScript expression, or a function of the arguments, is true."""
        # By default Playwright looks at each frame that is drawn: few, on a busy machine.
        self.page.wait_for_function(condition, arg=arguments, polling=50, timeout=1000 * seconds)

    def drive(self, name: str, *arguments: object) -> Any:
        """Call a function of drive.js."""
        return self.page.evaluate("([name, ...rest]) => drive[name](...rest)", [name, *arguments])

    def wait_for(self, name: str, *arguments: object, seconds: float = MOST_SECONDS) -> None:
        """Wait until a function of drive.js returns true."""
        try:
            self.wait_until(
                "([name, ...rest]) => drive[name](...rest)", name, *arguments, seconds=seconds
            )
        except Error as error:
            last = self.console[-5:]
            raise TimeoutError(f"not {name}{arguments}; the console says {last}") from error

    def screenshot(self, name: str, of: Locator | None = None) -> Path | None:
        """Save a picture of the page, or of a part, if PARMAGIC_SHOTS names a folder for them."""
        folder = os.environ.get("PARMAGIC_SHOTS")
        return self.save_screenshot(Path(folder) / f"{name}.png", of) if folder else None

    def save_screenshot(self, path: Path, of: Locator | None = None) -> Path:
        """Save a picture of the page, or of a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Playwright would write it in a thread that it keeps.
        path.write_bytes((of or self.page).screenshot())
        return path

    def close(self) -> None:
        """Close it."""
        self._window.close()
