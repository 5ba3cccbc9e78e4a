"""Which functions the panel offers."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
from support import Notebook

from parmagic.notebook.panel.choices import Choice, choices, parameter_of

DEFINED = """
import math, os, typing
from math import sqrt
from pathlib import Path
import parmagic
from parmagic import share
from IPython.display import display
from typing import Any
numbers = [1, 2]
def fit(p, tol=1e-6): ...
class Model:
    def __init__(self, depth): ...
    def __call__(self, x): ...
model = Model(3)
double = lambda x: 2 * x
def _helper(x): ...
"""


class Odd:
    """What says that it can be called, and raises at everything else."""

    def __call__(self) -> None: ...

    @property
    def __signature__(self) -> Any:
        raise RuntimeError


def test_own_functions_come_first_the_newest_above_and_imported_ones_last(
    notebook: Notebook,
) -> None:
    notebook.run(DEFINED)
    offered = choices(notebook._names, {})
    assert offered == [
        Choice("double", "double(x)"),
        Choice("model", "model(x)"),
        Choice("Model", "Model(depth)"),
        Choice("fit", "fit(p, tol)"),
        Choice("Path", "Path · pathlib"),
        Choice("sqrt", "sqrt · math"),
    ]


def test_what_was_there_before_the_first_cell_is_not_offered_unless_it_is_defined_anew() -> None:
    assert choices({"quit": math.sqrt}, {"quit": math.sqrt}) == []
    assert choices({"quit": math.sqrt}, {"quit": math.cos}) == [Choice("quit", "quit · math")]


def test_an_odd_object_does_no_harm() -> None:
    assert [each.name for each in choices({"odd": Odd(), "sqrt": math.sqrt}, {})] == ["odd", "sqrt"]


@pytest.mark.parametrize(
    ("fn", "parameter"),
    [
        (lambda path, tol=1: None, "path"),
        (lambda *paths: None, "item"),
        (lambda: None, "item"),
        (functools.partial(lambda a, b: None, 1), "b"),
        (Path, "item"),
        (Odd(), "item"),
        (None, "item"),
    ],
)
def test_an_item_is_called_what_the_function_calls_it(fn: Any, parameter: str) -> None:
    assert parameter_of(fn) == parameter
