from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from support import wait_until

from parmagic.pool.reactor import Reactor


class Owner:
    """What a dispatcher is to its reactor."""

    def __init__(self) -> None:
        self.done = False
        self.errors: list[Exception] = []
        self.reactor = Reactor(lambda: self.done, lambda: False, self.errors.append)
        self.called: list[int] = []

    def note(self) -> None:
        """Note the thread that calls."""
        self.called.append(threading.get_ident())

    def finish(self) -> None:
        self.done = True

    def raise_error(self) -> None:
        raise ZeroDivisionError


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.reactor.post(owner.finish)
    owner.reactor.join(10)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_is_posted_is_called_once_whoever_posts(owner: Owner) -> None:
    counts = dict.fromkeys(range(4000), 0)

    def count(number: int) -> None:
        counts[number] += 1

    def post(first: int) -> None:
        for number in range(first, first + 1000):
            owner.reactor.post(lambda number=number: count(number))

    threads = [threading.Thread(target=post, args=(first,)) for first in range(0, 4000, 1000)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        owner.reactor.drive(lambda: False, 0.001)
    assert wait_until(lambda: set(counts.values()) == {1})


def test_what_is_its_own_is_called_by_its_own_thread(owner: Owner) -> None:
    owner.reactor.post_own(owner.note)
    owner.reactor.drive(lambda: bool(owner.called), 0.001)
    assert wait_until(lambda: owner.called)
    assert threading.get_ident() not in owner.called


def test_who_waits_hears_in_its_own_thread(owner: Owner, pipe: tuple[int, int]) -> None:
    heard, sent = pipe

    def hear() -> None:
        os.read(heard, 1)
        owner.note()

    owner.reactor.do(lambda: owner.reactor.watch.add(heard, hear))
    owner.reactor.drive(lambda: False, 0.001)  # the own thread stands aside
    os.write(sent, b"x")
    owner.reactor.drive(lambda: bool(owner.called), 10)
    assert owner.called == [threading.get_ident()]
    owner.reactor.do(lambda: owner.reactor.watch.remove(heard))


def test_when_nobody_waits_its_own_thread_hears(owner: Owner, pipe: tuple[int, int]) -> None:
    heard, sent = pipe

    def hear() -> None:
        os.read(heard, 1)
        owner.note()

    owner.reactor.do(lambda: owner.reactor.watch.add(heard, hear))
    owner.reactor.come_back()
    os.write(sent, b"x")
    assert wait_until(lambda: owner.called)
    assert owner.called != [threading.get_ident()]
    owner.reactor.do(lambda: owner.reactor.watch.remove(heard))


def test_to_drive_ends_in_time(owner: Owner) -> None:
    owner.reactor.drive(lambda: False, 0.01)
    assert owner.errors == []


def test_an_error_is_told_and_the_others_are_called(owner: Owner) -> None:
    for _ in range(5):
        owner.reactor.post(owner.raise_error)
        owner.reactor.do(owner.raise_error)
        owner.reactor.post(owner.note)
    assert wait_until(lambda: len(owner.called) == 5)
    assert wait_until(lambda: len(owner.errors) == 10)


def test_a_command_may_post_another(owner: Owner) -> None:
    owner.reactor.post(lambda: owner.reactor.do(lambda: owner.reactor.post(owner.note)))
    assert wait_until(lambda: owner.called)


def test_timers_are_called_in_time(owner: Owner) -> None:
    owner.reactor.post(lambda: owner.reactor.timers.add(0.01, owner.note))
    assert wait_until(lambda: owner.called)


def test_after_its_end_who_posts_calls(owner: Owner) -> None:
    owner.reactor.post(owner.finish)
    owner.reactor.join(10)
    owner.reactor.post(owner.note)
    owner.reactor.do(owner.note)
    owner.reactor.do(lambda: owner.reactor.post(owner.note))
    owner.reactor.drive(lambda: False, 0.01)
    assert owner.called == [threading.get_ident()] * 3
    assert owner.errors == []
