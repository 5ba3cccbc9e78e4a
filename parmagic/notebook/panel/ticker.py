"""One thread that repaints the panels in turn, as long as there are any."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

# Of all panels together: a page stays quick at many more, and nobody reads them.
BUSY_SECONDS = 0.33
IDLE_SECONDS = 1.0

_log = logging.getLogger("parmagic")


class Repainted(Protocol):
    """What is repainted."""

    def refresh(self) -> bool:
        """Show what is new; tell whether something moves."""


class Ticker:
    """Call ``refresh`` of one after the other, three times a second while something moves.

    The thread is there from the first `add` to the last `remove`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repainted: list[Repainted] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, repainted: Repainted) -> None:
        """Repaint it from now on."""
        with self._lock:
            self._repainted.append(repainted)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="parmagic-panel", daemon=True
                )
                self._thread.start()
        self._wake.set()

    def remove(self, repainted: Repainted) -> None:
        """Repaint it no more; after the last one the thread ends."""
        with self._lock:
            if repainted in self._repainted:
                self._repainted.remove(repainted)
        self._wake.set()

    def wake(self) -> None:
        """Repaint soon: something has been done."""
        self._wake.set()

    def _run(self) -> None:
        moves = True
        while (repainted := self._next()) is not None:
            moves = self._refresh(repainted) or (moves and len(self._repainted) > 1)
            self._wake.wait(BUSY_SECONDS if moves else IDLE_SECONDS)
            self._wake.clear()

    def _refresh(self, repainted: Repainted) -> bool:
        try:
            return repainted.refresh()
        except Exception:  # it would come again and again; the other panels go on
            self.remove(repainted)
            _log.exception("the panel shows nothing new any more: run its cell again")
            return False

    def _next(self) -> Repainted | None:
        with self._lock:
            if not self._repainted:
                self._thread = None
                return None
            first = self._repainted.pop(0)
            self._repainted.append(first)
            return first
