from __future__ import annotations

import os
import time
import weakref
from typing import Any

import pytest
from support import wait_until

import parmagic
from parmagic.pool.default import default_pool


@pytest.mark.parametrize("timeout", [1e-9, 1e-6, 1e-3])
def test_a_very_short_time_is_over_at_once(timeout: float) -> None:
    late: Any = parmagic.map(time.sleep, [100, 100], timeout=timeout, return_exceptions=True)
    assert [type(error) for error in late] == [TimeoutError, TimeoutError]
    assert parmagic.map(abs, [-1]) == [1]


def test_the_clock_of_a_dead_worker_stops() -> None:
    parmagic.map(abs, [-1], workers=1)
    dead = weakref.ref(default_pool().dispatcher._crew.workers[0])
    parmagic.map(os._exit, [3], timeout=0.1, return_exceptions=True)
    assert wait_until(lambda: dead() is None)
