"""An amount of memory, as people write it."""

from __future__ import annotations

import re
from typing import Any

from traitlets import TraitType

_TEXT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<prefix>[kmgt]?)i?b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class MemorySize(TraitType[Any, Any]):
    """A trait in bytes, which takes ``"500 MB"`` and ``"1.5 GiB"`` too, or None.

    A kilobyte has 1,024 bytes, with or without the ``i``.
    """

    info_text = 'a number of bytes, such as 2_000_000_000 or "2 GB"'

    def validate(self, owner: Any, value: Any) -> int | None:
        """Return the number of bytes."""
        if value is None:
            return None
        nbytes = _from_text(value) if isinstance(value, str) else value
        if not isinstance(nbytes, int | float) or isinstance(nbytes, bool) or not nbytes >= 1:
            self.error(owner, value)
        return int(nbytes)


def _from_text(text: str) -> float | None:
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    return float(match["number"]) * float(1024 ** _POWERS[match["prefix"].lower()])
