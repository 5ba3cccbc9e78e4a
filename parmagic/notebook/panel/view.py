"""One panel in the notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipywidgets import HTML

from parmagic.notebook.panel import still
from parmagic.notebook.panel.controls import button, close, column, row, show, shown
from parmagic.notebook.panel.jobs_part import JobsPart
from parmagic.notebook.panel.model import PanelModel
from parmagic.notebook.panel.now_part import NowPart
from parmagic.notebook.panel.pages import Page, Pages
from parmagic.notebook.panel.pool_part import PoolPart
from parmagic.notebook.panel.results_part import ResultsPart
from parmagic.notebook.panel.run_part import RunPart
from parmagic.notebook.spot import Spot
from parmagic.report import html

_STYLE = Path(__file__).with_name("panel.css").read_text(encoding="utf-8")
_TEXT = "parmagic panel: it needs its kernel, and widgets"


class View:
    """A panel, from `show` to `close`.

    Parameters
    ----------
    changed
        Called when something was done in it, so that all panels show that at once.
    closed
        Called with it when its user closes it.
    """

    def __init__(
        self,
        shell: Any,
        model: PanelModel,
        changed: Callable[[], None],
        closed: Callable[[View], None],
    ) -> None:
        self._model = model
        self._spot = Spot()
        self._lock = threading.RLock()
        self._closed = False
        self._progress = shown("parmagic-progress")
        self._run = RunPart(shell, model, changed)
        pages: dict[str, Page] = {
            "Now": NowPart(model),
            "Results": ResultsPart(model, changed),
            "Pool": PoolPart(model, changed),
            "Jobs": JobsPart(model),
        }
        self._pages = Pages(shell, pages, self.refresh)
        style = HTML(f"<style>{_STYLE}</style>")
        style.add_class("parmagic-style")
        shut = button(
            "Close", "Close the panel; jobs run on", lambda: closed(self), icon="times", plain=True
        )
        head = row(HTML("<b>parmagic</b>"), shut, classes=["parmagic-head"])
        self._widget = column(
            style,
            head,
            self._run.widget,
            self._progress,
            self._pages.widget,
            classes=["parmagic-panel"],
        )
        self.refresh()

    def show(self) -> None:
        """Draw it in the cell that runs."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        mime = "application/vnd.jupyter.widget-view+json"
        self._spot.show({mime: view, "text/plain": _TEXT})

    def refresh(self) -> bool:
        """Show what is new; tell whether something moves."""
        with self._lock:
            if self._closed:
                return False
            self._run.refresh()
            self._show_progress()
            self._pages.refresh()
        return bool(self._model.running)

    def _show_progress(self) -> None:
        entry = next(iter(self._model.running), self._model.newest)
        show(self._progress, "" if entry is None else html.render_headline(entry.summary()))

    def end(self) -> None:
        """Show nothing new any more, and leave in its place what there is to see without it."""
        with self._lock:
            self._closed = True
            self._spot.show(dict(still.bundle(self._model)))

    def close(self, *, seen: bool = True) -> None:
        """Do `end`, if its place is still there, and close its widgets."""
        with self._lock:
            self._closed = True
            if seen:
                self.end()
            close(self._widget)
