from __future__ import annotations

from parmagic.pool.timers import Timers


def test_what_is_due_is_called_in_order_and_once() -> None:
    called: list[str] = []
    timers = Timers()
    timers.add(1000, lambda: called.append("never"))
    timers.add(-1, lambda: called.append("second"))
    timers.add(-2, lambda: called.append("first"))
    timers.add(-1, lambda: called.append("third"))
    timers.fire()
    timers.fire()
    assert called == ["first", "second", "third"]


def test_a_call_may_add_another() -> None:
    called: list[str] = []
    timers = Timers()
    timers.add(-1, lambda: timers.add(-1, lambda: called.append("inner")))
    timers.fire()
    assert called == ["inner"]


def test_a_call_that_adds_itself_at_once_keeps_nobody_for_ever() -> None:
    called: list[str] = []
    timers = Timers()

    def again() -> None:
        called.append("again")
        if len(called) < 1000:
            timers.add(1e-8, again)

    timers.add(-1, again)
    timers.fire()
    assert called == ["again"]


def test_the_next_call_says_how_long_to_wait() -> None:
    timers = Timers()
    assert timers.seconds_to_next() is None
    timers.add(1000, int)
    assert 990 < (timers.seconds_to_next() or 0) <= 1000
    timers.add(-1, int)
    assert timers.seconds_to_next() == 0


def test_what_is_cleared_is_never_called() -> None:
    called: list[str] = []
    timers = Timers()
    timers.add(-1, lambda: called.append("never"))
    timers.clear()
    timers.fire()
    assert called == []
