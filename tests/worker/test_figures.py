from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from one_worker import OneWorker, Ran
from PIL import Image

from parmagic.worker.bundle import bundle_of
from parmagic.worker.display import display
from parmagic.worker.items import CLOCKED_ITEMS

EMPTY = "<Figure size 640x480 with 0 Axes>"
FULL = "<Figure size 640x480 with 1 Axes>"


@pytest.fixture(autouse=True)
def in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")


@pytest.fixture(scope="module", autouse=True)
def fonts() -> None:
    """Draw once: matplotlib keeps the files of its fonts open."""
    with io.BytesIO() as file:
        figure = Figure()
        figure.subplots().set_title("title")
        figure.savefig(file)


def figures(ran: Ran) -> list[tuple[int, str]]:
    """Return the item and the text of each figure."""
    assert ran.failures == 0
    for _, bundle in ran.shown:
        assert ("image/png" in bundle) is (bundle["text/plain"] != EMPTY)
    return [(item, bundle["text/plain"]) for item, bundle in ran.shown]


def size(bundle: dict[str, Any]) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as image:
        return image.size


def left_open(x: int) -> None:
    plt.plot([1, x])


def shown(x: int) -> None:
    plt.plot([1, x])
    plt.show()


def shown_by_itself(x: int) -> None:
    figure, axes = plt.subplots()
    axes.plot([1, x])
    figure.show()


def displayed_and_closed(x: int) -> None:
    figure, _ = plt.subplots()
    display(figure)
    plt.close(figure)


def without_pyplot(x: int) -> None:
    figure = Figure()
    figure.subplots()
    display(figure)


WAYS = [left_open, shown, shown_by_itself, displayed_and_closed, without_pyplot]


def local(fn: Any) -> Any:
    """Return ``fn`` as a cell defines it, to be pickled by value."""
    return type(fn)(fn.__code__, {**fn.__globals__, "__name__": "__main__"})


@pytest.mark.parametrize("way", WAYS)
def test_each_figure_is_shown_once_with_its_item(same_worker: OneWorker, way: Any) -> None:
    assert figures(same_worker.run(local(way), range(3))) == [(0, FULL), (1, FULL), (2, FULL)]


def test_items_do_not_see_the_figures_of_others(worker: OneWorker) -> None:
    def fn(x: int) -> list[int]:
        import matplotlib.pyplot as plt

        before = plt.get_fignums()
        plt.figure()
        return before

    ran = worker.run(fn, range(3))
    assert ran.values == [[], [], []]
    assert figures(ran) == [(0, EMPTY), (1, EMPTY), (2, EMPTY)]


def test_also_in_long_chunks(same_worker: OneWorker) -> None:
    chosen = {3, CLOCKED_ITEMS + 2}

    def fn(x: int) -> None:
        if x in chosen:
            plt.figure()

    ran = same_worker.run(fn, range(CLOCKED_ITEMS + 3))
    assert figures(ran) == [(item, EMPTY) for item in sorted(chosen)]


def test_a_failed_item_shows_its_figures(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        plt.plot([1, 2])
        1 / (x - 1)

    ran = same_worker.run(fn, range(3))
    assert (ran.failures, [item for item, _ in ran.shown]) == (1, [0, 1, 2])


def test_a_figure_that_is_returned_can_be_used(same_worker: OneWorker) -> None:
    def fn(x: int) -> Any:
        figure = plt.figure()
        figure.suptitle(f"item {x}")
        return figure

    before = plt.get_fignums()
    (back,) = same_worker.run(fn).values
    assert plt.get_fignums() == before
    assert back.get_suptitle() == "item 0"
    with io.BytesIO() as file:
        back.savefig(file)
        assert file.getvalue().startswith(b"\x89PNG")


def test_a_figure_that_is_captured_is_no_items_own(worker: OneWorker) -> None:
    figure = plt.figure()
    try:
        ran = worker.run(lambda x: figure.get_dpi(), range(2))
    finally:
        plt.close(figure)
    assert (ran.values, ran.shown) == ([figure.get_dpi()] * 2, [])


def test_figures_can_be_saved(same_worker: OneWorker) -> None:
    def fn(x: int) -> bytes:
        plt.plot([1, 2])
        with io.BytesIO() as file:
            plt.savefig(file, format="svg")
            plt.close()
            return file.getvalue()

    ran = same_worker.run(fn)
    assert b"<svg" in ran.values[0]
    assert ran.shown == []


def test_a_drawing_that_fails_does_not_spoil_the_item(same_worker: OneWorker) -> None:
    def fn(x: int) -> int:
        plt.title(r"$\nonsense$")
        return x

    ran = same_worker.run(fn, [7])
    assert (ran.values, ran.failures) == ([7], 0)
    assert [bundle for _, bundle in ran.shown] == [{"text/plain": FULL}]
    assert "ValueError" in ran.text("stderr")


def test_without_a_kernel_figures_are_shown_too(
    worker: OneWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MPLBACKEND")

    def fn(x: int) -> None:
        import matplotlib.pyplot as plt

        plt.figure()

    assert figures(worker.run(fn)) == [(0, EMPTY)]


@pytest.mark.parametrize("backend", ["agg", "svg"])
def test_a_backend_that_the_user_has_chosen_stays(
    worker: OneWorker, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("MPLBACKEND", backend)

    def fn(x: int) -> tuple[str, list[int]]:
        import matplotlib.pyplot as plt

        before = plt.get_fignums()
        plt.plot([1, 2])
        plt.show()
        return plt.get_backend(), before

    ran = worker.run(fn, range(2))
    assert ran.values == [(backend, [])] * 2
    assert ran.shown == []


def test_the_resolution_is_that_of_the_figure() -> None:
    sizes = []
    for dpi in (50, 100):
        with mpl.rc_context({"figure.dpi": dpi}):
            figure = Figure()
            figure.subplots()
            sizes.append(size(bundle_of(figure).data))
    assert sizes[1][0] == pytest.approx(2 * sizes[0][0], rel=0.05)
    assert sizes[1][0] < 640  # its margins are cut off


def test_matplotlib_is_not_imported_before_an_item_does(worker: OneWorker) -> None:
    def fn(x: int) -> bool:
        import sys

        return "matplotlib" in sys.modules

    assert worker.run(fn).values == [False]
