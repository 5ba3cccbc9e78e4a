"""The part of a panel that lists the last jobs."""

from __future__ import annotations

from ipywidgets import Select

from parmagic.mapping.logbook import Entry
from parmagic.notebook.panel import jobs_text
from parmagic.notebook.panel.controls import Thinned, column, offer, show, shown
from parmagic.notebook.panel.model import PanelModel
from parmagic.report import html

_ROWS = 6
_NONE = '<div class="parmagic-quiet">No job yet.</div>'


class JobsPart:
    """The last twenty jobs, and the report of the one that is chosen."""

    def __init__(self, model: PanelModel) -> None:
        self._model = model
        self._list = Select(options=[], rows=_ROWS, tooltip="The last jobs, the newest first")
        self._list.description = "Jobs"
        for each in ("parmagic-field", "parmagic-list"):
            self._list.add_class(each)
        self._list.observe(lambda _: self._choose(), "value")
        self._report = shown()
        self._newest = 0
        self._refresh = Thinned(self._draw, 1.0)
        self.widget = column(self._list, self._report)

    def refresh(self) -> None:
        """Show what is new."""
        newest = self._model.newest
        self._refresh(now=newest is not None and newest.number != self._newest)

    def _draw(self) -> None:
        entries = self._model.entries
        offered = [(jobs_text.line(each), each.number) for each in entries]
        if [*self._list.options] != offered:
            follow = self._list.value == self._newest
            self._newest = entries[0].number if entries else 0
            offer(self._list, offered, keep=not follow)
        self._choose()

    def _choose(self) -> None:
        entry = self._entry(self._list.value)
        show(self._report, _NONE if entry is None else html.render(entry.report(), outputs=False))

    def _entry(self, number: int | None) -> Entry | None:
        return next((each for each in self._model.entries if each.number == number), None)
