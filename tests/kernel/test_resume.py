"""A cell that failed, mended and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Kernel
from support import Gate

FAILURES = {
    "raises": "1 / 0",
    "dies": "os._exit(3)",
    "takes too long": "time.sleep(600)",
}
NEXT_STEP = "Mend the cell and add --resume to run only the rest"


def cell(gate: Gate, failure: str, *, resume: bool) -> str:
    options = "--resume" if resume else "--workers 1 --chunksize 1 --timeout 0.5"
    body = "x * 10" if resume else f"if x == 3: {failure}\nx"
    return f"%%parmap {options} x in range(6) -> ys\ngate.note(x)\n{body}"


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_mended_cell_runs_only_the_rest(kernel: Kernel, gate: Gate, failure: str) -> None:
    kernel.give(gate)
    failed = kernel.run(cell(gate, failure, resume=False))
    kept = kernel.value("parmagic.jobs[-1].values")
    assert kept.items() >= {0: 0, 1: 1, 2: 2}.items()
    assert f"{len(kept)} results kept in parmagic.jobs[-1]. {NEXT_STEP}" in failed.traceback
    assert "/parmagic/" not in failed.traceback
    resumed = kernel.run(cell(gate, failure, resume=True)).displays[-1]
    assert resumed["text/plain"] == f"6 items done ({len(kept)} of them kept from before)"
    assert f"{len(kept)} kept from before" in resumed["text/html"]
    assert kernel.value("list(ys)") == [kept.get(x, x * 10) for x in range(6)]


def test_an_interrupted_cell_is_resumed(kernel: Kernel, gate: Gate) -> None:
    kernel.give(gate)
    code = "x in range(9) -> ys\ngate.enter(x) if x == 2 else None\nx * x"
    begun = kernel.start(f"%%parmap --workers 1 --chunksize 1 {code}")
    gate.wait_for(1)
    kernel.interrupt()
    assert "2 results kept in parmagic.jobs[-1]. Add --resume to run only" in begun.finish().error
    gate.open()
    resumed = kernel.run(f"%%parmap --resume {code}")
    assert resumed.displays[-1]["text/plain"] == "9 items done (2 of them kept from before)"
    assert kernel.value("list(ys)") == [x * x for x in range(9)]


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("x in xs + [7]", "there is no unfinished job over 'x in xs + [7]'"),
        ("x in xs", "the items differ: the job that is to be resumed had 3 of them, and now"),
    ],
)
def test_other_items_are_refused_in_one_line(kernel: Kernel, again: str, said: str) -> None:
    kernel.run("xs = [1, 2, 0]")
    kernel.run("%%parmap x in xs\n1 / x")
    kernel.run("xs.append(4)")
    refused = kernel.run(f"%%parmap --resume {again}\n1 / x")
    assert refused.kinds == ["stream"]
    assert refused.stderr.startswith(f"UsageError: {said}")
    assert kernel.value("parmagic.jobs[-1].outcomes.done") == 2


def test_a_line_is_resumed(kernel: Kernel) -> None:
    kernel.run("zero = 0")
    kernel.run("ys = %parmap 1 / (x + zero) for x in [1, 0]")
    kernel.run("zero = 4")
    resumed = kernel.run("%parmap --resume 1 / (x + zero) for x in [1, 0]")
    assert resumed.result["text/plain"] == "[1.0, 0.25]"


def test_a_cell_goes_on_from_its_checkpoint_after_a_restart(
    new_kernel: Callable[[], Kernel], gate: Gate, tmp_path: Path
) -> None:
    kernel = new_kernel()
    line = f"%%parmap --workers 1 --chunksize 1 --checkpoint '{tmp_path}/a run.db' x in range(6)"
    body = (
        "Gate(folder).note(x)\nif x == 3 and not Gate(folder).names >= {'go'}: os._exit(9)\nx * x"
    )
    setup = f"folder = Path({str(gate.folder)!r})"
    kernel.run(setup)
    assert "WorkerDied" in kernel.run(f"{line}\n{body}").error
    kernel.restart()
    kernel.run("%load_ext parmagic")
    kernel.run(f"import os, parmagic\nfrom pathlib import Path\nfrom support import Gate\n{setup}")
    gate.note("go")
    again = kernel.run(f"{line}\n{body}")
    assert again.result["text/plain"] == "[0, 1, 4, 9, 16, 25]"
    assert kernel.value("parmagic.jobs[-1].outcomes.kept") >= 3
    changed = kernel.run(f"{line}\n# a comment, which changes nothing\n{body}")
    assert changed.result["text/plain"] == "[0, 1, 4, 9, 16, 25]"
    refused = kernel.run(f"{line}\nx + 1")
    assert "is not the one that made the 6 results" in refused.stderr
    assert refused.stderr.startswith("UsageError: ")


def test_a_fault_in_c_shows_its_line_in_the_cell(kernel: Kernel) -> None:
    failed = kernel.run(
        "%%parmap x in range(6)\nimport ctypes\nprint('reading', x)\n"
        "if x == 4:\n    ctypes.string_at(0)\nx"
    )
    assert failed.error.startswith("WorkerDied: worker ")
    assert "while it ran item 4 (4). Signal 11 (segmentation fault)" in failed.error
    assert "It printed last:\n    reading 4" in failed.error
    assert "----> 5     ctypes.string_at(0)" in failed.traceback


def test_limits_have_defaults(kernel: Kernel) -> None:
    with kernel.configured(timeout=0.2, retries=1):
        failed = kernel.run("%%parmap x in range(3)\nif x == 1: time.sleep(600)\nx")
        assert "TimeoutError: took longer than 0.2 s" in failed.traceback
        assert "after 2 tries" in failed.traceback
        serial = kernel.run("%%parmap --serial x in range(3)\nx")
        assert serial.result["text/plain"] == "[0, 1, 2]"
    assert "expected a number of bytes" in kernel.run("%config ParMagic.memory_limit = 'a'").stderr


def test_a_job_is_shown_with_its_report(kernel: Kernel) -> None:
    kernel.run("%%parmap --workers 1 x in [1, 0]\n1 / x")
    shown = kernel.run("parmagic.jobs[-1]").result
    assert shown["text/plain"] == "<Job x in [1, 0]: 1 of 2 items done, 1 failed>"
    assert "ZeroDivisionError" in shown["text/html"]


def test_each_line_of_a_cell_is_resumed_by_itself(kernel: Kernel) -> None:
    lines = (
        "a = %parmap {0} x + 1 for x in range(4)\nb = %parmap {0} 1 / (x - {1}) for x in range(4)"
    )
    assert "ZeroDivisionError" in kernel.run(lines.format("", 2)).error
    assert kernel.run(lines.format("--resume", 2.5)).succeeded
    assert kernel.value("list(a)") == [1, 2, 3, 4]
    assert kernel.value("list(b)") == [-0.5, -1.0, 1 / (2 - 2.5), 1 / (3 - 2.5)]


def test_each_turn_of_a_loop_is_resumed_by_itself(kernel: Kernel) -> None:
    loop = (
        "r = {{}}\nfor p in (1, 10):\n"
        "    r[p] = %parmap {0} 1 / 0 if p == 10 and x == 3 and bad else x * p for x in range(4)"
    )
    kernel.run("bad = True")
    assert "ZeroDivisionError" in kernel.run(loop.format("")).error
    kernel.run("bad = False")
    assert kernel.run(loop.format("--resume")).succeeded
    assert kernel.value("{p: list(xs) for p, xs in r.items()}") == {
        1: [0, 1, 2, 3],
        10: [0, 10, 20, 30],
    }


def test_a_map_without_magic_shows_the_users_frames_only(kernel: Kernel) -> None:
    failed = kernel.run("parmagic.map(lambda x: 1 / x, [1, 0])")
    assert "ZeroDivisionError" in failed.traceback
    assert "/parmagic/" not in failed.traceback
