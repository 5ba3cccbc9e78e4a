from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support import Notebook

from parmagic.worker.by_value import dumps
from parmagic.worker.legacy import Legacy
from parmagic.worker.surroundings import Own

CELL = """
import numpy as np

number, names, table, arrays, untouched = 1, ["a"], {}, [np.zeros(2)], ["b"]

def fill():
    global number, new
    number = new = 2
    names.append("c")
    table["key"] = number
    arrays[0] = np.ones(2)
    helper()

def helper():
    global from_helper
    from_helper = untouched[0] + "!"

def look():
    return number, new, names, table, float(sum(arrays[0])), from_helper, untouched
"""


@pytest.fixture
def legacy(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Legacy:
    # What it finds changed since the start of this process is the doing of other tests.
    monkeypatch.setattr("parmagic.worker.legacy.own", Own())
    notebook.run(CELL)
    legacy = Legacy()
    legacy.run(dumps(partial(notebook["fill"])))
    return legacy


def sent(fn: Callable[..., Any], legacy: Legacy) -> Any:
    return legacy.load(dumps(fn))


def test_what_was_set_or_filled_is_left_to_functions_that_come(
    notebook: Notebook, legacy: Legacy
) -> None:
    known = (2, 2, ["a", "c"], {"key": 2}, 2.0, "b!")
    assert sent(notebook["look"], legacy)() == (*known, ["b"])
    notebook.run("untouched, number = ['d'], 7")
    assert sent(notebook["look"], legacy)() == (*known, ["d"])


def test_it_is_the_same_object_for_all_functions(notebook: Notebook, legacy: Legacy) -> None:
    sent(notebook["look"], legacy)()[3]["later"] = 1
    assert sent(notebook["look"], legacy)()[3] == {"key": 2, "later": 1}


def test_functions_of_other_modules_are_left_alone(legacy: Legacy) -> None:
    local = lambda: globals().get("new")  # noqa: E731
    assert sent(local, legacy)() is None
    assert sent(abs, legacy) is abs


def test_what_the_initializer_raises_is_raised(notebook: Notebook) -> None:
    notebook.run("def fail():\n    return 1 // 0")
    with pytest.raises(ZeroDivisionError):
        Legacy().run(dumps(notebook["fail"]))
