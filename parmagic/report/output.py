"""What items have printed and displayed, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["stdout", "stderr", "warning", "display"]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that an item has written, or displayed, in one piece.

    Attributes
    ----------
    text
        As it was written; of a display, what stands for it where there is only text.
    bundle
        What was displayed: MIME types and their data, as Jupyter's messages have them
        (images as base64). Empty for what is only text.
    metadata
        What those messages say of the data, by MIME type, such as the width of an image.
    count
        How often an identical warning came, in all items together.
    """

    kind: Kind
    text: str
    bundle: Mapping[str, Any] | None = None
    count: int = 1
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ItemOutput:
    """All that one item has printed and displayed, in the order in which it did.

    Attributes
    ----------
    index
        Of the item; negative for what was printed between the items.
    item
        Its short repr; empty where that is not known.
    left_out
        How many characters were left out, because there were too many.
    """

    index: int
    item: str
    parts: tuple[Part, ...]
    left_out: int = 0
