from __future__ import annotations

import pdb
import traceback
from collections.abc import Callable

import pytest

import parmagic
from parmagic.worker.errors import DebuggerError


def breaks(item: int) -> int:
    breakpoint()
    return item


def sets_trace(item: int) -> int:
    pdb.set_trace()
    return item


async def breaks_while_others_wait(item: int) -> int:
    breakpoint()
    return item


ALL = [breaks, sets_trace, breaks_while_others_wait]


@pytest.mark.parametrize("fn", ALL)
def test_a_debugger_in_an_item_is_an_error_that_says_where_it_works(
    fn: Callable[[int], object],
) -> None:
    with pytest.raises(DebuggerError, match=r"no keyboard.*--serial.*%pardebug") as raised:
        parmagic.map(fn, [1, 2])
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == fn.__name__
    assert any("in item" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("fn", ALL)
def test_it_stands_in_a_list_of_results(fn: Callable[[int], object]) -> None:
    errors = parmagic.map(fn, [1, 2], return_exceptions=True)
    assert [type(error) for error in errors] == [DebuggerError, DebuggerError]


def test_breakpoints_that_are_switched_off_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert parmagic.map(breaks, [1, 2]) == [1, 2]
