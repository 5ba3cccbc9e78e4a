"""Cells on somebody else's executor: here threads, which need no cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Kernel


@pytest.fixture
def kernel_with_threads(kernel: Kernel) -> Iterator[Kernel]:
    threads = "from concurrent.futures import ThreadPoolExecutor\nthreads = ThreadPoolExecutor(2)"
    assert kernel.run(threads).succeeded
    yield kernel
    assert kernel.run("%parpool --on local\nthreads.shutdown()").succeeded


def test_one_cell_and_then_all_run_on_a_backend(kernel_with_threads: Kernel) -> None:
    kernel = kernel_with_threads
    who = "import threading\nthreading.current_thread().name.partition('-')[0]"
    for option in ("--on threads ", ""):
        assert kernel.run(f"%%parmap {option}x in range(4) -> names\n{who}").succeeded
        expected = "ThreadPoolExecutor" if option else "MainThread"
        assert kernel.value("set(names)") == {expected}

    shown = kernel.run("%parpool --on threads").result["text/plain"]
    assert shown.startswith("ThreadPoolExecutor: 2 workers\n")
    assert kernel.run("%parpool").result["text/plain"] == shown
    assert kernel.run(f"%%parmap x in range(4) -> names\n{who}").succeeded
    assert kernel.value("set(names)") == {"ThreadPoolExecutor"}
    assert kernel.run(f"%%parmap --on local x in range(4) -> names\n{who}").succeeded
    assert kernel.value("set(names)") == {"MainThread"}


def test_what_threads_print_and_display_is_shown_by_item(kernel_with_threads: Kernel) -> None:
    kernel = kernel_with_threads
    cell = kernel.run(
        "%%parmap --on threads x in range(2) -> ys\n"
        "import logging\n"
        "from IPython.display import Markdown\n"
        "print(f'item {x} prints')\n"
        "logging.getLogger('items').warning('item %d logs', x)\n"
        "display(Markdown(f'**item {x}**'))\n"
        "x"
    )
    assert cell.succeeded
    assert cell.stdout == cell.stderr == ""
    texts = "".join(bundle["text/html"] for bundle in cell.shown)
    for x in range(2):
        assert f"item {x} prints" in texts
        assert f"item {x} logs" in texts
    assert kernel.value("[o.output.count('Markdown') for o in ys.outcomes]") == [1, 1]
    assert kernel.run("print('the notebook itself')").stdout == "the notebook itself\n"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%parmap --on nobody x in [1]\nx", "there is no backend 'nobody'"),
        ("%%parmap --on threads --workers 2 x in [1]\nx", "does not take workers"),
        ("%%parmap --on threads --timeout 2 x in [1]\nx", "does not take a timeout"),
        ("%%parmap --on threads --serial x in [1]\nx", "leave out --on"),
        ("%parpool --on nobody", "there is no backend 'nobody'"),
        ("%parpool --on threads --workers 2", "--workers is for the pool of this machine"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    cell: str, message: str, kernel_with_threads: Kernel
) -> None:
    ran = kernel_with_threads.run(cell)
    assert ran.stderr.startswith("UsageError: ")
    assert message in ran.stderr


def test_tab_offers_on(kernel: Kernel) -> None:
    assert "--on" in kernel.completions("%%parmap --o")
    assert "--on" in kernel.completions("%parpool --")
