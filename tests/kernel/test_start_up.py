"""``%%parpool``: a cell that every worker runs once, and every one that replaces it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernels import Kernel
from support import Gate

CELL = """%%parpool --workers 2
import os
print("loading")

weight: int = scaled(2)
def predict(x):
    return weight * x
class Model:
    def __call__(self, x):
        return predict(x)
model, pid, connection = Model(), os.getpid(), "the worker's own"
"""
GIVEN = "factor = 3\ndef scaled(x): return factor * x\nlock = __import__('threading').Lock()"


@pytest.fixture
def started(kernel: Kernel) -> Kernel:
    kernel.run(GIVEN)
    ran = kernel.run(CELL)
    assert ran.succeeded, ran.traceback
    assert ran.stdout == "2 workers:\nloading\n2 workers ran this cell\n"
    return kernel


FORMS = {
    "loop": "%%parmap x in [1, 2] -> ys\npredict(x)",
    "line": "ys = %parmap model(x) for x in [1, 2]",
    "function": "%%parmap [1, 2] -> ys\ndef f(x): return weight * x",
    "lambda": "import parmagic\nys = parmagic.map(lambda x: Model()(x), [1, 2])",
    "replay": "ys = []\n%parmap weight for x in [1]\nfor x in 6, 12: ys.append(x)",
}


@pytest.mark.parametrize("cell", FORMS.values(), ids=FORMS)
def test_its_names_are_there_for_all_that_workers_run(started: Kernel, cell: str) -> None:
    ran = started.run(cell)
    assert ran.succeeded, ran.traceback
    assert started.value("ys") == [6, 12]


def test_each_worker_has_its_own_and_so_has_one_that_replaces_it(started: Kernel) -> None:
    own = "%%parmap --chunksize 1 x in range(6) -> own\nimport os\npid == os.getpid()"
    assert started.run(own).succeeded
    assert started.value("own") == [True] * 6
    died = started.run("%%parmap x in [0]\nos._exit(1)")
    assert died.error.startswith("WorkerDied")
    assert started.run(own).succeeded
    assert started.value("own") == [True] * 6
    started.run("%parpool --restart")
    assert started.run(own).succeeded
    assert started.value("own") == [True] * 6


def test_what_the_notebook_has_is_the_notebooks(started: Kernel) -> None:
    started.run("weight = 100")
    assert started.run("%%parmap x in [1] -> ys\n(weight, predict(x))").succeeded
    assert started.value("ys") == [(100, 6)]
    started.run("del weight")


def test_when_it_is_run_again_it_takes_the_place_of_the_one_before(started: Kernel) -> None:
    again = started.run("%%parpool\nprint('x' * (pid_of := 1) + 'again')\nweight = factor")
    assert again.stdout == "2 workers:\nxagain\n2 workers ran this cell\n"
    started.run("%%parmap x in [1] -> ys\nweight")
    assert started.value("ys") == [3]
    assert started.run("%%parmap x in [1]\npredict(x)").error.startswith("NameError")
    assert started.value(
        "__import__('parmagic.pool.default', fromlist=['']).start_up_cell()"
    ).startswith("print(")
    started.run("%parpool --clear")
    assert started.run("%%parmap x in [1]\nweight").error.startswith("NameError")


def test_what_fails_in_it_shows_its_lines_and_leaves_none(started: Kernel) -> None:
    failed = started.run("%%parpool\nprint('so far')\nweight = 7\n\n1 / 0")
    assert failed.error.startswith("ZeroDivisionError")
    assert "----> 5 1 / 0" in failed.traceback
    assert "so far" in failed.stdout
    assert started.run("%%parmap x in [1]\nweight").error.startswith("NameError")
    dead = started.run("%%parpool\nimport os\nos._exit(3)")
    assert dead.error.startswith("PoolBroken: 3 workers in a row ended before they were ready")
    assert started.run("%%parmap x in [1]\nx").result["text/plain"] == "[1]"


def test_jobs_in_the_background_go_on_while_workers_are_replaced(started: Kernel) -> None:
    started.run("%%parmap --bg --chunksize 1 x in range(40) -> job\ntime.sleep(0.02)\nx")
    assert started.run("%%parpool\nweight = 8").succeeded
    assert started.run("assert await job == [*range(40)]").succeeded


MISTAKES = {
    "return": ("%%parpool\nreturn 5", "SyntaxError: 'return' outside function"),
    "magic": ("%%parpool\n!ls", "UsageError: '!ls' on line 2"),
    "await": ("%%parpool\nawait f()", "UsageError: 'await' on line 2"),
    "option": ("%%parpool --stop\n5", "UsageError: %%parpool runs its cell in every worker"),
    "lock": ("%%parpool\nlock.locked()", "PayloadError: cannot send"),
}


@pytest.mark.parametrize(("cell", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_changes_nothing(started: Kernel, cell: str, message: str) -> None:
    refused = started.run(cell)
    assert message in refused.traceback + refused.error + refused.stderr
    started.run("%%parmap x in [1] -> ys\npredict(x)")
    assert started.value("ys") == [6]


def test_what_only_workers_have_is_explained_in_the_kernel(started: Kernel) -> None:
    for ask in ("%%parmap --serial x in [1]\npredict(x)", "%pardebug"):
        refused = started.start(ask, can_ask=False).finish()
        assert "The %%parpool cell binds 'predict' in the workers only." in refused.traceback


def test_a_name_of_python_may_stand_for_something_else(kernel: Kernel) -> None:
    kernel.run("%%parpool\ninput = [10, 20]\ndef pow(x): return -x")
    found = kernel.run("%parmap (input[x], pow(x)) for x in range(2)")
    assert found.result["text/plain"] == "[(10, 0), (20, -1)]"
    kernel.run("%parpool --clear")


def test_modules_do_not_see_its_names(kernel: Kernel) -> None:
    kernel.run("%%parpool\nsecret = 7")
    kernel.run("import types")
    kernel.run(
        "%%parmap _ in [0] -> seen\nmodule = types.ModuleType('m')\n"
        "exec('def peek(): return secret', vars(module))\n"
        "try:\n    found = module.peek()\nexcept NameError:\n    found = 'no'\nfound, secret"
    )
    assert kernel.value("seen") == [("no", 7)]
    kernel.run("%parpool --clear")


def test_items_that_wait_for_each_other_by_its_names_do_so_beside_each_other(
    kernel: Kernel,
) -> None:
    kernel.run("import multiprocessing\nbarrier = multiprocessing.get_context('spawn').Barrier(2)")
    kernel.run("%%parpool --workers 2\nmeeting = barrier\ndef meet():\n    return meeting.wait(20)")
    met = kernel.run("%parmap meet() for i in range(8)")
    assert met.error == ""
    assert sorted(kernel.value("_")) == [0] * 4 + [1] * 4
    assert (
        "one item each"
        in kernel.run("%parmap --explain meet() for i in range(8)").result["text/plain"]
    )
    kernel.run("%parpool --clear")


def test_a_checkpoint_knows_when_it_has_changed(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(f"path = {str(tmp_path / 'kept')!r}")
    kernel.run("%%parpool\ndef grow(x):\n    return x")
    line = "grown = %parmap --checkpoint path grow(x) for x in range(3)"
    kernel.run(line)
    kernel.run("%%parpool\ndef grow(x):\n    return x * 1000")
    assert "is not the one that made the 3 results" in kernel.run(line).stderr
    kernel.run("%parpool --clear")


def test_one_that_fails_late_does_not_harm_the_next(kernel: Kernel, gate: Gate) -> None:
    kernel.run("from support import Gate\nfrom pathlib import Path")
    kernel.run(f"gate = Gate(Path({str(gate.folder)!r}))")
    waiting = kernel.start("%%parpool\ngate.enter()\n1 / 0")
    gate.wait_for(1)
    kernel.interrupt()
    assert "the next cell waits for them" in waiting.finish().error
    mended = kernel.start("%%parpool\nready = 7")
    gate.open()
    assert mended.finish().error == ""
    assert kernel.run("%parmap ready for x in range(2)").result["text/plain"] == "[7, 7]"
    kernel.run("%parpool --clear")


def test_one_that_fails_in_a_new_worker_says_how_to_go_on(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text("7")
    kernel.run(f"%%parpool --workers 2\nmodel = int(open({str(path)!r}).read())")
    path.unlink()
    kernel.run("%parpool --stop")
    broken = kernel.run("%parmap model for x in range(2)")
    assert broken.error.startswith("PoolBroken: the initializer failed in a worker: FileNotFound")
    assert "let it be forgotten: %parpool --clear" in broken.traceback
    kernel.run("%parpool --clear")
    assert kernel.run("%parmap x for x in range(2)").result["text/plain"] == "[0, 1]"
