"""A descriptor in reserve, for the imports of the first failure: items may have taken the rest."""

from __future__ import annotations

import os
from contextlib import suppress

_descriptor: int | None = None


def keep() -> None:
    """Keep a descriptor until the first failure."""
    global _descriptor
    with suppress(OSError):
        _descriptor = os.open(os.devnull, os.O_RDONLY)


def give_up() -> None:
    """Let others have it."""
    global _descriptor
    if _descriptor is not None:
        with suppress(OSError):  # an item has closed all
            os.close(_descriptor)
        _descriptor = None
