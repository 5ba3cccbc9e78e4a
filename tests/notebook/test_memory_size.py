from __future__ import annotations

from typing import Any

import pytest
from traitlets import HasTraits, TraitError

from parmagic.notebook.memory_size import MemorySize


class Limited(HasTraits):
    limit = MemorySize(None, allow_none=True)


@pytest.mark.parametrize(
    ("written", "nbytes"),
    [
        (None, None),
        (1000, 1000),
        (2e9, 2_000_000_000),
        ("1000", 1000),
        ("2 GB", 2 * 1024**3),
        ("2gb", 2 * 1024**3),
        ("1.5 GiB", 3 * 1024**3 // 2),
        ("500 M", 500 * 1024**2),
        ("64k", 64 * 1024),
        ("1 TB", 1024**4),
    ],
)
def test_a_size_is_written_as_people_do(written: Any, nbytes: int | None) -> None:
    assert Limited(limit=written).limit == nbytes


@pytest.mark.parametrize("wrong", ["lots", "2 GBytes", "-1 GB", "", 0, -1, True, [1], float("nan")])
def test_what_is_no_size_is_refused(wrong: Any) -> None:
    with pytest.raises(TraitError, match="a number of bytes, such as"):
        Limited(limit=wrong)
