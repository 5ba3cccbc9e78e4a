"""Trees run under the name of the cell that they come from."""

from __future__ import annotations

import ast
import inspect
import linecache
import traceback
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from parmagic.notebook.source import Source


def module(code: str) -> ast.Module:
    return ast.parse(code)


def test_a_cell_keeps_its_lines_for_tracebacks(shell: InteractiveShell) -> None:
    source = Source.of_cell(shell, "%%parmap x in xs", "a = 1\nb = 2\n")
    assert linecache.getlines(source.filename) == ["# %%parmap x in xs\n", "a = 1\n", "b = 2\n"]


def test_a_cell_is_known_by_the_number_of_its_prompt(shell: InteractiveShell) -> None:
    shell.run_cell("1", store_history=True)
    shell.run_cell("%%parmap --serial x in [0]\n1 / x", store_history=True)
    (filename,) = {
        name for name, number in shell.compile._filename_map.items()
        if linecache.getline(name, 1) == "# %%parmap --serial x in [0]\n" and number == 2
    }  # fmt: skip
    assert "1 / x" in linecache.getlines(filename)[1]


def test_what_runs_sees_and_changes_the_notebook() -> None:
    namespace = {"a": 1}
    source = Source(namespace, "<cell>")
    source.execute(module("b = a + 1\ndef f(): return b"))
    assert namespace["b"] == 2
    assert source.evaluate(ast.parse("[f(), a]", mode="eval")) == [2, 1]


@pytest.mark.parametrize(
    ("local_ns", "value"),
    [(None, [1, 2]), ({"a": 10}, [10, 2]), ({"c": 0}, [1, 2]), ({"a": 10, "b": 20}, [10, 20])],
)
def test_local_variables_hide_those_of_the_notebook(
    local_ns: dict[str, Any] | None, value: list[int]
) -> None:
    namespace = {"a": 1, "b": 2}
    source = Source(namespace, "<cell>")
    assert source.evaluate(ast.parse("[a, b]", mode="eval"), local_ns) == value
    assert source.define(module("def f(): return [a, b]"), "f", local_ns)() == value
    assert set(namespace) - {"__builtins__"} == {"a", "b"}


def test_a_function_of_the_notebook_has_its_variables_themselves() -> None:
    namespace = {"a": 1}
    fn = Source(namespace, "<cell>").define(module("def f(): return a"), "f", namespace)
    namespace["a"] = 2
    assert fn() == 2


def test_a_body_looks_like_the_cell_itself(shell: InteractiveShell) -> None:
    source = Source.of_cell(shell, "%%parmap x in xs", "y = x\n1 / y\n")
    fn: Any = source.define_body(module("\n\ndef body(x):\n    y = x\n    return 1 / y"), "body")
    assert (fn.__name__, fn.__code__.co_name, fn.__code__.co_qualname) == (
        "<cell>", "<module>", "<module>",
    )  # fmt: skip
    assert fn.__code__.co_firstlineno == 1
    assert fn.__code__.co_filename == source.filename
    with pytest.raises(ZeroDivisionError) as caught:
        fn(0)
    assert traceback.extract_tb(caught.tb)[-1].lineno == 5


@pytest.mark.parametrize("lines_above", [0, 3])
def test_trees_stand_where_the_line_stands(lines_above: int) -> None:
    source = Source({}, "<cell>", lines_above=lines_above)
    with pytest.raises(ZeroDivisionError) as caught:
        source.evaluate(ast.parse("1 / 0", mode="eval"))
    assert caught.tb.tb_next.tb_next.tb_lineno == 1 + lines_above
    fn: Any = source.define_body(module("def body():\n    1 / 0"), "body")
    assert fn.__code__.co_firstlineno == 1
    with pytest.raises(ZeroDivisionError) as caught:
        fn()
    assert caught.tb.tb_next.tb_lineno == 2 + lines_above


def test_the_caller_is_the_line_of_the_notebook(shell: InteractiveShell) -> None:
    shell.user_ns["of_caller"] = lambda: Source.of_caller(shell)
    shell.run_cell("\n\nsource = of_caller()", store_history=True)
    assert linecache.getline(shell.user_ns["source"].filename, 1) == "source = of_caller()\n"
    shell.run_cell("1\ndef f():\n    return of_caller()\nsource = f()", store_history=True)
    found = shell.user_ns["source"]
    with pytest.raises(ZeroDivisionError) as caught:
        found.evaluate(ast.parse("1 / 0", mode="eval"))
    assert traceback.extract_tb(caught.tb)[-1].line == "return of_caller()"


def test_a_caller_outside_of_the_notebook_has_a_name_too(shell: InteractiveShell) -> None:
    assert Source.of_caller(shell).filename == "<magic>"


def test_the_source_of_a_function_of_the_cell_can_be_asked_for(shell: InteractiveShell) -> None:
    shell.run_cell("%%parmap --serial [1] -> ys\n\ndef f(x):\n    return x  # this line")
    assert inspect.getsource(shell.user_ns["f"]) == "def f(x):\n    return x  # this line\n"
