"""Show what is printed and displayed in workers, as it comes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from parmagic.worker.capture import Output

Bundle = Mapping[str, Any]


def print_text(bundle: Bundle, update: bool) -> None:
    """Print the text that stands for a display."""
    if not update:
        sys.stdout.write(f"{bundle['data'].get('text/plain', '')}\n")


#: Whether a flood is cut in the workers: no browser survives a million lines.
bounded = False
#: How a display is shown; its text is printed where there is no notebook.
show_display: Callable[[Bundle, bool], None] = print_text


def show(output: Output) -> None:
    """Write the pieces to this process's own streams, in the order in which they came."""
    for _, kind, content in output:
        match kind:
            case "stdout":
                sys.stdout.write(content)
            case "stderr" | "warning":
                sys.stderr.write(content)
            case "display" | "update":
                show_display(content, kind == "update")
            case "left_out":
                sys.stderr.write(f"\n... {content:,} characters left out ...\n")


def show_safely(output: Output) -> None:
    """Do `show` in the dispatcher's thread, where a closed or odd stream must do no harm."""
    with contextlib.suppress(Exception):
        show(output)
