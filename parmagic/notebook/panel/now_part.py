"""The part of a panel that shows what runs: workers, failures, output, timeline."""

from __future__ import annotations

from parmagic.notebook.panel import lanes_html
from parmagic.notebook.panel.controls import Thinned, column, show, shown
from parmagic.notebook.panel.model import PanelModel
from parmagic.report import failures, output_html, timeline

_OUTPUT_BYTES = 200_000
_IMAGE_BYTES = 2_000_000


class NowPart:
    """What the newest job does."""

    def __init__(self, model: PanelModel) -> None:
        self._model = model
        self._lanes = shown("parmagic-scroll")
        self._failures = shown()
        self._output = shown("parmagic-scroll")
        self._output_head = shown()
        self._timeline = shown()
        self._output_changes = -1
        self._job: object = None
        self._draw_output_now = Thinned(self._draw_output, 0.5)
        self._draw_details_now = Thinned(self._draw_details, 1.0)
        self.widget = column(
            self._lanes, self._failures, self._output_head, self._output, self._timeline
        )

    def refresh(self) -> None:
        """Show what is new."""
        newest = self._model.newest
        job = None if newest is None else (newest.number, newest.job is None)
        is_other, self._job = job != self._job, job
        show(self._lanes, lanes_html.render(self._model.crew()))
        if is_other or self._model.running:
            self._draw_output_now(now=is_other)
            self._draw_details_now(now=is_other)

    def _draw_output(self) -> None:
        changes = self._model.output_changes
        if changes != self._output_changes or not changes:
            self._output_changes = changes
            outputs = self._model.outputs()
            html = output_html.render(outputs, nbytes=_OUTPUT_BYTES, image_bytes=_IMAGE_BYTES)
            more = self._model.outputs_count - len(outputs)
            head = f"Output of the last {len(outputs)} items" if more > 0 else "Output"
            show(self._output_head, f"<h4>{head}</h4>" if outputs else "")
            show(self._output, html if outputs else "")

    def _draw_details(self) -> None:
        newest = self._model.newest
        report = None if newest is None else newest.report()
        failed = "" if report is None else failures.render(report)
        drawn = "" if report is None else timeline.render(report)
        show(self._failures, f"<h4>Failures</h4>{failed}" if failed else "")
        show(self._timeline, f"<h4>Timeline</h4>{drawn}" if drawn else "")
