from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from one_worker import OneWorker

from parmagic.worker import progress as module
from parmagic.worker.progress import progress

Told = list[tuple[float, float | None, str]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    heard: Told = []
    monkeypatch.setattr(module, "listener", lambda *content: heard.append(content))
    return heard


NUMBERS = [1, 0.5, True, np.int64(3), np.float32(0.5), Decimal("0.5"), Fraction(1, 2)]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_any_number_will_do_and_becomes_a_plain_one(told: Told, number: Any) -> None:
    progress(number, number, "text")
    assert told == [(float(number), float(number), "text")]
    assert {type(each) for each in told[0]} <= {int, float, str}


@pytest.mark.parametrize(
    "wrong", ["3", None, [1], 1j, object()], ids=lambda value: type(value).__name__
)
def test_what_is_no_number_is_refused(told: Told, wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a number as 'done', not"):
        progress(wrong)
    assert told == []


def test_the_total_is_a_number_or_unknown(told: Told) -> None:
    with pytest.raises(TypeError, match="takes a number as 'total', not 'str'"):
        progress(1, "all")
    progress(1)
    assert told == [(1, None, "")]


def test_without_a_listener_nothing_happens() -> None:
    assert module.listener is None
    progress(1, 2)


def test_the_kernel_hears_of_it_now_and_then_and_at_the_end(worker: OneWorker) -> None:
    def fn(x: int) -> float:
        import time

        begun = time.monotonic()
        for done in range(1, 20_001):
            progress(done, 20_000, f"item {x}")
        return time.monotonic() - begun

    ran = worker.run(fn, range(2))
    heard = ran.of("progress")
    assert heard[-1] == (1, (20_000, 20_000, "item 1"))
    assert (0, (20_000, 20_000, "item 0")) in heard
    # The first and the last word of each, and one each tenth of a second.
    assert len(heard) <= 4 + sum(ran.values) / 0.1
