from __future__ import annotations

import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from parmagic.worker.hooks import Hook, ImportHooks

Watch = Callable[..., list[ModuleType]]


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hooked.py").write_text("x = 1\ny = x + 1\n")
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("x = 1\n")
    before = set(sys.modules)
    yield tmp_path
    for name in sys.modules.keys() - before:
        del sys.modules[name]


@pytest.fixture
def watch() -> Iterator[Watch]:
    installed: list[ImportHooks] = []

    def start(name: str, then: Hook = lambda module: None) -> list[ModuleType]:
        seen: list[ModuleType] = []

        def hook(module: ModuleType) -> None:
            seen.append(module)
            then(module)

        installed.append(ImportHooks({name: hook}))
        installed[-1].install()
        return seen

    yield start
    for hooks in installed:
        hooks.uninstall()


@pytest.mark.parametrize("name", ["hooked", "package", "package.inner"])
def test_a_hook_sees_the_module_when_it_is_complete(watch: Watch, name: str) -> None:
    seen = watch(name, lambda module: vars(module).update(z=vars(module).get("y", 0) + 1))
    assert seen == []
    module = importlib.import_module(name)
    assert seen == [module]
    assert module.z == (3 if name == "hooked" else 1)
    assert importlib.import_module(name) is module
    assert len(seen) == 1


def test_other_modules_are_left_alone(watch: Watch) -> None:
    seen = watch("hooked")
    importlib.import_module("package.inner")
    assert seen == []


def test_a_module_that_is_there_already_is_seen_at_once(watch: Watch) -> None:
    module = importlib.import_module("hooked")
    assert watch("hooked") == [module]


def test_a_module_that_is_reloaded_is_seen_again(watch: Watch) -> None:
    seen = watch("hooked", lambda module: setattr(module, "x", 100))
    module = importlib.import_module("hooked")
    assert importlib.reload(module) is module
    assert (len(seen), module.x, module.y) == (2, 100, 2)


def test_a_module_shows_no_trace_of_it(watch: Watch) -> None:
    plain = importlib.import_module("hooked")
    kinds = type(plain.__loader__), type(plain.__spec__.loader)
    del sys.modules["hooked"]
    watch("hooked")
    module = importlib.import_module("hooked")
    assert (type(module.__loader__), type(module.__spec__.loader)) == kinds
    assert inspect.getsource(module) == "x = 1\ny = x + 1\n"


@pytest.mark.parametrize(("name", "error"), [("wrong", ZeroDivisionError), ("absent", ImportError)])
def test_an_import_that_fails_fails_as_ever(
    watch: Watch, name: str, error: type[Exception]
) -> None:
    seen = watch(name)
    with pytest.raises(error):
        importlib.import_module(name)
    assert (seen, name in sys.modules) == ([], False)


def test_a_hook_that_fails_does_not_spoil_the_import(watch: Watch) -> None:
    seen = watch("hooked", lambda module: 1 / 0)
    assert importlib.import_module("hooked").y == 2
    assert len(seen) == 1


def test_threads_that_import_at_once_run_the_hook_once(watch: Watch) -> None:
    seen = watch("hooked")
    together = threading.Barrier(4)

    def load() -> None:
        together.wait()
        importlib.import_module("hooked")

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1


def test_two_of_a_kind_do_not_ask_each_other_without_end() -> None:
    ran: list[ModuleType] = []
    hooks = [ImportHooks({"hooked": ran.append}) for _ in range(2)]
    for each in hooks:
        each.install()
    try:
        module = importlib.import_module("hooked")
    finally:
        for each in hooks:
            each.uninstall()
    assert ran == [module, module]
