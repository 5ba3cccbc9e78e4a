from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from support import Gate, Notebook, Script, wait_until

from parmagic import ProcessPoolExecutor
from parmagic.mapping.history import jobs
from parmagic.pool.default import stop_default_pool

# Every spawn starts one for good: it is nobody's litter.
resource_tracker.ensure_running()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test after which a process, thread, descriptor or block of shared memory is left."""
    before = _belongings()
    yield
    stop_default_pool(kill=True)
    jobs.clear()
    wait_until(lambda: _tidied_up(before))
    assert not _litter(before)


def _tidied_up(before: set[object]) -> bool:
    if _litter(before):
        gc.collect()
    return not _litter(before)


def _litter(before: set[object]) -> set[object]:
    return {each for each in _belongings() - before if not _belongs_to_one_of(before, each)}


def _belongings() -> set[object]:
    return {*_processes(), *threading.enumerate(), *_descriptors(), *_shared_memory()}


def _processes() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _descriptors() -> Iterator[tuple[str, str]]:
    folder = Path("/proc/self/fd")
    for name in os.listdir(folder):
        try:
            yield name, os.readlink(folder / name)
        except FileNotFoundError:
            continue  # that of the listing itself


def _shared_memory() -> Iterator[str]:
    # Without that of joblib, which a benchmark beside us may run.
    return (name for name in os.listdir("/dev/shm") if not name.startswith(("joblib", "loky")))


def _belongs_to_one_of(owners: set[object], each: object) -> bool:
    # A kernel that several tests use has workers of its own.
    try:
        return isinstance(each, psutil.Process) and any(p in owners for p in each.parents())
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    executor = ProcessPoolExecutor(2)
    yield executor
    executor.kill()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Start a Python program, given as text."""
    started: list[Script] = []

    def start(source: str, *arguments: object, **options: Any) -> Script:
        path = tmp_path / f"script{len(started)}.py"
        path.write_text(source)
        started.append(Script(path, *arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.clean_up()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    return Notebook(main)
