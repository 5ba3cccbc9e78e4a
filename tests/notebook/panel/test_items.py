"""What an expression gives, shown without using it up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from parmagic.notebook.panel.items import as_clause, names_in, preview


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("", ""),
        ("range(1000)", "1,000 items: 0, 1, 2, 3, 4, …"),
        ("['a', 'b']", "2 items: 'a', 'b'"),
        ("  [7] ", "1 item: 7"),
        ("()", "0 items"),
        ("{'a': 1}", "1 item: 'a'"),
        ("np.arange(3)", "3 items: np.int64(0), np.int64(1), np.int64(2)"),
        ("frame", "1 item: 'column'"),
        ("range(10**30)", "items: 0, 1, 2, 3, 4, …"),
        ("(n for n in numbers)", "a generator, whose items are made as they are needed"),
        ("Generated()", "a Generated, whose items are made as they are needed"),
    ],
)
def test_number_and_first_items_are_shown(expression: str, text: str) -> None:
    names = {"np": np, "numbers": [1], "frame": pd.DataFrame({"column": [1, 2, 3]})}
    shown = preview(expression, {**names, "Generated": Generated})
    assert shown.text == text
    assert not shown.failed


class Generated:
    """Who asks for its items uses them up."""

    def __iter__(self) -> Iterator[int]:
        return iter(())


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("nmbers", "NameError: name 'nmbers' is not defined"),
        ("3", "TypeError: 'int' object is not iterable"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("x = 1", "SyntaxError: "),
        ("exit()", "SystemExit"),
        ("np.array(3)", "TypeError: iteration over a 0-d array"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(expression: str, text: str) -> None:
    def leave() -> None:
        raise SystemExit

    shown = preview(expression, {"np": np, "exit": leave})
    assert shown.failed
    assert shown.text.startswith(text)
    assert "\n" not in shown.text


def test_a_generator_keeps_all_its_items() -> None:
    numbers = iter([1, 2, 3])
    namespace: dict[str, Any] = {"numbers": numbers}
    assert not preview("numbers", namespace).failed
    assert list(numbers) == [1, 2, 3]


@pytest.mark.parametrize(
    ("expression", "clause"),
    [
        ("xs", "x in xs"),
        ("1, 2", "x in (1, 2)"),
        ("a if b else c", "x in (a if b else c)"),
        ("xs if xs", "x in (xs if xs)"),
        ("lambda: 1", "x in (lambda: 1)"),
        ("(n for n in ys)", "x in (n for n in ys)"),
    ],
)
def test_an_expression_is_put_in_brackets_where_a_loop_needs_them(
    expression: str, clause: str
) -> None:
    assert as_clause("x", expression) == clause


def test_the_names_in_an_expression_are_known() -> None:
    assert names_in("f(x, y.z)") == {"f", "x", "y"}
    assert names_in("1 +") == set()
