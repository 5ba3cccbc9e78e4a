"""A Stop button that works while its cell runs.

Where its clicks would wait for the end of the cell, it is not drawn. Interrupt works always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parmagic.notebook.bundles import NOTHING
from parmagic.notebook.spot import Spot
from parmagic.notebook.subshell import answer_at_once


class StopButton:
    """A button that calls ``stop``, in another thread, once."""

    def __init__(self, shell: Any, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._spot = Spot()
        self._button = _button(shell, self._clicked)

    def show(self) -> None:
        """Draw it, if its clicks arrive."""
        if self._button is not None and not self._spot.is_taken:
            self._spot.show(_bundle(self._button))

    def vanish(self) -> None:
        """Leave nothing behind: a saved widget would say that its model is not found."""
        if self._spot.is_taken:
            self._spot.show(NOTHING)
        if self._button is not None:
            self._button.close()
            self._button = None
            self._stop = _nothing  # a closed widget waits for the garbage collector, a job may not

    def _clicked(self, button: Any) -> None:
        button.disabled = True
        button.description = "Stopping"
        self._stop()


def _nothing() -> None:
    pass


def _button(shell: Any, clicked: Callable[[Any], None]) -> Any:
    if not hasattr(shell, "kernel"):
        return None
    try:
        from ipywidgets import Button
    except ImportError:
        return None
    button = Button(description="Stop", tooltip="Stop, and keep what has finished", icon="stop")
    button.layout.width = "auto"
    button.on_click(clicked)
    if not answer_at_once(shell, button):
        button.close()
        return None
    return button


def _bundle(button: Any) -> dict[str, Any]:
    # Front ends without widgets show the empty text.
    view = {"version_major": 2, "version_minor": 0, "model_id": button.model_id}
    return {"application/vnd.jupyter.widget-view+json": view, **NOTHING}
