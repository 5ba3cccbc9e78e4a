from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parmagic.worker.surroundings import Surroundings

STATES: dict[str, Callable[[], Any]] = {
    "folder": os.getcwd,
    "path": lambda: sys.path.copy(),
    "environment": os.environ.copy,
}


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("CHANGED", "REMOVED"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("ADDED", "")
    monkeypatch.delenv("ADDED")


def change(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    os.chdir(tmp_path / "elsewhere")
    sys.path.insert(0, "/elsewhere")
    os.environ.update(ADDED="ä=1", CHANGED="after")
    del os.environ["REMOVED"]


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_is_here_can_be_had_there(state: Callable[[], Any], tmp_path: Path) -> None:
    before, here = state(), Surroundings.here()
    change(tmp_path)
    after, there = state(), Surroundings.here()
    assert before != after
    here.apply()
    assert state() == before
    there.apply()
    assert state() == after


def test_they_are_equal_as_long_as_nothing_changes(tmp_path: Path) -> None:
    before = Surroundings.here()
    assert before == Surroundings.here()
    change(tmp_path)
    assert before != Surroundings.here()


def test_programs_started_there_see_the_environment(tmp_path: Path) -> None:
    change(tmp_path)
    here = Surroundings.here()
    os.environ["ADDED"] = "other"
    here.apply()
    assert subprocess.check_output(["sh", "-c", "echo $ADDED"]).decode() == "ä=1\n"


def test_a_folder_that_was_removed_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    here = Surroundings.here()
    os.chdir(tmp_path)
    here.apply()
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("kernels", "workers"),
    [
        ("module://matplotlib_inline.backend_inline", "module://parmagic.worker.figures"),
        ("module://ipympl.backend_nbagg", "module://parmagic.worker.figures"),
        ("nbAgg", "module://parmagic.worker.figures"),
        ("", ""),
        ("Agg", "Agg"),
        ("module://my.backend", "module://my.backend"),
    ],
)
def test_workers_draw_without_the_kernel(kernels: str, workers: str) -> None:
    os.environ["MPLBACKEND"] = kernels
    Surroundings.here().apply()
    assert os.environ["MPLBACKEND"] == workers
