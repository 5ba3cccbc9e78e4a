from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from parmagic.worker import items
from parmagic.worker.board import ITEM
from parmagic.worker.cancel import Cancelled
from parmagic.worker.failure import unpack
from parmagic.worker.items import CLOCKED_ITEMS, ItemRun
from parmagic.worker.messages import UNREADABLE, Run
from parmagic.worker.parcel import Parcel
from parmagic.worker.values import dump_values

FIRST = 100
CELLS = memoryview(array("q", [0] * 8))


def item_run(length: int, *, keep_going: bool = False, seconds: float = float("inf")) -> ItemRun:
    return ItemRun(Run(1, 1, FIRST, length, Parcel(), seconds), CELLS, keep_going=keep_going)


def walked(call: Callable[[Any], Any], items: Sequence[Any], **options: Any) -> ItemRun:
    run = item_run(len(items), **options)
    run.walk(call, items)
    return run


def failures(run: ItemRun) -> list[tuple[int, type]]:
    return [(index, type(unpack(failure))) for index, failure in run.failures]


def raising(error: BaseException) -> Callable[[Any], Any]:
    def fn(item: int) -> int:
        if item == 2:
            raise error
        return item

    return fn


LENGTHS = [4, CLOCKED_ITEMS, CLOCKED_ITEMS + 1]


@pytest.mark.parametrize("length", [0, 1, *LENGTHS])
def test_values_are_in_the_order_of_the_items(length: int) -> None:
    assert walked(operator.neg, range(length)).values == [-item for item in range(length)]


@pytest.mark.parametrize("length", LENGTHS)
def test_the_clock_is_read_for_each_item_or_once(length: int) -> None:
    clocked = length if length <= CLOCKED_ITEMS else 1
    assert len(walked(operator.neg, range(length)).seconds) == clocked


@pytest.mark.parametrize("length", LENGTHS)
def test_the_board_names_the_item_that_runs(length: int) -> None:
    run = walked(lambda _: CELLS[ITEM], range(length))
    assert run.values == list(range(FIRST, FIRST + length))


@pytest.mark.parametrize("kind", [ValueError, StopIteration, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("length", LENGTHS)
def test_the_first_failure_ends_the_walk(length: int, kind: type[BaseException]) -> None:
    run = walked(raising(kind()), range(length))
    assert run.values == [0, 1, None]
    assert failures(run) == [(2, kind)]


@pytest.mark.parametrize("kind", [ValueError, StopIteration, GeneratorExit])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_failure_is_noted_and_the_others_go_on(length: int, kind: type[BaseException]) -> None:
    run = walked(raising(kind()), range(length), keep_going=True)
    assert run.values == [0, 1, None, *range(3, length)]
    assert failures(run) == [(2, kind)]


@pytest.mark.parametrize("keep_going", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_what_finished_before_a_cancellation_stays(length: int, keep_going: bool) -> None:
    run = item_run(length, keep_going=keep_going)
    call = raising(Cancelled())

    def stopped(item: int) -> int:
        if item == 2:
            run.stop()
        return call(item)

    run.walk(stopped, range(length))
    run.settle()
    assert (run.values, run.failures) == ([0, 1], [])


@pytest.mark.parametrize("made", [None, ValueError("made of it")])
def test_what_an_item_makes_of_its_cancellation_is_no_outcome(made: Exception | None) -> None:
    run = item_run(5, keep_going=True)
    begun = []

    def stopped(item: int) -> int:
        begun.append(item)
        if item == 2:
            run.stop()
            if made is not None:
                raise made
        return item

    run.walk(stopped, range(5))
    run.settle()
    assert (run.values, run.failures, begun) == ([0, 1], [], [0, 1, 2])


def test_a_cancelled_of_its_own_is_the_failure_of_an_item() -> None:
    run = walked(raising(Cancelled()), range(4))
    assert failures(run) == [(2, Cancelled)]


def test_past_its_time_a_chunk_ends_between_two_items() -> None:
    assert walked(operator.neg, range(5), seconds=0).values == [0]


@pytest.mark.parametrize("length", LENGTHS)
def test_something_can_be_done_after_each_item(length: int) -> None:
    run, after = item_run(length, keep_going=True), []
    run.watch(lambda: after.append(CELLS[ITEM] - FIRST))
    run.walk(raising(ValueError()), range(length))
    assert after == list(range(length))
    assert len(run.seconds) == (length if length <= CLOCKED_ITEMS else 1)


def test_also_from_an_item_of_a_chunk_on() -> None:
    run, after = item_run(4), []

    def fn(item: int) -> None:
        if item == 1:
            run.watch(lambda: after.append(CELLS[ITEM] - FIRST))

    run.walk(fn, range(4))
    assert after == [1, 2, 3]


def test_what_is_done_after_an_item_is_on_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(items, "perf_counter", lambda: float(next(clock)))
    run = item_run(3)
    run.watch(lambda: [next(clock) for _ in range(10)])
    run.walk(operator.neg, range(3))
    assert run.seconds == [12.0] * 3


@pytest.mark.parametrize(("keep_going", "failed"), [(False, [0]), (True, [0, 1, 2])])
def test_without_a_function_the_first_item_fails_or_all(keep_going: bool, failed: list) -> None:
    run = item_run(3, keep_going=keep_going)
    run.fail_all(ImportError("no module"))
    assert run.values == [None] * len(failed)
    assert failures(run) == [(index, ImportError) for index in failed]


def test_items_that_cannot_be_read_fail_as_a_chunk() -> None:
    run = item_run(3)
    run.refuse(ImportError("no module"))
    assert run.values == []
    assert failures(run) == [(UNREADABLE, ImportError)]


class Unpicklable:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [TypeError("no"), SystemExit(1)])
@pytest.mark.parametrize(
    ("keep_going", "values", "failed"),
    [(False, [0, None], [1]), (True, [0, None, 2, None], [1, 3])],
)
def test_a_value_that_cannot_be_sent_is_the_failure_of_its_item(
    error: BaseException, keep_going: bool, values: list, failed: list[int]
) -> None:
    items = [0, Unpicklable(error), 2, Unpicklable(error)]
    run = walked(lambda item: item, items, keep_going=keep_going)
    dump_values(run, FIRST)
    assert run.values == values
    assert [index for index, _ in run.failures] == failed
    assert "the result of item 101" in str(unpack(run.failures[0][1]))
