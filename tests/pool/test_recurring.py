from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from parmagic.pool.broadcast import broadcasts
from parmagic.pool.recurring import Recurring
from parmagic.worker.memory import Found, memory

pytestmark = pytest.mark.usefixtures("nothing_held")


@pytest.fixture
def recurring() -> Iterator[Recurring]:
    yield (made := Recurring())
    made.close()
    broadcasts.clear()


def place(recurring: Recurring, value: object) -> Found | None:
    """Ask as the payload of one item does, and let go again."""
    used: set[object] = set()
    found = recurring.place(memoryview(value), used)  # type: ignore[arg-type]
    memory.release(*used)  # type: ignore[arg-type]
    return found


def test_an_array_is_copied_for_the_first_item_only(recurring: Recurring) -> None:
    array = np.zeros(1 << 18)
    first = place(recurring, array)
    array[0] = 1
    assert first is not None
    assert place(recurring, array) == first
    other = place(recurring, array.copy())  # another one is compared, and differs
    assert other is not None
    assert other.segment is not first.segment


def test_what_is_gone_is_held_no_longer(recurring: Recurring) -> None:
    array = np.zeros(1 << 18)
    found = place(recurring, array)
    assert found is not None
    assert memory.holds(found.segment) == 2  # the other one is that of the broadcasts
    del array
    place(recurring, np.ones(10))
    assert memory.holds(found.segment) == 1


def test_bytes_are_compared_for_each_item(recurring: Recurring) -> None:
    block = bytearray(1 << 20)
    first = place(recurring, block)
    block[0] = 1
    second = place(recurring, block)
    assert first is not None
    assert second is not None
    assert bytes(broadcasts._kept[-1].segment.read(0, 1)) == b"\1"


def test_small_ones_have_no_place(recurring: Recurring) -> None:
    assert place(recurring, np.zeros(10)) is None
