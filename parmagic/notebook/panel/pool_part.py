"""The part of a panel that shows the pool, and changes it."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import Dropdown

from parmagic.notebook.panel import pool_html
from parmagic.notebook.panel.controls import button, column, offer, row, show, shown
from parmagic.notebook.panel.crew_now import CrewNow
from parmagic.notebook.panel.model import PanelModel


class PoolPart:
    """The workers as a table, and what can be done to them."""

    def __init__(self, model: PanelModel, changed: Callable[[], None]) -> None:
        self._model = model
        self._changed = changed
        self._table = shown("parmagic-scroll")
        self._where = shown("parmagic-quiet")
        self._add = self._button("Add a worker", "Have one more", model.pool.add_worker, "plus")
        self._remove = self._button(
            "Remove a worker", "Have one less, which ends after what it runs",
            model.pool.remove_worker, "minus",
        )  # fmt: skip
        self._all = self._button(
            "Restart all", "Replace all workers; what they run is run again",
            model.pool.restart_all, "refresh",
        )  # fmt: skip
        self._stop = self._button(
            "Stop the pool", "End all workers, and what they run; the next job starts new ones",
            model.pool.stop, "power-off",
        )  # fmt: skip
        self._worker = Dropdown(description="Worker", tooltip="The worker to restart")
        self._worker.add_class("parmagic-field")
        self._restart = self._button(
            "Restart this worker", "Replace it; what it runs is run again",
            self._restart_one, "refresh",
        )  # fmt: skip
        self._start_up = shown()
        self.widget = column(
            self._where,
            self._table,
            row(self._add, self._remove, self._all, self._stop, classes=["parmagic-buttons"]),
            row(self._worker, self._restart, classes=["parmagic-fields", "parmagic-short"]),
            self._start_up,
        )

    def _button(self, label: str, tooltip: str, action: Callable[[], None], icon: str) -> object:
        def click() -> None:
            action()
            self._changed()

        return button(label, tooltip, click, icon=icon)

    def _restart_one(self) -> None:
        if self._worker.value is not None:
            self._model.pool.restart_worker(self._worker.value)

    def refresh(self) -> None:
        """Show the workers as they are."""
        crew = self._model.crew()
        show(self._table, pool_html.render(crew))
        show(self._where, pool_html.where(crew))
        show(self._start_up, pool_html.start_up(crew))
        self._offer_workers(crew)
        for each in (self._all, self._stop, self._restart):
            each.disabled = not crew.workers  # type: ignore[attr-defined]
        self._remove.disabled = crew.size < 2  # type: ignore[attr-defined]

    def _offer_workers(self, crew: CrewNow) -> None:
        offered = [(str(each.number), each.number) for each in crew.workers]
        if list(self._worker.options) != offered:
            offer(self._worker, offered)
