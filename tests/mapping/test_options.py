from __future__ import annotations

from typing import Any

import pytest

from parmagic.mapping.options import Options


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"chunksize": -1}, "chunksize must be 1 or more, not -1"),
        ({"retries": -1}, "retries must be 0 or more, not -1"),
        ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
        ({"timeout": float("nan")}, "timeout must be more than 0 seconds, not nan"),
        ({"timeout": 1, "serial": True}, "timeout needs worker processes"),
    ],
)
def test_what_makes_no_sense_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**wrong)
