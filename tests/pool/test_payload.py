from __future__ import annotations

import linecache
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from parmagic import PayloadError
from parmagic.pool.broadcast import broadcasts
from parmagic.pool.payload import Payload
from parmagic.worker.memory import memory
from parmagic.worker.parcel import unwrap
from parmagic.worker.segment import Segment
from parmagic.worker.surroundings import Surroundings


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A function of a notebook's cell, by its file name."""
    name = "<ipython-input-3-abc>"
    monkeypatch.setitem(linecache.cache, name, (9, None, ["def fn(x):\n", "    return x\n"], name))
    monkeypatch.setitem(linecache.cache, "<other>", (1, None, ["1\n"], "<other>"))
    return name


pytestmark = pytest.mark.usefixtures("nothing_held")


def payload(fn: object) -> Payload:
    made = Payload.of(fn, star=False, keep_going=True)  # type: ignore[arg-type]
    made.close()
    broadcasts.clear()
    return made


def test_each_job_has_a_number_of_its_own() -> None:
    assert len({payload(abs).job for _ in range(5)}) == 5


def test_it_says_how_to_call_and_where() -> None:
    load = payload(abs).load
    assert (load.star, load.keep_going) == (False, True)
    assert load.surroundings == Surroundings.here()


def test_the_cells_of_the_function_come_along_and_no_others(cell: str) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile("def fn(x):\n    return x\n", cell, "exec"), names)
    assert payload(names["fn"]).load.sources == {cell: "def fn(x):\n    return x\n"}
    assert payload(abs).load.sources == {}


@pytest.mark.parametrize(("size", "large"), [(10, False), (1_000_000, True)])
def test_what_is_large_is_freed_at_once(size: int, large: bool) -> None:
    array = np.zeros(size)
    assert payload(lambda: array).large == large


def test_what_cannot_be_pickled_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(PayloadError, match="it uses 'lock'"):
        payload(lambda: lock)


def test_what_it_captured_is_held_until_it_is_closed() -> None:
    array = np.arange(10_000.0)  # too few to be kept for other jobs
    big = np.arange(30_000.0)
    made = Payload.of(lambda: (array, big), star=False, keep_going=True)
    (segment,) = made.shipment.segments
    assert memory.holds(segment) == 1
    one, other = unwrap(made.load.parcel, made.shipment.segments)()
    np.testing.assert_equal([one, other], [array, big])
    del one, other
    made.close()
    made.close()
    assert memory.holds(segment) == 0


@pytest.mark.parametrize("count", [300_000, 3_000_000])
def test_what_is_large_stays_for_the_next_job(count: int) -> None:
    array = np.arange(float(count))
    segments: set[Segment] = set()
    for _ in range(3):
        made = Payload.of(lambda: array, star=False, keep_going=True)
        segments.update(made.shipment.segments)
        made.close()
    assert len(segments) == 1
    assert memory.holds(*segments) == 1
    broadcasts.clear()


def test_what_cannot_be_pickled_holds_nothing() -> None:
    array, lock = np.zeros(300_000), threading.Lock()
    with pytest.raises(PayloadError):
        payload(lambda: (array, lock))
    assert broadcasts.kept_bytes == 0
