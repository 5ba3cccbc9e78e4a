"""Show what is printed and displayed in workers, as it comes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from parmagic.worker.capture import Output

Bundle = Mapping[str, Any]


def print_text(bundle: Bundle, update: bool) -> None:
    """Print the text that stands for a display."""
    if not update:
        _write(sys.stdout, f"{bundle['data'].get('text/plain', '')}\n")


#: Whether a flood is cut in the workers: no browser survives a million lines.
bounded = False
#: How a display is shown; its text is printed where there is no notebook.
show_display: Callable[[Bundle, bool], None] = print_text


def show(output: Output) -> None:
    """Write the pieces to this process's own streams, in the order in which they came."""
    for _, kind, content in output:
        match kind:
            case "stdout":
                _write(sys.stdout, content)
            case "stderr" | "warning":
                _write(sys.stderr, content)
            case "display" | "update":
                show_display(content, kind == "update")
            case "left_out":
                _write(sys.stderr, f"\n... {content:,} characters left out ...\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # as under pythonw, where print does nothing either
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def show_safely(output: Output) -> None:
    """Do `show` in the dispatcher's thread, where a closed or odd stream must do no harm."""
    with contextlib.suppress(Exception):
        show(output)
