from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parmagic.mapping.history import find_unfinished, jobs, remember
from parmagic.mapping.resume import ResumeError


def job(what: str, *, succeeded: bool, origin: str | None = None, done: bool = True) -> Any:
    return SimpleNamespace(what=what, succeeded=succeeded, origin=origin, done=lambda: done)


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


@pytest.mark.parametrize(("origin", "kept"), [("cell", []), (None, ["x"])])
def test_what_a_cell_left_is_let_go_when_the_cell_has_succeeded(
    origin: str | None, kept: list[str]
) -> None:
    remember(job("x", succeeded=False, origin=origin))
    remember(job("x", succeeded=True, origin=origin))
    remember(job("y", succeeded=True))
    assert remembered() == [*kept, "y"]


FAILED = {"succeeded": False}


@pytest.mark.parametrize(
    ("before", "what", "origin", "found"),
    [
        ([], "x", None, None),
        ([job("x", **FAILED), job("x", **FAILED)], "x", None, 1),
        ([job("x", **FAILED), job("y", **FAILED)], "x", None, 0),
        ([job("y", **FAILED), job("z", succeeded=True)], "x", None, None),
        ([job("x", **FAILED), job("x", **FAILED, done=False)], "x", None, 0),
        ([job("x", **FAILED), job("x", succeeded=True)], "x", None, None),
        ([job("x", **FAILED, origin="1"), job("x", **FAILED, origin="2")], "x", "1", 0),
        ([job("x", **FAILED, origin="1"), job("x", **FAILED, origin="2")], "x", "3", 1),
        ([job("y", **FAILED, origin="1"), job("x", **FAILED, origin="2")], "x", "1", 0),
    ],
)
def test_the_job_to_resume_is_the_newest_unfinished_one_of_the_cell_or_of_the_header(
    before: list[Any], what: str, origin: str | None, found: int | None
) -> None:
    jobs.extend(before)
    assert find_unfinished(what, origin) is (None if found is None else before[found])


def test_another_unfinished_job_that_may_be_meant_is_named() -> None:
    jobs.append(job("y", **FAILED))
    with pytest.raises(ResumeError, match="no unfinished job over 'x': the last one is over 'y'"):
        find_unfinished("x", None)
