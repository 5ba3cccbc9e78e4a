from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from parmagic.pool.watch import Watch


@pytest.fixture
def readable() -> Iterator[int]:
    heard, sent = os.pipe()
    os.write(sent, b"x")
    yield heard
    os.close(heard)
    os.close(sent)


def test_what_is_to_come_first_does_so(readable: int) -> None:
    watch, called = Watch(), []
    watch.add(readable, lambda: called.append("ready"))
    watch.wait(10, lambda: called.append("first"))
    watch.close()
    assert called == ["first", "ready"]


def test_what_is_removed_meanwhile_is_not_called(readable: int) -> None:
    watch, called = Watch(), []
    watch.add(readable, lambda: called.append("ready"))
    watch.wait(10, lambda: watch.remove(readable))
    watch.close()
    assert called == []
