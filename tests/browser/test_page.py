"""What the other tests of this folder rely on: they would see it if something were wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from browser.notebook import BrowserNotebook
from browser.page import LabPage

# Contrasts in the theme Light, which is white: black, white, and half of black.
CONTRASTS = {"color:#000": 21.0, "color:#fff": 1.0, "color:#000;opacity:.5": 3.95}

Open = Callable[..., BrowserNotebook]


def html(source: str) -> str:
    """Return a cell that shows HTML."""
    return f"from IPython.display import HTML\nHTML({source!r})"


@pytest.mark.parametrize("script", ["console.error('oh')", "setTimeout(() => undefined.oh)"])
def test_an_error_of_the_page_is_noticed(page: LabPage, script: str) -> None:
    page.page.evaluate(f"() => void {script}")
    page.page.evaluate("() => new Promise(setTimeout)")  # after the one before
    (error,) = page.errors
    page.console.clear()
    assert "error: " in error
    assert "oh" in error


def test_outputs_are_read_as_they_are_saved_and_as_they_are_seen(notebook: Open) -> None:
    opened = notebook("print('one')\n2", "1 / 0", html("<p>A</p>"))
    for index in range(3):  # after the error, "run all" stops
        opened.run(index)
    assert opened.text(0) == "one\n\n2"
    assert opened.text(1) == "ZeroDivisionError: division by zero"
    assert opened.text(2) == "<IPython.core.display.HTML object>"
    assert opened.shown(2) == "A"


def test_what_is_hard_to_read_is_noticed(notebook: Open) -> None:
    opened = notebook(*(html(f"<b style='{style}'>A</b>") for style in CONTRASTS))
    opened.run_all()
    contrasts = [opened.contrast(index) for index in range(3)]
    assert contrasts == pytest.approx([*CONTRASTS.values()], abs=0.05)


def test_what_is_too_small_is_noticed(notebook: Open) -> None:
    drawing = "<svg viewBox='0 0 800 100' width='200'><text y='50' font-size='16'>A</text></svg>"
    opened = notebook(html("<small style='font-size:7px'>A</small><b>A</b>"), html(drawing))
    opened.run_all()
    assert [opened.smallest_text(index) for index in range(2)] == pytest.approx([7, 4])


def test_what_is_too_wide_is_noticed(notebook: Open) -> None:
    opened = notebook(html("<div style='width:3000px'>A</div>"), html("<div>A</div>"))
    opened.run_all()
    assert opened.overflow(0) > 1000
    assert opened.overflow(1) == 0


def test_a_cell_that_runs_again_is_waited_for(notebook: Open) -> None:
    opened = notebook("count = globals().get('count', 0) + 1\ncount")
    for count in (1, 2, 3):
        opened.run(0)
        assert opened.text(0) == str(count)
