"""Show what the items print."""

from __future__ import annotations

import sys

from parmagic.worker.capture import Output


def show(output: Output) -> None:
    """Write the pieces to this process's own streams, in the order in which they came."""
    for _, stream, text in output:
        target = sys.stdout if stream == "stdout" else sys.stderr
        target.write(text)
