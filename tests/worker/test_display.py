from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.display import DisplayHandle as KernelsHandle
from IPython.display import clear_output, display, publish_display_data, update_display
from one_worker import OneWorker

from parmagic.worker.display import DisplayHandle
from parmagic.worker.display import display as ours

PLAIN = {"text/plain": "3"}


def by_builtin(x: int) -> None:
    builtin_display(x)  # noqa: F821


def by_import(x: int) -> None:
    from IPython.display import display

    display(x)


def by_module(x: int) -> None:
    import IPython.display

    IPython.display.display(x)


def by_old_home(x: int) -> None:
    from IPython.core.display_functions import display

    display(x)


def by_reference(x: int) -> None:
    display(x)


def ready_made(x: int) -> None:
    publish_display_data({"text/plain": str(x)})


def raw(x: int) -> None:
    display({"text/plain": str(x)}, raw=True)


def as_notebook_code(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fn`` as a cell defines it: pickled by value, with the builtin ``display``."""
    names = {name: value for name, value in globals().items() if name in fn.__code__.co_names}
    code = fn.__code__.replace(
        co_names=tuple("display" if n == "builtin_display" else n for n in fn.__code__.co_names)
    )
    return type(fn)(code, {**names, "__name__": "__main__", "__builtins__": __builtins__})


WAYS = [by_builtin, by_import, by_module, by_old_home, by_reference, ready_made, raw]


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_display_shows_it_as_the_items(same_worker: OneWorker, way: Any) -> None:
    ran = same_worker.run(as_notebook_code(way), [3, 3])
    assert ran.failures == 0
    assert ran.output == tuple(
        (item, "display", {"data": PLAIN, "metadata": {}, "display_id": None}) for item in range(2)
    )


def test_ipython_is_not_imported_for_it(worker: OneWorker) -> None:
    def fn(x: int) -> bool:
        ours(x)
        return "IPython" in sys.modules

    assert worker.run(fn).values == [False]


def test_a_handle_updates_what_was_displayed(same_worker: OneWorker) -> None:
    def fn(x: int) -> str:
        handle = ours("first", display_id=True)
        assert handle is not None
        handle.update("second")
        update_display("third", display_id="other")
        handle.display("fourth")
        return handle.display_id

    ran = same_worker.run(fn)
    (name,) = ran.values
    shown = [
        (kind, content["display_id"], content["data"]["text/plain"])
        for _, kind, content in ran.output
    ]
    assert shown == [
        ("display", name, "'first'"),
        ("display", name, "'fourth'"),
        ("update", name, "'second'"),
        ("update", "other", "'third'"),
    ]


def test_only_the_last_of_many_updates_is_sent_at_the_end(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        handle = ours(display_id=True)
        assert handle is not None
        for number in range(1000):
            handle.update(number)

    updates = same_worker.run(fn).of("update")
    assert len(updates) < 100
    assert updates[-1][1]["data"] == {"text/plain": "999"}


def test_a_handle_of_the_kernel_is_updated_from_a_worker(same_worker: OneWorker) -> None:
    handle = KernelsHandle("of the kernel")
    ran = same_worker.run(lambda x: handle.update(3))
    assert ran.of("update") == [(0, {"data": PLAIN, "metadata": {}, "display_id": "of the kernel"})]


def test_metadata_go_along(same_worker: OneWorker) -> None:
    (piece,) = same_worker.run(lambda x: ours(3, metadata={"text/plain": {"a": 1}})).of("display")
    assert piece[1]["metadata"] == {"text/plain": {"a": 1}}


def test_output_can_be_cleared(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        print("before")
        clear_output(wait=True)
        ours(3, clear=True)

    ran = same_worker.run(fn)
    assert [kind for _, kind, _ in ran.output][-2:] == ["clear", "display"]


def test_an_update_needs_to_know_of_what() -> None:
    with pytest.raises(TypeError, match="display_id required"):
        ours(3, update=True)


def test_outside_of_workers_its_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert ours("x", 3) is None
    assert isinstance(ours(display_id=True), DisplayHandle)
    assert capsys.readouterr().out == "'x'\n3\n\n"


def bars_of_notebooks(x: int) -> None:
    from tqdm.notebook import tnrange, tqdm, tqdm_notebook, trange

    for bar in (tnrange(2), trange(2), tqdm(range(2)), tqdm_notebook(range(2))):
        assert list(bar) == [0, 1]


def automatic_bars(x: int) -> None:
    from tqdm.auto import tqdm, trange

    for bar in (tqdm(range(2)), trange(2)):
        assert list(bar) == [0, 1]


@pytest.mark.parametrize("fn", [bars_of_notebooks, automatic_bars])
def test_bars_are_text(same_worker: OneWorker, fn: Callable[[int], None]) -> None:
    ran = same_worker.run(as_notebook_code(fn))
    assert (ran.failures, ran.shown) == (0, [])
    assert "100%|" in ran.text("stderr")


def test_a_bar_captured_from_the_notebook_is_text_too(same_worker: OneWorker) -> None:
    from tqdm.notebook import tqdm

    ran = same_worker.run(lambda x: list(tqdm(range(3))))
    assert ran.values == [[0, 1, 2]]
    assert "3/3" in ran.text("stderr")


def semaphores_of_a_bar(x: int) -> list[str]:
    from tqdm.auto import tqdm

    list(tqdm(range(3)))
    return re.findall("/dev/shm/sem.*", Path("/proc/self/maps").read_text())


def map_with_processes_of_its_own(x: int) -> list[int]:
    from tqdm.contrib.concurrent import process_map

    mapped: list[int] = process_map(abs, [-1, -2], max_workers=1)
    return mapped


def test_a_bar_makes_no_semaphore_that_a_killed_worker_would_leave(worker: OneWorker) -> None:
    assert worker.run(semaphores_of_a_bar).values == [[]]


def test_processes_that_an_item_starts_have_a_lock_for_their_bars(worker: OneWorker) -> None:
    assert worker.run(map_with_processes_of_its_own).values == [[1, 2]]
