from __future__ import annotations

import atexit
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A real shell of this process, whose module ``__main__`` is the notebook's."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    before = dict(vars(builtins))
    config = Config(
        {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
    )
    made = InteractiveShell.instance(config=config)
    made.run_cell("%load_ext parmagic")
    yield made
    made.extension_manager.unload_extension("parmagic")
    made.restore_sys_module_state()
    atexit.unregister(made.atexit_operations)
    InteractiveShell.clear_instance()
    for name in vars(builtins).keys() - before.keys():
        delattr(builtins, name)
