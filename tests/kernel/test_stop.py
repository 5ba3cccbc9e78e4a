"""The Stop button: drawn where a click arrives while the cell runs, and gone afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernels import VIEW, Cell, Kernel, button_of, click
from support import Gate

ENDLESS = "%%parmap --workers 2 --chunksize 1 x in range(9) -> ys\nx if x < 2 else gate.enter(x)"


def start(kernel: Kernel, gate: Gate) -> Cell:
    kernel.give(gate)
    cell = kernel.start(ENDLESS)
    gate.wait_for(2)
    return cell


def test_a_click_stops_the_cell_and_keeps_what_has_finished(
    live_kernel: Kernel, gate: Gate
) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = start(live_kernel, gate)
        click(live_kernel, button_of(cell))
        cell.finish()
    assert cell.error.startswith("KeyboardInterrupt: 2 results kept in parmagic.jobs[-1].")
    assert live_kernel.value("parmagic.jobs[-1].values") == {0: 0, 1: 1}
    live_kernel.strays.clear()


def test_a_stopped_cell_can_be_resumed(live_kernel: Kernel, gate: Gate) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = start(live_kernel, gate)
        click(live_kernel, button_of(cell))
        cell.finish()
        gate.open()
        assert live_kernel.run(ENDLESS.replace("%%parmap", "%%parmap --resume")).succeeded
    assert live_kernel.value("(len(ys), ys.report.kept)") == (9, 2)
    live_kernel.strays.clear()


@pytest.mark.parametrize("ending", ["x", "1 / 0"])
def test_nothing_is_left_of_the_button(live_kernel: Kernel, ending: str) -> None:
    with live_kernel.configured(progress_after=0.0):
        cell = live_kernel.run(f"%%parmap x in range(2) -> ys\n{ending}")
    assert any(VIEW in bundle for bundle in cell.displays)
    assert not any(VIEW in bundle for bundle in cell.shown)
    assert "comm_close" in cell.kinds


@pytest.mark.parametrize(
    "missing",
    [
        "ipykernel.subshell_manager.SubshellManager._create_subshell",
        "ipykernel.comm.comm.BaseComm._reply_subshell_for",
    ],
)
def test_a_button_is_not_drawn_where_its_clicks_would_wait(
    new_kernel: Callable[..., Kernel], missing: str
) -> None:
    kernel = new_kernel(session="notebook.ipynb")
    kernel.run(f"import ipykernel.subshell_manager, ipykernel.comm.comm\ndel {missing}")
    with kernel.configured(progress_after=0.0):
        cell = kernel.run("%%parmap x in range(2) -> ys\nx")
    assert not any(VIEW in bundle for bundle in cell.displays)


def test_a_button_is_not_drawn_without_ipywidgets(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(session="notebook.ipynb")
    kernel.run("import sys; sys.modules['ipywidgets'] = None")
    with kernel.configured(progress_after=0.0):
        cell = kernel.run("%%parmap x in range(2) -> ys\nx")
    assert [sorted(bundle) for bundle in cell.displays] == [["text/html", "text/plain"]]
    assert cell.shown[0]["text/plain"] == "2 items done"


def test_a_job_with_a_button_is_gone_with_its_last_reference(live_kernel: Kernel) -> None:
    live_kernel.run("import gc, weakref\ngc.collect()\ngc.disable()")
    with live_kernel.configured(progress_after=0.0):
        live_kernel.run("%%parmap x in range(2) -> ys\nprint(x)\nx")
    live_kernel.run("alive = weakref.ref(parmagic.jobs[-1])\nparmagic.jobs.clear()")
    assert live_kernel.value("alive() is None")
    live_kernel.run("gc.enable()")
