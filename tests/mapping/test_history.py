from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parmagic.mapping.history import Origin, find_unfinished, jobs, remember
from parmagic.mapping.resume import ResumeError


def job(what: str, *, succeeded: bool, origin: Origin | None = None, done: bool = True) -> Any:
    return SimpleNamespace(what=what, succeeded=succeeded, origin=origin, done=lambda: done)


CELL = Origin("1", "x", 0)


def remembered() -> list[str]:
    return [each.what for each in jobs]


def test_the_last_job_and_those_that_did_not_succeed_are_kept() -> None:
    for what in "abcd":
        remember(job(what, succeeded=what in "bd"))
    assert remembered() == ["a", "c", "d"]
    remember(job("e", succeeded=True))
    assert remembered() == ["a", "c", "e"]


def test_not_more_than_twenty_are_kept() -> None:
    for number in range(30):
        remember(job(str(number), succeeded=False))
    assert remembered() == [str(number) for number in range(10, 30)]


def test_a_job_that_took_over_all_of_another_stands_in_its_place() -> None:
    failed = job("x", succeeded=False)
    remember(failed)
    remember(job("x again", succeeded=False), instead_of=failed)
    assert remembered() == ["x again"]


@pytest.mark.parametrize(("origin", "kept"), [(CELL, []), (None, ["x"])])
def test_what_a_cell_left_is_let_go_when_the_cell_has_succeeded(
    origin: Origin | None, kept: list[str]
) -> None:
    remember(job("x", succeeded=False, origin=origin))
    remember(job("x", succeeded=True, origin=origin))
    remember(job("y", succeeded=True))
    assert remembered() == [*kept, "y"]


def test_of_a_cell_that_fails_again_and_again_the_newest_are_kept() -> None:
    for number in range(9):
        remember(job(f"x{number}", succeeded=False, origin=CELL))
        remember(job(f"y{number}", succeeded=False))
    assert [what for what in remembered() if what.startswith("x")] == ["x6", "x7", "x8"]
    assert len(jobs) == 12


def failed(what: str, cell: str | None = None, turn: int = 0) -> Any:
    return job(what, succeeded=False, origin=Origin(cell, what, turn))


def good(what: str, cell: str | None = None, turn: int = 0) -> Any:
    return job(what, succeeded=True, origin=Origin(cell, what, turn))


@pytest.mark.parametrize(
    ("before", "what", "cell", "found"),
    [
        ([], "x", None, None),
        ([failed("x"), failed("x")], "x", None, 1),
        ([failed("x"), failed("y")], "x", None, 0),
        ([failed("x"), good("x")], "x", None, None),
        ([failed("x", "1"), failed("x", "2")], "x", "1", 0),
        ([failed("x", "1"), failed("x", "2")], "x", "3", 1),
        ([failed("y", "1"), failed("x", "2")], "x", "1", 0),
        ([failed("x", "1", turn=0), failed("y", "1", turn=1)], "x", "1", 0),
    ],
)
def test_the_job_to_resume_is_the_newest_unfinished_one_of_the_cell_or_of_the_header(
    before: list[Any], what: str, cell: str | None, found: int | None
) -> None:
    for each in before:
        remember(each)
    assert find_unfinished(what, Origin(cell, what, 0)) is (
        None if found is None else before[found]
    )


@pytest.mark.parametrize("cell", ["1", None])
def test_a_turn_that_went_well_is_not_taken_for_one_that_failed(cell: str | None) -> None:
    remember(good("x", cell, turn=0))
    last = failed("x", cell, turn=1)
    remember(last)
    assert find_unfinished("x", Origin(cell, "x", 0)) is None
    assert find_unfinished("x", Origin(cell, "x", 1)) is last


def test_a_job_that_still_runs_is_none_to_resume() -> None:
    before = failed("x")
    remember(before)
    remember(job("x", succeeded=False, origin=before.origin, done=False))
    with pytest.raises(ResumeError, match="still runs"):
        find_unfinished("x", before.origin)


FAILED = {"succeeded": False}


@pytest.mark.parametrize(
    ("before", "found"),
    [([job("x", **FAILED)], 0), ([job("x", **FAILED), job("y", succeeded=True)], None)],
)
def test_in_a_script_it_is_the_last_job(before: list[Any], found: int | None) -> None:
    jobs.extend(before)
    assert find_unfinished("x", None) is (None if found is None else before[found])


@pytest.mark.parametrize("origin", [None, Origin("2", "x", 0)])
def test_another_unfinished_job_that_may_be_meant_is_named(origin: Origin | None) -> None:
    jobs.append(job("y", **FAILED))
    with pytest.raises(ResumeError, match="no unfinished job over 'x': the last one is over 'y'"):
        find_unfinished("x", origin)
