from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import parmagic
from parmagic.mapping.arguments import remark_on_arguments


def add(x: int, y: int) -> int:
    return x + y


def length(pair: tuple[int, int]) -> int:
    return len(pair)


async def add_later(x: int, y: int) -> int:
    return x + y


FORGOTTEN = "the item is a tuple of 2: with --star (star=True) it is called as add(*item)"
# A function, an item, whether it is its arguments, and what there is to say of that.
CALLS: dict[str, tuple[Callable[..., Any], Any, bool, str]] = {
    "star forgotten": (add, (1, 2), False, FORGOTTEN),
    "a list": (add, [1, 2], False, FORGOTTEN.replace("tuple", "list")),
    "too many": (add, (1, 2, 3), True, "the item is a tuple of 3: it was called as add(*item)"),
    "too many for either": (add, (1, 2, 3), False, ""),
    "right": (add, (1, 2), True, ""),
    "one argument": (length, (1, 2), False, ""),
    "no tuple": (add, 1, False, ""),
    "no signature": (dict.update, (1, 2), False, ""),
}


@pytest.mark.parametrize(("fn", "item", "star", "said"), CALLS.values(), ids=CALLS)
def test_only_arguments_that_a_function_does_not_take_are_remarked_on(
    fn: Callable[..., Any], item: Any, star: bool, said: str
) -> None:
    assert remark_on_arguments(fn, item, star=star) == said


def worker_frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.filename for frame in frames if "parmagic/worker" in frame.filename]


@pytest.mark.parametrize("options", [{}, {"chunksize": 50}, {"timeout": 60}, {"seed": 1}], ids=str)
@pytest.mark.parametrize("fn", [add, add_later])
def test_a_forgotten_star_is_named_below_the_error(
    fn: Callable[..., Any], options: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'") as raised:
        parmagic.map(fn, [(1, 2)] * 50, **options)
    assert raised.value.__notes__[1] == FORGOTTEN.replace("add", fn.__name__)
    assert worker_frames(raised.value) == []


def test_too_many_arguments_are_counted_below_the_error() -> None:
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given") as raised:
        parmagic.map(add, [(1, 2, 3)], star=True)
    assert raised.value.__notes__[1] == CALLS["too many"][3]
    assert worker_frames(raised.value) == []


def test_the_error_of_a_function_of_c_has_no_frames_of_ours() -> None:
    with pytest.raises(ValueError, match="math") as raised:
        parmagic.map(math.sqrt, [-1])
    assert worker_frames(raised.value) == []
    assert len(raised.value.__notes__) == 2
