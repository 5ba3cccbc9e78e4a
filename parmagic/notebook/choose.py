"""Choose where a shell shows its jobs."""

from __future__ import annotations

import os
import sys
from typing import Any

from parmagic.notebook.notebook_surface import NotebookSurface
from parmagic.notebook.plain_surface import PlainSurface
from parmagic.notebook.static_surface import StaticSurface
from parmagic.notebook.surface import Surface


def surface_for(
    shell: Any, live: bool | None, *, quiet: bool = False, background: bool = False
) -> Surface:
    """Return where ``shell`` shows a job.

    Parameters
    ----------
    live
        Overrides what we find.
    quiet
        Whether there is to be no line.
    background
        Whether the user goes on meanwhile: then no terminal's line is written over.
    """
    if hasattr(shell, "kernel"):
        return (NotebookSurface if someone_looks(live) else StaticSurface)(line=not quiet)
    on_terminal = sys.stderr.isatty() if live is None else live
    return _on_terminal() if on_terminal and not (quiet or background) else PlainSurface()


def _on_terminal() -> Surface:
    from parmagic.notebook.terminal_surface import TerminalSurface  # tqdm, 30 ms

    return TerminalSurface()


def someone_looks(live: bool | None) -> bool:
    """Tell whether a front end looks on; ``live`` overrides what we find."""
    if live is not None:
        return live
    # Jupyter's server names the session of a kernel that a front end has started.
    wanted = os.environ.get("PARMAGIC_LIVE", "")
    return wanted == "1" if wanted else "JPY_SESSION_NAME" in os.environ
