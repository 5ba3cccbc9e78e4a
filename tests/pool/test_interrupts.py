from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parmagic.pool.interrupts import Interrupts


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL])
def any_handler(request: pytest.FixtureRequest) -> Iterator[Any]:
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


def test_inside_nothing_is_raised_and_somebody_is_told() -> None:
    told: list[str] = []
    with Interrupts(lambda: told.append("once")):
        interrupt()
        told.append("still inside")
    assert told == ["once", "still inside"]


def test_if_nobody_is_told_it_is_raised_at_the_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), Interrupts():
        interrupt()
        reached.append("the end")
    assert reached == ["the end"]


def test_another_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), Interrupts():
        interrupt()
        1 / 0  # noqa: B018


def test_the_user_s_own_code_is_interrupted() -> None:
    told: list[str] = []
    with Interrupts(lambda: told.append("not now")) as interrupts:
        with pytest.raises(KeyboardInterrupt):
            interrupts.allow(interrupt)
        interrupt()
    assert told == ["not now"]


def test_the_handler_is_the_same_afterwards(any_handler: Any) -> None:
    with Interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) == any_handler


@pytest.mark.parametrize("block", [Interrupts(), Interrupts(int)])
def test_other_threads_are_not_concerned(block: Interrupts) -> None:
    handlers: list[Any] = []

    def enter() -> None:
        with block:
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_what_is_allowed_gives_its_value() -> None:
    give: Callable[..., int] = pow
    with Interrupts() as interrupts:
        assert interrupts.allow(give, 2, 3) == 8
