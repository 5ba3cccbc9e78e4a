"""Cells that return at once: what they show while others run, and what becomes of their jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kernels import Cell, Kernel, button_of, click
from support import Gate, alive

ENDLESS = """%%parmap --bg --workers 2 --chunksize 1 x in range(6) -> job
print('x is', x)
gate.enter(x)
x"""


@pytest.fixture
def live(live_kernel: Kernel, gate: Gate) -> Iterator[Kernel]:
    """A kernel with a front end; what comes late for a cell is no stray."""
    live_kernel.give(gate)
    yield live_kernel
    gate.open()
    live_kernel.run("for each in list(parmagic.jobs): each.cancel()")
    live_kernel.strays.clear()


def last(cell: Cell) -> str:
    """Return what now stands where the cell's line stood."""
    return cell.shown[0]["text/plain"]


def outputs(cell: Cell) -> str:
    return cell.shown[-1]["text/plain"]


def test_the_kernel_is_free_while_the_cell_goes_on(live: Kernel, gate: Gate) -> None:
    cell = live.run(ENDLESS)
    assert cell.succeeded
    assert cell.result == {}
    assert last(cell).startswith("0/6")
    gate.wait_for(2)
    other = live.run("print('other'); job.done()")
    assert (other.stdout, other.result["text/plain"]) == ("other\n", "False")
    cell.wait_for(lambda cell: "item 1: x is 1" in outputs(cell))
    gate.open()
    awaited = live.run("await job")
    assert awaited.result["text/plain"] == "[0, 1, 2, 3, 4, 5]"
    cell.wait_for(lambda cell: last(cell) == "6 items done")
    assert outputs(cell) == "\n".join(f"item {x}: x is {x}" for x in range(6))
    for each in (other, awaited):
        assert not each.updates
        assert "x is" not in each.stdout


def test_stop_cancels_it_and_resume_runs_the_rest(live: Kernel, gate: Gate) -> None:
    cell = live.run(ENDLESS.replace("gate.enter(x)", "x < 2 or gate.enter(x)"))
    gate.wait_for(2)
    click(live, button_of(cell))
    cell.wait_for(lambda cell: last(cell).startswith("2 of 6 items done, 4 pending, interrupted"))
    assert "2 results kept in job. Add --resume to run only the rest." in last(cell)
    assert live.value("job.cancelled(), job.values") == (True, {0: 0, 1: 1})
    gate.open()
    assert live.run("await job").error.startswith("CancelledError")
    rest = live.run(ENDLESS.replace("--bg", "--bg --resume").replace("print", "0 and print"))
    assert live.run("await job").result["text/plain"] == "[0, 1, 2, 3, 4, 5]"
    rest.wait_for(lambda cell: last(cell) == "6 items done (2 of them kept from before)")


def test_what_still_runs_cannot_be_resumed(live: Kernel, gate: Gate) -> None:
    live.run(ENDLESS)
    again = live.run(ENDLESS.replace("--bg", "--bg --resume"))
    assert "still runs. Wait for it, or cancel() it first" in again.stderr


def test_a_failure_is_shown_below_its_cell_and_raised_by_who_asks(live: Kernel) -> None:
    cell = live.run("%%parmap --bg --chunksize 3 x in [1, 2, 0] -> job\n\n1 / x")
    cell.wait_for(lambda cell: last(cell).startswith("2 of 3 items done, 1 failed"))
    note = "2 results kept in job. Mend the cell and add --resume to run only the rest; "
    assert note in last(cell)
    assert "ZeroDivisionError" in cell.shown[0]["text/html"]
    for ask in ("job.result()", "await job", "import asyncio; await asyncio.gather(job)"):
        asked = live.run(ask)
        assert "ZeroDivisionError: division by zero\nin item 2: 0\n" in asked.traceback
        assert f"----> 1 {ask}" in asked.traceback
        assert "----> 3 1 / x" in asked.traceback
        assert asked.traceback.count("---->") == 2, asked.traceback
    assert "item 2 of 'x in [1, 2, 0]'" in live.start("%pardebug", can_ask=False).finish().stdout
    live.run("%%parmap --bg --resume --chunksize 3 x in [1, 2, 0] -> job\n\nx")
    assert live.run("await job").result["text/plain"] == "[1.0, 0.5, 0]"


def test_what_cannot_be_sent_is_said_in_the_cell_itself(live: Kernel) -> None:
    live.run("import threading; lock = threading.Lock()")
    cell = live.run("%%parmap --bg x in range(3) -> job\nlock.locked()")
    assert cell.error.startswith("PayloadError: cannot send")
    assert cell.displays == []


def test_the_last_word_arrives_though_another_cell_captures_all(live: Kernel, gate: Gate) -> None:
    cell = live.run(ENDLESS)
    gate.wait_for(2)
    captured = live.run("%%capture\ngate.open()\njob.result()")
    assert captured.succeeded
    cell.wait_for(lambda cell: last(cell) == "6 items done")


def test_several_cells_go_on_beside_each_other(live: Kernel, gate: Gate) -> None:
    live.run(ENDLESS)
    lines = live.run(
        "import asyncio\ngate.open()\n"
        "one = %parmap --bg x * x for x in range(3)\n"
        "two = %parmap --bg -q x + n for x in range(2) for n in [10, 20] if x\n"
        "print(await asyncio.gather(one, two, job))"
    )
    assert lines.stdout == "[[0, 1, 4], [11, 21], [0, 1, 2, 3, 4, 5]]\n"
    streamed = live.run("async for outcome in one: print(outcome.index, outcome.value)")
    assert sorted(streamed.stdout.splitlines()) == ["0 0", "1 1", "2 4"]


def test_variables_are_those_of_the_cell_that_started_it(live: Kernel, gate: Gate) -> None:
    live.run("factor, xs, zs = 2, [1, 2], [10, 20]")
    live.run("%%parmap --bg --chunksize 1 x in xs for z in zs -> job\ngate.enter()\nfactor * x + z")
    live.run("factor, zs = 100, [7]\nxs.append(3)\ngate.open()")
    assert live.run("await job").result["text/plain"] == "[12, 22, 14, 24]"


def test_an_interrupt_of_who_waits_ends_the_waiting(live: Kernel, gate: Gate) -> None:
    live.run(ENDLESS)
    gate.wait_for(2)
    waiting = live.start("print('waits')\njob.result()")
    waiting.wait_for(lambda cell: cell.stdout)
    live.interrupt()
    assert waiting.finish().error.startswith("KeyboardInterrupt")
    assert live.value("job.running()")


REFUSED = {
    "a loop that fills": ("ys = []", "for x in range(3):\n    ys.append(x)", "'ys'"),
    "a column": ("df = {}", "df['y'] = [x for x in range(3)]", "what the cell fills"),
    "a list": ("", "zs = [x for x in range(3)]", "'zs'"),
}


@pytest.mark.parametrize(("before", "cell", "name"), REFUSED.values(), ids=REFUSED)
def test_what_would_fill_a_variable_later_is_refused(
    kernel: Kernel, before: str, cell: str, name: str
) -> None:
    kernel.run(before)
    refused = kernel.run(f"%%parmap --bg\n{cell}")
    assert f"--background returns before there is a value for {name}" in refused.stderr
    assert "%%parmap --background x in xs -> job" in refused.stderr


def test_where_nobody_looks_the_cell_says_that_it_runs_and_the_job_how_it_ended(
    kernel: Kernel,
) -> None:
    cell = kernel.run("%%parmap --bg x in range(4) -> job\nprint('x is', x)\nx")
    assert cell.kinds == ["display_data"]
    assert cell.shown[0]["text/plain"] == "x in range(4): runs in the background"
    shown = kernel.run("job.result()\njob").result
    assert shown["text/plain"] == "<Job x in range(4): 4 items done>"
    assert "x is 3" in shown["text/html"]
    quiet = kernel.run("%%parmap --bg -q x in range(4) -> job\nx")
    assert quiet.kinds == []
    assert kernel.run("job.result()").result["text/plain"] == "[0, 1, 2, 3]"


def test_a_kernel_ends_with_a_job_under_way(new_kernel: Callable[..., Kernel], gate: Gate) -> None:
    kernel = new_kernel(session="a.ipynb")
    kernel.give(gate)
    kernel.run(ENDLESS)
    gate.wait_for(2)
    assert kernel.shut_down() < 10
    assert not any(map(alive, gate.pids))
    assert "Traceback" not in kernel.log
