from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

import parmagic
from parmagic.worker.modules import LocalModules

NAME = "module_that_is_edited"


@pytest.fixture
def module_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / f"{NAME}.py"
    file.write_text("def version(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return file


def test_workers_that_have_imported_an_edited_module_are_replaced(module_file: Path) -> None:
    module = importlib.import_module(NAME)
    assert parmagic.map(lambda _: module.version(), range(4)) == [1] * 4
    module_file.write_text("def version(): return 'edited'\n")
    importlib.reload(module)
    assert parmagic.map(lambda _: module.version(), range(4)) == ["edited"] * 4


def test_a_thread_that_never_ends_does_not_keep_such_a_worker(module_file: Path) -> None:
    module = importlib.import_module(NAME)

    def leave_a_thread(_: int) -> int:
        threading.Thread(target=threading.Event().wait).start()
        return module.version()

    assert parmagic.map(leave_a_thread, [0], workers=1) == [1]
    module_file.write_text("def version(): return 'edited'\n")
    importlib.reload(module)
    job = parmagic.map_async(lambda _: module.version(), [0], workers=1)
    assert job.result(10) == ["edited"]


def test_only_what_was_seen_before_the_edit_counts_as_changed(module_file: Path) -> None:
    importlib.import_module(NAME)
    modules = LocalModules()
    module_file.write_text("def version(): return 'edited before it was seen'\n")
    modules.note_new()
    assert not modules.changed()
    module_file.write_text("def version(): return 'edited again'\n")
    assert modules.changed()


def test_a_module_whose_file_is_removed_counts_as_changed(module_file: Path) -> None:
    importlib.import_module(NAME)
    modules = LocalModules()
    modules.note_new()
    module_file.unlink()
    assert modules.changed()


def test_installed_modules_are_not_watched() -> None:
    modules = LocalModules()
    modules.note_new()
    assert not any("site-packages" in file for file in modules.files)
