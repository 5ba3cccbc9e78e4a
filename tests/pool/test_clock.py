from __future__ import annotations

import time
from typing import Any

import pytest

import parmagic


@pytest.mark.parametrize("timeout", [1e-9, 1e-6, 1e-3])
def test_a_very_short_time_is_over_at_once(timeout: float) -> None:
    late: Any = parmagic.map(time.sleep, [100, 100], timeout=timeout, return_exceptions=True)
    assert [type(error) for error in late] == [TimeoutError, TimeoutError]
    assert parmagic.map(abs, [-1]) == [1]
