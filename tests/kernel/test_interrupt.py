"""Jupyter's Interrupt: the cell ends at once, and all is as before."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import pytest
from kernels import Cell, Kernel
from support import Gate, wait_until

# An item of each kind marks its begin at the gate, and then does not come to an end.
YIELDING = {
    "sleeps": "gate.note(x)\ntime.sleep(600)",
    "waits for a file": "gate.enter(x)",
    "computes": "gate.note(x)\nwhile True:\n    pass",
    "catches every Exception": (
        "gate.note(x)\nwhile True:\n    try:\n        time.sleep(600)\n"
        "    except Exception:\n        pass"
    ),
    "prints": "gate.note(x)\nwhile True:\n    print('line', flush=True)\n    time.sleep(0.01)",
    "waits for a process": "gate.note(x)\n__import__('subprocess').run(['sleep', '600'])",
    "waits in a with": (
        "class Door:\n    def __enter__(self): gate.note(x)\n    def __exit__(self, *_): pass\n"
        "with Door():\n    time.sleep(600)"
    ),
}
STUBBORN = {
    "catches all": (
        "while True:\n    try:\n        gate.note(x)\n        time.sleep(600)\n"
        "    except BaseException:\n        pass"
    ),
    "blocks the signal": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "gate.note(x)\ntime.sleep(600)"
    ),
    "is stuck in C": "gate.note(x)\nsum(range(10 ** 12))",
}


def interrupted(kernel: Kernel, gate: Gate, code: str, *, begun: int) -> tuple[Cell, float]:
    """Run a cell, interrupt it when so many items have begun, and say how long it took to end."""
    kernel.give(gate)
    cell = kernel.start(code)
    gate.wait_for(begun)
    if "sum(" in code:
        wait_until_computing(gate.pids)
    at = time.monotonic()
    kernel.interrupt()
    return cell.finish(), time.monotonic() - at


def wait_until_computing(pids: list[int]) -> None:
    processes = [psutil.Process(pid) for pid in pids]
    before = [process.cpu_times().user for process in processes]
    assert wait_until(
        lambda: all(
            process.cpu_times().user > seconds + 0.03
            for process, seconds in zip(processes, before, strict=True)
        )
    )


def is_clean(cell: Cell) -> bool:
    return (
        cell.error.startswith("KeyboardInterrupt: ")
        and "Traceback" not in cell.stdout + cell.stderr
        and "/parmagic/" not in cell.traceback
    )


def works(kernel: Kernel) -> bool:
    return kernel.run("%parmap x for x in range(4)").result["text/plain"] == "[0, 1, 2, 3]"


@pytest.mark.parametrize("item", YIELDING)
def test_interrupt_ends_the_cell_at_once_and_keeps_the_workers(
    kernel: Kernel, gate: Gate, item: str
) -> None:
    code = f"%%parmap --workers 2 --chunksize 1 x in range(50)\n{YIELDING[item]}"
    cell, seconds = interrupted(kernel, gate, code, begun=2)
    assert is_clean(cell)
    assert seconds < 2
    assert works(kernel)
    assert kernel.worker_pids() == set(gate.pids)


@pytest.mark.parametrize("item", STUBBORN)
def test_workers_that_do_not_yield_to_an_interrupt_are_replaced(
    kernel: Kernel, gate: Gate, item: str
) -> None:
    code = f"%%parmap --workers 2 --chunksize 1 x in range(50)\n{STUBBORN[item]}"
    cell, seconds = interrupted(kernel, gate, code, begun=2)
    assert is_clean(cell)
    assert seconds < 4
    assert works(kernel)
    assert not kernel.worker_pids() & set(gate.pids)


def test_what_had_finished_before_the_interrupt_is_kept(kernel: Kernel, gate: Gate) -> None:
    code = "%%parmap --workers 1 --chunksize 1 x in range(9)\ngate.enter(x) if x == 2 else x * x"
    cell, _ = interrupted(kernel, gate, code, begun=1)
    assert "2 results kept in parmagic.jobs[-1]. Add --resume to run only the rest." in cell.error
    assert kernel.value("parmagic.jobs[-1].outcomes.done") == 2
    assert cell.displays[-1]["text/plain"] == "2 of 9 items done, 7 pending, interrupted"


def test_an_interrupted_line_can_be_caught(kernel: Kernel, gate: Gate) -> None:
    code = (
        "try:\n    ys = %parmap gate.enter(x) for x in range(9)\n"
        "except KeyboardInterrupt:\n    print('caught')"
    )
    cell, _ = interrupted(kernel, gate, code, begun=1)
    assert cell.succeeded
    assert cell.stdout == "caught\n"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("%%parmap xs\ngate.enter()\ndef f(x): return x", "----> 2 gate.enter()"),
        ("%%parmap\nfor x in [1]:\n    pass\ngate.enter()", "----> 4 gate.enter()"),
        ("%%parmap x in list(stuck())\nx", "----> 1 # %%parmap x in list(stuck())"),
        ("%%parmap x in stuck()\nx", "0 results kept in parmagic.jobs[-1]"),
    ],
)
def test_an_interrupt_in_the_kernel_shows_where_the_users_code_was(
    kernel: Kernel, gate: Gate, code: str, shown: str
) -> None:
    kernel.run("xs = [1]\ndef stuck():\n    yield gate.enter()")
    cell, seconds = interrupted(kernel, gate, code, begun=1)
    assert is_clean(cell)
    assert seconds < 2
    assert shown in cell.traceback
    assert works(kernel)


def test_a_serial_run_is_interrupted_too(kernel: Kernel, gate: Gate) -> None:
    cell, seconds = interrupted(kernel, gate, "%%parmap --serial x in [1]\ngate.enter()", begun=1)
    assert is_clean(cell)
    assert seconds < 2


def test_an_impatient_person_interrupts_twice(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    cell = kernel.start(
        f"%%parmap --workers 2 --chunksize 1 x in range(9)\n{STUBBORN['catches all']}"
    )
    gate.wait_for(2)
    for _ in range(5):
        kernel.interrupt()
    assert is_clean(cell.finish())
    assert works(kernel)


def test_an_interrupt_leaves_idle_workers_alone(kernel: Kernel) -> None:
    kernel.run("%parpool --workers 2")
    wait_until(lambda: len(kernel.worker_pids()) == 2)
    assert works(kernel)
    before = kernel.worker_pids()
    kernel.interrupt()
    assert works(kernel)
    assert kernel.worker_pids() == before


def test_an_interrupt_leaves_a_background_job_alone(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    kernel.run("%parpool --workers 2\njob = parmagic.map_async(gate.enter, ['a', 'b', 'c'])")
    gate.wait_for(2)
    cell = kernel.start("gate.note('kernel')\ntime.sleep(600)")
    gate.wait_for(3)
    kernel.interrupt()
    assert cell.finish().error.startswith("KeyboardInterrupt: ")
    assert kernel.run("gate.open()\njob.result()").result["text/plain"] == "[None, None, None]"


def test_cells_that_were_waiting_do_not_run_after_an_interrupt(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    kernel.run("ran = False")
    first = kernel.start("%%parmap x in range(9)\ngate.enter(x)")
    second = kernel.start("ran = True")
    gate.wait_for(1)
    kernel.interrupt()
    assert is_clean(first.finish())
    second.finish()
    assert kernel.value("ran") is False


def test_an_interrupt_while_the_workers_start_leaves_a_pool_that_works(
    new_kernel: Callable[[], Kernel],
) -> None:
    kernel = new_kernel()
    for code in ("%parmap --workers 4 time.sleep(600) for x in range(9)", "%parpool --restart"):
        cell = kernel.start(f"print('begun', flush=True)\n{code}\ntime.sleep(600)")
        cell.wait_for(lambda cell: cell.stdout)
        kernel.interrupt()
        assert cell.finish().error.startswith("KeyboardInterrupt: ")
        assert works(kernel)
    assert "Traceback" not in kernel.log
