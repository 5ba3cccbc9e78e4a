from __future__ import annotations

import pytest

from parmagic.mapping.outcomes import Outcomes

ERROR, OTHER = ValueError("one"), ValueError("other")


@pytest.mark.parametrize("length", [5, None, 3, 9])
def test_values_and_errors_stand_in_their_places(length: int | None) -> None:
    outcomes = Outcomes(length)
    outcomes.record(3, ["d", "e"])
    outcomes.fail(1, ERROR, object(), "item")
    outcomes.record(0, ["a"])
    outcomes.record(2, [None])
    assert outcomes.with_errors() == ["a", ERROR, None, "d", "e"]
    assert (outcomes.done, outcomes.finished) == (4, 5)


def test_an_item_that_failed_is_kept_for_another_try() -> None:
    outcomes = Outcomes(2)
    outcomes.fail(1, ERROR, "item", "'item'")
    assert (outcomes.items, outcomes.failed_items) == ({1: "item"}, {1: "'item'"})


def test_values_and_gaps_are_found_side_by_side() -> None:
    outcomes = Outcomes(None)
    outcomes.record(1, ["b", "c"])
    outcomes.fail(3, ERROR, object(), "item")
    outcomes.record(5, ["f"])
    assert list(outcomes.runs()) == [(1, ["b", "c"]), (5, ["f"])]
    assert list(outcomes.pending_runs(0, 8)) == [range(1), range(3, 5), range(6, 8)]


def test_what_has_a_value_is_noted_elsewhere_too() -> None:
    noted: list[tuple[int, list[str]]] = []
    outcomes = Outcomes(3)
    outcomes.note = lambda first, values: noted.append((first, list(values)))
    outcomes.record(1, ["b", "c"])
    outcomes.record(0, [])
    assert noted == [(1, ["b", "c"])]


def test_the_first_error_is_that_of_the_first_item() -> None:
    outcomes = Outcomes(None)
    assert outcomes.first_error is None
    outcomes.fail(5, OTHER, 5, "5")
    outcomes.fail(2, ERROR, 2, "2")
    assert outcomes.first_error is ERROR


def test_those_that_have_not_run_are_pending() -> None:
    outcomes = Outcomes(5)
    outcomes.record(1, [None])
    outcomes.fail(3, ERROR, object(), "item")
    assert outcomes.pending() == [0, 2, 4]
    assert repr(outcomes.values[0]) == "<pending>"


def test_the_first_values_end_where_one_is_missing() -> None:
    outcomes = Outcomes(4)
    outcomes.record(0, [1, 2])
    outcomes.record(3, [4])
    assert list(outcomes.first_values()) == [1, 2]


def test_what_a_user_knows_as_the_value_may_be_made_of_what_was_returned() -> None:
    outcomes = Outcomes(3)
    outcomes.value_of = str
    outcomes.record(0, [1])
    assert list(outcomes.first_values()) == ["1"]
    outcomes.record(2, [3])
    outcomes.fail(1, ERROR, "b", "'b'")
    assert outcomes.with_errors() == ["1", ERROR, "3"]
    assert outcomes.returned() == [1, 3]
