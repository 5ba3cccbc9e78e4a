from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parmagic.worker import collector


class Witness:
    """What sees, while it is unpickled, whether garbage is looked for."""

    def __reduce__(self) -> Any:
        return gc.isenabled, ()


@pytest.fixture
def collecting() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize(("items", "is_paused"), [(10, False), (100_000, True)])
def test_it_is_paused_while_much_is_unpickled(
    items: int, is_paused: bool, travel: Callable[..., Any]
) -> None:
    assert travel([*range(items), Witness()]).back[-1] is not is_paused
    assert gc.isenabled()


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("was", [True, False])
def test_it_is_left_as_it_was(was: bool) -> None:
    (gc.enable if was else gc.disable)()
    with collector.paused():
        assert not gc.isenabled()
    assert gc.isenabled() is was
    with pytest.raises(ZeroDivisionError), collector.paused():
        1 // 0  # noqa: B018
    assert gc.isenabled() is was
