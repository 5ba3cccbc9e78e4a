"""Which cell a job comes from, in a way that stays when its code is mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parmagic.mapping.history import Origin


class Origins:
    """Count the jobs of each run of a cell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._run: object = None
        self._turn = 0

    def next(self, header: str) -> Origin:
        """Return the origin of the next job; ``header`` is what follows ``for`` in its loop."""
        request = request_of(self._shell)
        # The number of the cell stays what it is where a front end keeps no history (nbval).
        run = request.get("header", {}).get("msg_id") or self._shell.execution_count
        self._turn = self._turn + 1 if run == self._run else 0
        self._run = run
        return Origin(cell_of(request), header, self._turn)


def request_of(shell: Any) -> Mapping[str, Any]:
    """Return the front end's message that asks for this run; empty in a terminal."""
    request: Mapping[str, Any] = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return request


def cell_of(request: Mapping[str, Any]) -> str | None:
    """Return the front end's name for the cell, or None where it gives none."""
    cell: str | None = request.get("metadata", {}).get("cellId")
    return cell
