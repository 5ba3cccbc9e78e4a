"""Objects that stay where they are: whoever runs the items is in the notebook's own process."""

from __future__ import annotations

from typing import Any, NamedTuple


class Direct(NamedTuple):
    """Stand for a `Parcel` of which nothing has to be pickled."""

    value: Any
    trouble: str = ""
    nbytes: int = 0
