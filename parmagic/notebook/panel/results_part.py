"""The part of a panel that shows what came of the newest job."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import Dropdown

from parmagic.notebook.panel import code_html
from parmagic.notebook.panel.controls import Thinned, button, column, field, offer, row, show, shown
from parmagic.notebook.panel.model import PanelModel
from parmagic.report import details, failures, html
from parmagic.report.histogram import Histogram
from parmagic.report.histogram import render as render_histogram
from parmagic.report.report import Report
from parmagic.worker.text import shorten

_ITEM_CHARACTERS = 40


class ResultsPart:
    """The first results, the failures, the slowest items, and how long the items took."""

    def __init__(self, model: PanelModel, changed: Callable[[], None]) -> None:
        self._model = model
        self._changed = changed
        self._ending = shown()
        self._failures = shown()
        self._slowest = shown()
        self._histogram = shown()
        self._name = field("Name", lambda _: None, hint="ys", tooltip="A name in the notebook")
        self._bind = button("Bind", "Give the results this name in the notebook", self._click_bind)
        self._failed = Dropdown(description="Failed item", tooltip="The item to look into")
        self._failed.add_class("parmagic-field")
        self._failed.observe(lambda _: self._choose(), "value")
        self._debug = shown()
        self._debugging = column(
            row(self._failed, classes=["parmagic-fields", "parmagic-short"]),
            self._debug,
            classes=["parmagic-empty"],
        )
        self._job: object = None
        self._draw_now = Thinned(self._draw, 1.0)
        self.widget = column(
            self._ending,
            row(self._name, self._bind, classes=["parmagic-fields", "parmagic-short"]),
            self._failures,
            self._debugging,
            self._slowest,
            self._histogram,
        )

    def _click_bind(self) -> None:
        self._model.bind(self._name.value)
        self._changed()

    def _choose(self) -> None:
        index = self._failed.value
        words = "To run it again in the kernel, with the debugger where it fails:"
        code = "" if index is None else code_html.render(f"%pardebug {index}", "line")
        show(self._debug, f'<div class="parmagic-quiet">{words}</div>{code}' if code else "")

    def refresh(self) -> None:
        """Show what is new."""
        newest = self._model.newest
        job = None if newest is None else (newest.number, newest.job is None)
        is_other, self._job = job != self._job, job
        if is_other or self._model.running:
            self._draw_now(now=is_other)

    def _draw(self) -> None:
        newest = self._model.newest
        self._bind.disabled = self._model.newest_job is None
        if newest is None:
            show(self._ending, '<div class="parmagic-quiet">No job yet.</div>')
            return
        report = newest.report()
        show(self._ending, html.render_ending(report))
        failed = failures.render(report)
        show(self._failures, f"<h4>Failures</h4>{failed}" if failed else "")
        slowest = details.slowest(report)
        show(self._slowest, f"<h4>Slowest items</h4>{slowest}" if slowest else "")
        drawn = render_histogram(Histogram.of(newest.seconds()))
        show(self._histogram, f"<h4>Seconds of the items</h4>{drawn}" if drawn else "")
        self._offer_failed(report)

    def _offer_failed(self, report: Report) -> None:
        offered = [
            (f"{each.index}: {shorten(each.item, _ITEM_CHARACTERS)}", each.index)
            for each in report.failures
        ]
        if list(self._failed.options) != offered:
            offer(self._failed, offered)
            (self._debugging.remove_class if offered else self._debugging.add_class)(
                "parmagic-empty"
            )
            self._choose()
