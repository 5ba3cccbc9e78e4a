from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from parmagic.mapping.history import jobs, remember


def job(name: str, *, succeeded: bool) -> Any:
    return SimpleNamespace(name=name, succeeded=succeeded)


def test_the_last_job_and_those_that_did_not_succeed_are_kept() -> None:
    for name in "abcd":
        remember(job(name, succeeded=name in "bd"))
    assert [each.name for each in jobs] == ["a", "c", "d"]
    remember(job("e", succeeded=True))
    assert [each.name for each in jobs] == ["a", "c", "e"]


def test_not_more_than_twenty_are_kept() -> None:
    for number in range(30):
        remember(job(str(number), succeeded=False))
    assert [each.name for each in jobs] == [str(number) for number in range(10, 30)]
