from __future__ import annotations

import builtins
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from traceback import extract_tb
from typing import Any

import pytest

import parmagic
from parmagic.pool.default import default_pool


def take_all() -> None:
    kept = vars(builtins).setdefault("kept", [])
    while True:
        kept.append(os.open(os.devnull, os.O_RDONLY))


def fails(_: int) -> None:
    take_all()


def returns_a_lock(_: int) -> Any:
    with suppress(OSError):
        take_all()
    return threading.Lock()


async def fails_in_a_loop(_: int) -> None:
    take_all()


@pytest.mark.parametrize("fn", [fails, fails_in_a_loop])
def test_an_item_that_has_taken_all_descriptors_fails_with_its_own_error(
    fn: Callable[[int], Any],
) -> None:
    default_pool(1)
    (error,) = parmagic.map(fn, [0], return_exceptions=True)
    assert isinstance(error, OSError)
    assert error.errno == errno.EMFILE
    assert [frame.name for frame in extract_tb(error.__traceback__)][-2:] == [
        fn.__name__,
        "take_all",
    ]


def test_without_descriptors_a_value_that_cannot_be_sent_is_told() -> None:
    default_pool(1)
    (error,) = parmagic.map(returns_a_lock, [0], return_exceptions=True)
    assert isinstance(error, parmagic.PayloadError)
