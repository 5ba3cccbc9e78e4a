from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from support import Gate, Notebook, Script, wait_until

from parmagic import ProcessPoolExecutor
from parmagic.mapping import history
from parmagic.pool import default
from parmagic.pool.default import stop_default_pool
from parmagic.worker.memory import memory
from parmagic.worker.segment import Segment

# Every spawn starts one for good: it is nobody's litter.
resource_tracker.ensure_running()


def pytest_collection_finish() -> None:
    """Look for no garbage in what stays: it would take 0.4 s each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test after which a process, thread, descriptor or block of shared memory is left."""
    before = _belongings()
    yield
    stop_default_pool(kill=True)
    default._pool = None  # the next one would be as large
    history.jobs.clear()
    history._finished.clear()
    wait_until(lambda: _tidied_up(before))
    assert not _litter(before)


def _tidied_up(before: set[object]) -> bool:
    if not _litter(before):
        return True
    gc.collect()
    return not _litter(before)


def _litter(before: set[object]) -> set[object]:
    return {each for each in _belongings() - before if not _belongs_to_others(each, before)}


def _belongings() -> set[object]:
    return {*_processes(), *threading.enumerate(), *_descriptors(), *Path("/dev/shm").glob("*")}


def _processes() -> Iterator[psutil.Process]:
    # psutil would look at all processes of the machine: 4 to 10 ms, four times a test.
    parents = [os.getpid()]
    while parents:
        children = [*_children(parents.pop())]
        parents += children
        for pid in children:
            with suppress(psutil.NoSuchProcess):
                yield psutil.Process(pid)


def _children(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            yield from map(int, path.read_text().split())


def _descriptors() -> Iterator[tuple[str, str]]:
    folder = Path("/proc/self/fd")
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # that of the listing itself
            yield name, os.readlink(folder / name)


def _belongs_to_others(each: object, before: set[object]) -> bool:
    match each:
        case psutil.Process():  # a kernel that several tests use has workers of its own
            return _descends_from_one_of(before, each)
        case Path():  # other programs run beside us, such as a benchmark with joblib
            return _is_no_block(each.name) or any(each.name in maps for maps in _maps_of_others())
        case (_, str(target)):  # multiprocessing keeps its heap for good, matplotlib its fonts
            return target.startswith("/dev/shm/pym-") or target.endswith(".ttf")
    return False


def _descends_from_one_of(owners: set[object], process: psutil.Process) -> bool:
    try:
        return any(parent in owners for parent in process.parents())
    except psutil.NoSuchProcess:
        return True


def _is_no_block(name: str) -> bool:
    # A semaphore, a folder, and what a program has that a test of another process started.
    return name.startswith(("sem.", "joblib", "parmagic-"))


def _maps_of_others() -> Iterator[str]:
    for maps in Path("/proc").glob("[0-9]*/maps"):
        if maps.parent.name != str(os.getpid()):
            with suppress(OSError):
                yield maps.read_text()


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


@pytest.fixture
def nothing_held() -> Iterator[None]:
    """Fail a test after which a segment is held that was not before."""
    before = set(memory._holds)
    yield
    assert wait_until(lambda: _let_go(before))


def _let_go(before: set[Segment]) -> bool:
    if set(memory._holds) - before:
        gc.collect()
        memory.settle()
    return not set(memory._holds) - before
