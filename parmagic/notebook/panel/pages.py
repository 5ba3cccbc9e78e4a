"""Pages of a panel, one of which is shown: a button for each.

ipywidgets has tabs of its own, but in Notebook 7 the keys that go from one to the next are those
of the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from ipywidgets import Button, Stack

from parmagic.notebook.panel.controls import button, column, row
from parmagic.notebook.subshell import answer_at_once

_CURRENT = "parmagic-current"


class Page(Protocol):
    """A part of a panel."""

    widget: Any

    def refresh(self) -> None:
        """Show what is new."""


class Pages:
    """Show one page, and refresh no other.

    Parameters
    ----------
    pages
        By their names.
    turned
        Called when another page is shown.
    """

    def __init__(self, shell: Any, pages: Mapping[str, Page], turned: Callable[[], object]) -> None:
        self._pages = list(pages.values())
        self._turned = turned
        self._stack = Stack([page.widget for page in self._pages], selected_index=0)
        self._stack.add_class("parmagic-page")
        self._buttons = [self._button(shell, *each) for each in enumerate(pages)]
        self._mark()
        self.widget = column(row(*self._buttons, classes=["parmagic-tabs"]), self._stack)

    def _button(self, shell: Any, index: int, name: str) -> Button:
        made = button(name, "", partial(self._turn_to, index))
        made.add_class("parmagic-tab")
        answer_at_once(shell, made)  # one may want to look while a cell runs
        return made

    def _turn_to(self, index: int) -> None:
        self._stack.selected_index = index
        self._mark()
        self._turned()

    def _mark(self) -> None:
        for index, each in enumerate(self._buttons):
            is_current = index == self._stack.selected_index
            (each.add_class if is_current else each.remove_class)(_CURRENT)
            each.tooltip = "This page is shown" if is_current else "Show this page"

    def refresh(self) -> None:
        """Show what is new on the page that is shown."""
        self._pages[self._stack.selected_index or 0].refresh()
