"""What became of one item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item.

    Attributes
    ----------
    item
        None where its iterable gives each item once, and it was no plain value.
    value, error
        One of them, or neither if the item has not run to its end.
    output
        What it has printed and displayed, as text.
    seconds
        How long it took; None where many short items were timed together.
    worker
        The number of the worker that ran it; None if an earlier job did, 0 for the kernel.
    """

    index: int
    item: Any
    value: Any = None
    error: BaseException | None = None
    output: str = ""
    seconds: float | None = None
    worker: int | None = None
