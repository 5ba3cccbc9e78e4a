"""Executors of the standard library as backends, and how `use` finds a backend at all."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from backends.table import CASES, There, run
from support import Script, wait_until

import parmagic
from parmagic.worker import remote


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    return main


def test_threads_give_the_same_as_the_local_pool(main: ModuleType, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        there = There(executor, "ThreadPoolExecutor", main, tmp_path, copies=False)
        assert len(run(there)) == len(CASES)


def test_processes_give_the_same_as_the_local_pool(main: ModuleType, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        there = There(executor, "ProcessPoolExecutor", main, tmp_path, survives=False, stops=False)
        assert len(run(there)) == len(CASES)


class AtOnce(Executor):
    """Runs each call in the thread that submits it, and keeps what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append(args)
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def test_any_executor_will_do_also_one_that_runs_in_this_thread(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sys.stdout, sys.stderr
    results = parmagic.map(lambda x: print(x) or x + 1, range(5), on=AtOnce())
    assert results == [1, 2, 3, 4, 5]
    assert [output.item for output in results.report.outputs] == list("01234")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.split() == list("01234")


def test_a_large_function_goes_only_to_those_that_lack_it() -> None:
    array = np.arange(200_000)
    executor = AtOnce()
    assert parmagic.map(lambda x: int(array[x]), range(40), on=executor, chunksize=1)[-1] == 39
    with_function = [payload for _, payload in executor.calls if payload is not None]
    assert [len(payload) > array.nbytes for payload in with_function] == [True]


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = remote.versions()
    answers = iter([("3.8", "0.0.1"), *[theirs] * 9])
    monkeypatch.setattr(remote, "versions", lambda: next(answers))
    with pytest.raises(parmagic.BackendError, match=r"Python 3\.8 and parmagic 0\.0\.1.*install"):
        parmagic.map(abs, [1], on=AtOnce())


class Without(AtOnce):
    """Its workers have no parmagic."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ModuleNotFoundError("No module", name="parmagic"))
        return future


def test_parmagic_must_be_installed_there() -> None:
    with pytest.raises(parmagic.BackendError, match="not installed where Without runs"):
        parmagic.map(abs, [1], on=Without())


def test_use_goes_back_at_the_end_of_the_block() -> None:
    with ThreadPoolExecutor(1) as executor:
        with parmagic.use(executor) as used:
            assert repr(used) == "<parmagic uses ThreadPoolExecutor>"
            assert parmagic.backend_name() == "ThreadPoolExecutor"
            with parmagic.use("local"):
                assert parmagic.backend_name() is None
            name = parmagic.map(lambda _: threading.current_thread().name, [0])
            assert name[0].startswith("ThreadPoolExecutor")
        assert parmagic.backend_name() is None


def test_an_executor_of_parmagics_own_is_used_with_all_that_it_does() -> None:
    with parmagic.ProcessPoolExecutor(1) as executor:
        results = parmagic.map(lambda x: x + 1, range(3), on=executor, timeout=30)
        assert results == [1, 2, 3]
        assert results.report.workers == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", "no backend 'nowhere'.* local, ray"),
        ("ray", "not initialised|not installed"),
        (sys, "the module sys is no backend"),
        (3, "a int is no backend"),
    ],
)
def test_what_is_no_backend_is_refused(given: Any, message: str) -> None:
    with pytest.raises(parmagic.BackendError, match=message):
        parmagic.use(given)
    assert parmagic.backend_name() is None


# dask changes how tracebacks are pickled: in a program of its own.
NO_SCHEDULER = """
import parmagic
try:
    parmagic.use("tcp://127.0.0.1:1")
except parmagic.BackendError as error:
    print(str(error).partition(" at ")[0], parmagic.backend_name())
"""


def test_an_address_without_a_scheduler_is_refused(script: Callable[..., Script]) -> None:
    ended = script(NO_SCHEDULER).end()
    assert ended.output == "no dask scheduler answers None\n", ended.errors


def test_serial_and_on_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="leave out on"):
        parmagic.map(abs, [1], serial=True, on="local")


def test_others_register_a_backend_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "others-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[parmagic.backends]\nothers = others_farm:make\n")
    (tmp_path / "others_farm.py").write_text(
        "from backends.test_executors import AtOnce\ndef make():\n    return AtOnce()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with parmagic.use("others"):
        assert parmagic.backend_name() == "others"
        assert parmagic.map(abs, [-1]) == [1]


def test_what_other_threads_print_is_not_taken_for_an_items(
    capsys: pytest.CaptureFixture[str],
) -> None:
    running, printed = threading.Event(), threading.Event()

    def wait(x: int) -> int:
        print("the item")
        running.set()
        printed.wait(20)
        return x

    with ThreadPoolExecutor(1) as executor:
        job = parmagic.map_async(wait, [0], on=executor)
        assert running.wait(20)
        print("the notebook")
        printed.set()
        assert wait_until(job.done)
    (output,) = job.report().outputs
    assert [part.text for part in output.parts] == ["the item\n"]
    assert "the notebook" in capsys.readouterr().out


def test_explain_says_where_it_would_run_and_what_would_be_sent() -> None:
    array = np.zeros(100_000)
    lock = threading.Lock()
    with ThreadPoolExecutor(3) as executor:
        threads = parmagic.explain(lambda x: (array, lock), range(4), on=executor)
    assert threads.backend == "ThreadPoolExecutor: 3 workers"
    assert not threads.problem
    assert {captured.route for captured in threads.captured} == {"used as it is"}
    processes = parmagic.explain(lambda x: array[x], range(4), on=AtOnce())
    assert processes.backend.startswith("AtOnce: ")
    assert [captured.route for captured in processes.captured] == ["with the function"]
    assert processes.function_bytes is not None
    assert processes.function_bytes > array.nbytes
