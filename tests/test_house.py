"""The house: seven floors, imports that point down, no circle, and light workers."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from support import ROOT

import parmagic

FLOORS = ["worker", "pool", "backends", "report", "checkpoint", "mapping", "notebook"]
PACKAGE = ROOT / "parmagic"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


class Import(NamedTuple):
    """That one of our modules imports another, and whether only for its type hints."""

    importer: str
    imported: str
    hints_only: bool


def imports_of(module: str) -> Iterator[Import]:
    yield from _imports(module, ast.parse(MODULES[module].read_text()), hints_only=False)


def _imports(module: str, node: ast.AST, *, hints_only: bool) -> Iterator[Import]:
    for name in _names(node):
        yield Import(module, name, hints_only)
    for child in ast.iter_child_nodes(node):
        in_branch = isinstance(node, ast.If) and child in node.body
        guarded = in_branch and ast.unparse(node.test).endswith("TYPE_CHECKING")
        yield from _imports(module, child, hints_only=hints_only or guarded)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in MODULES)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            candidates = (f"{node.module}.{alias.name}", node.module or "")
            yield from [name for name in candidates if name in MODULES][:1]


def floor(module: str) -> int:
    """Number the floors from 1 up; ``parmagic`` loads nothing and is under them, as their ground.

    ``parmagic.__main__`` is what one starts, and on top of them.
    """
    _, _, rest = module.partition(".")
    return [None, *FLOORS, "__main__"].index(rest.split(".")[0] or None)


IMPORTS = [each for module in MODULES for each in imports_of(module)]


def test_each_folder_is_a_floor() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == {*FLOORS}
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_imports_point_down_or_stay() -> None:
    upward = [each for each in IMPORTS if floor(each.importer) < floor(each.imported)]
    assert [each for each in upward if each.importer != "parmagic"] == []


def test_imports_go_round_in_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for each in IMPORTS:
        if not each.hints_only:
            graph.setdefault(each.importer, set()).add(each.imported)
    assert graph.pop("parmagic")  # on first use of a name only
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def test_the_rules_can_be_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "upward.py"
    path.write_text(
        "from parmagic.mapping.map import map\n"
        "if TYPE_CHECKING:\n    import parmagic.pool.executor\n"
        "def fn():\n    from parmagic.mapping import job\n"
    )
    monkeypatch.setitem(MODULES, "parmagic.worker.upward", path)
    assert list(imports_of("parmagic.worker.upward")) == [
        Import("parmagic.worker.upward", "parmagic.mapping.map", False),
        Import("parmagic.worker.upward", "parmagic.pool.executor", True),
        Import("parmagic.worker.upward", "parmagic.mapping.job", False),
    ]
    assert floor("parmagic.worker.upward") < floor("parmagic.mapping.map")


def loaded_by(code: str) -> set[str]:
    """Run ``code`` in a bare process, and return the names of the modules that it loads."""
    printed = subprocess.check_output(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], text=True, cwd=ROOT
    )
    return set(printed.split())


HEAVY = {"IPython", "ipywidgets", "numpy", "asyncio", "cloudpickle", "inspect", "dataclasses"}


@pytest.mark.parametrize("module", ["parmagic.worker", "parmagic.worker.loop"])
def test_a_worker_loads_nothing_heavy(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert loaded & {*HEAVY, *(f"parmagic.{floor}" for floor in FLOORS[1:])} == set()


def test_parmagic_itself_loads_nothing() -> None:
    assert {name for name in loaded_by("import parmagic") if "parmagic" in name} == {"parmagic"}


def test_the_pool_loads_no_notebook() -> None:
    loaded = loaded_by("import parmagic\nparmagic.map(abs, [-1])")
    assert loaded & {"IPython", "ipywidgets", "numpy", "parmagic.notebook"} == set()


@pytest.mark.parametrize("name", parmagic.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert name in dir(parmagic)
    value = getattr(parmagic, name)
    if callable(value):
        assert inspect.getdoc(value)
        assert value.__module__.startswith("parmagic.")


def test_public_names_are_sorted_and_resolved_alike() -> None:
    assert parmagic.__all__ == sorted(parmagic.__all__)
    assert set(parmagic._HOMES) == set(parmagic.__all__)


def test_other_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'pmap'"):
        parmagic.pmap  # noqa: B018


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert importlib.import_module(module).__doc__
