from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest

from parmagic.worker.function import call, of_one_argument


class Doubler:
    def __call__(self, x: int) -> int:
        return 2 * x

    def method(self, x: int) -> int:
        return 2 * x

    @classmethod
    def of_class(cls, x: int) -> int:
        return 2 * x

    @staticmethod
    def of_nothing(x: int) -> int:
        return 2 * x

    async def coroutine(self, x: int) -> int:
        return 2 * x


async def coroutine(x: int) -> int:
    return 2 * x


ONE = {
    "lambda": lambda x: 2 * x,
    "partial": functools.partial(operator.mul, 2),
    "instance": Doubler(),
    "method": Doubler().method,
    "class method": Doubler.of_class,
    "static method": Doubler.of_nothing,
    "built-in method": (2).__mul__,
    "coroutine": coroutine,
    "coroutine method": Doubler().coroutine,
    "partial coroutine": functools.partial(coroutine),
}


@pytest.mark.parametrize("fn", ONE.values(), ids=ONE)
def test_any_callable_is_called_on_an_item(fn: Callable[..., Any]) -> None:
    assert of_one_argument(fn, star=False)(21) == 42


@pytest.mark.parametrize("fn", ONE.values(), ids=ONE)
def test_with_star_the_item_is_its_arguments(fn: Callable[..., Any]) -> None:
    assert of_one_argument(fn, star=True)((21,)) == 42


def test_a_class_is_a_function_of_one_argument() -> None:
    assert of_one_argument(str, star=False)(3) == "3"


def test_an_item_may_be_a_whole_call() -> None:
    assert of_one_argument(call, star=True)((int, ("11",), {"base": 2})) == 3
