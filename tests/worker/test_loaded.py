"""What is taken for imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from support import Gate

from parmagic.worker import inheritance
from parmagic.worker.loaded import loaded

SLOW = """
from pathlib import Path
from support import Gate

Gate(Path({folder!r})).enter()
"""
NAME = "slow_to_import"


@pytest.fixture
def importing(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[threading.Thread]:
    """Yield a thread that is amid the import of a module, until the gate opens."""
    (tmp_path / f"{NAME}.py").write_text(SLOW.format(folder=str(gate.folder)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, NAME, None)  # so that it is taken away in the end
    del sys.modules[NAME]
    thread = threading.Thread(target=import_module, args=(NAME,))
    thread.start()
    gate.wait_for(1)
    yield thread
    gate.open()
    thread.join()


def test_a_module_is_loaded_when_its_import_is_over(
    gate: Gate, importing: threading.Thread
) -> None:
    assert NAME in sys.modules
    assert loaded(NAME) is None
    gate.open()
    importing.join()
    assert loaded(NAME) is sys.modules[NAME]
    assert loaded("never_imported") is None


@pytest.mark.usefixtures("importing")
def test_objects_of_a_module_that_is_being_imported_are_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "multiprocessing.synchronize", sys.modules[NAME])
    assert inheritance.reducers()
