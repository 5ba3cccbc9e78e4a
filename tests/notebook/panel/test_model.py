"""The panel's state, on real workers and without a browser."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest
from support import Gate, Notebook, alive, wait_until

import parmagic
from parmagic.mapping.options import Options
from parmagic.notebook.panel.model import PanelModel
from parmagic.pool.default import default_pool, running_pool

FUNCTIONS = """
from support import Gate
def square(number):
    print("squaring", number)
    return number ** 2
def enter(name):
    gate.enter(name)
    return name
def divide(number):
    return 1 / number
"""


def options(given: Mapping[str, Any], star: bool) -> Options:
    return Options(star=star, **given)


@pytest.fixture
def model(notebook: Notebook, gate: Gate) -> PanelModel:
    notebook.run(FUNCTIONS)
    notebook._names["gate"] = gate
    default_pool(2)
    return PanelModel(notebook._names, {}, options)


def over(model: PanelModel) -> bool:
    return wait_until(lambda: not model.running and model.notice.text)


def fill_in(model: PanelModel, function: str, items: str, name: str = "ys") -> None:
    model.fill_in(function=function, items=items, name=name)


def test_the_newest_function_is_chosen_and_stays_chosen(
    model: PanelModel, notebook: Notebook
) -> None:
    assert model.form.function == "divide"
    notebook.run("def newer(x): ...")
    model.find_functions()
    assert [each.name for each in model.functions][:2] == ["newer", "divide"]
    assert model.form.function == "divide"
    notebook.run("del divide")
    model.find_functions()
    assert model.form.function == "newer"


def test_run_gives_the_results_their_name_and_the_output_to_the_panel(
    model: PanelModel, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_in(model, "square", "range(4)")
    assert model.preview.text == "4 items: 0, 1, 2, 3"
    assert model.cell == "%%parmap number in range(4) -> ys\nsquare(number)"
    model.run()
    assert over(model)
    assert notebook["ys"] == [0, 1, 4, 9]
    assert model.notice.text == "ys has the 4 results"
    assert [each.parts[0].text for each in model.outputs()][:2] == ["squaring 0\n", "squaring 1\n"]
    assert capsys.readouterr().out == ""
    assert model.newest is not None
    assert model.newest.summary().what == "square over range(4)"


def test_while_it_runs_the_workers_are_seen_at_their_items(model: PanelModel, gate: Gate) -> None:
    fill_in(model, "enter", "['a', 'b', 'c']")
    model.set_option("--chunksize", "1")
    model.run()
    gate.wait_for(2)
    crew = model.crew()
    assert (crew.size, crew.count("busy"), crew.missing) == (2, 2, 0)
    assert {row.item for row in crew.workers} == {"'a'", "'b'"}
    assert all(row.now is not None and row.now.seconds > 0 for row in crew.workers)
    assert not model.can_run
    gate.open()
    assert over(model)
    assert sum(row.items_done for row in model.crew().workers) == 3
    assert model.can_run


def test_what_was_stopped_is_resumed(model: PanelModel, notebook: Notebook, gate: Gate) -> None:
    fill_in(model, "enter", "list('abcdef')")
    model.set_option("--chunksize", "1")
    model.run()
    gate.wait_for(2)
    assert model.resumable is None
    model.stop()
    assert over(model)
    assert "Press Resume to run only the rest" in model.notice.text
    assert model.notice.kind == "info"
    gate.open()
    model.resume()
    assert over(model)
    assert notebook["ys"] == list("abcdef")
    assert model.resumable is None


def test_what_failed_is_resumed_with_the_function_as_it_is_now(
    model: PanelModel, notebook: Notebook
) -> None:
    fill_in(model, "divide", "[1, 0, 2]")
    model.set_option("--chunksize", "1")
    model.run()
    assert over(model)
    assert model.notice.kind == "error"
    assert model.notice.text.startswith("ZeroDivisionError: division by zero\nin item 1: 0\n")
    model.fill_in(items="[1, 2]")
    assert model.resumable is None  # not of these items
    model.fill_in(items="[1, 0, 2]")
    notebook.run("def divide(number): return number and 1 / number")
    model.resume()
    assert over(model)
    assert notebook["ys"] == [1.0, 0, 0.5]


def test_the_cell_can_resume_it_too(model: PanelModel) -> None:
    from parmagic.mapping.history import Origin, find_unfinished

    fill_in(model, "divide", "[1, 0, 2]")
    model.run()
    assert over(model)
    header = model.cell.splitlines()[0].removeprefix("%%parmap ").removesuffix(" -> ys")
    assert find_unfinished(header, Origin("a cell", header, 0)) is parmagic.jobs[-1]


@pytest.mark.parametrize(
    ("items", "options", "text"),
    [
        ("", {}, "write what to run it over in the field Items, such as range(10)"),
        ("nmbers", {}, "NameError: name 'nmbers' is not defined"),
        ("3", {}, "TypeError: 'int' object is not iterable"),
        ("[1]", {"--workers": "0"}, "--workers needs a whole number of 1 or more, not 0"),
        ("[1]", {"--timeout": "soon"}, "--timeout needs a number of seconds, such as 2.5"),
        ("[1]", {"--workers": "2 or 3"}, "each option takes one value, without spaces"),
    ],
)
def test_what_cannot_be_run_is_said_and_nothing_is(
    model: PanelModel, items: str, options: dict[str, str], text: str
) -> None:
    before = model.newest
    fill_in(model, "square", items)
    for word, value in options.items():
        model.set_option(word, value)
    model.run()
    assert model.notice.text.startswith(text)
    assert model.notice.kind == "error"
    assert model.newest is before


@pytest.mark.parametrize("name", ["not a name", "1", "for"])
def test_a_wrong_name_is_said_at_once(model: PanelModel, name: str) -> None:
    fill_in(model, "square", "[1]", name)
    model.run()
    assert model.notice.text == f"the results need a name such as ys, not {name!r}"


def test_results_of_any_job_can_be_bound(model: PanelModel, notebook: Notebook) -> None:
    model.bind("ys")
    assert model.notice.text == "there is no job whose results are still there"
    parmagic.map(notebook["square"], [3, 4])
    model.bind("2")
    assert model.notice.kind == "error"
    model.bind("ys")
    assert notebook["ys"] == [9, 16]
    with pytest.raises(ZeroDivisionError):
        parmagic.map(notebook["divide"], [1, 0], chunksize=1)
    model.bind("parts")
    assert notebook["parts"] == {0: 1.0}
    assert model.notice.text == "parts is a dictionary: 1 result so far, by index"


def test_to_explain_runs_nothing(model: PanelModel) -> None:
    before = model.newest
    fill_in(model, "square", "range(4)")
    explained = model.explain()
    assert explained is not None
    assert explained.items == 4
    assert model.newest is before
    fill_in(model, "square", "nmbers")
    assert model.explain() is None
    assert model.notice.kind == "error"


def test_workers_are_added_removed_and_restarted(model: PanelModel) -> None:
    def numbers() -> list[int]:
        return [row.number for row in model.crew().workers if row.state == "idle"]

    assert wait_until(lambda: numbers() == [1, 2])
    model.pool.add_worker()
    assert wait_until(lambda: numbers() == [1, 2, 3])
    model.pool.remove_worker()
    assert wait_until(lambda: numbers() == [1, 2])
    model.pool.restart_worker(1)
    assert wait_until(lambda: numbers() == [2, 4])
    model.pool.restart_all()
    assert wait_until(lambda: numbers() == [5, 6])
    model.pool.stop()
    assert wait_until(lambda: model.crew().size == 0)
    for _ in range(2):
        model.pool.remove_worker()
        model.pool.restart_worker(1)
        model.pool.restart_all()
        model.pool.stop()
    assert running_pool() is None
    model.pool.add_worker()
    assert running_pool() is not None


def test_a_worker_that_is_restarted_or_killed_does_not_stop_the_job(
    model: PanelModel, notebook: Notebook, gate: Gate
) -> None:
    fill_in(model, "enter", "list('abc')")
    for word, value in (("--chunksize", "1"), ("--retries", "1")):
        model.set_option(word, value)
    model.run()
    gate.wait_for(2)
    first, second = model.crew().workers
    model.pool.restart_worker(first.number)
    os.kill(second.pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(first.pid) and not alive(second.pid))
    assert wait_until(lambda: {3, 4} == {row.number for row in model.crew().workers})
    gate.open()
    assert over(model)
    assert notebook["ys"] == list("abc")


def test_memory_and_processor_of_the_workers_are_known(model: PanelModel) -> None:
    assert wait_until(lambda: model.crew().count("idle") == 2)
    assert wait_until(
        lambda: all(
            row.vital.nbytes > 1_000_000 and row.vital.share is not None
            for row in model.crew().workers
        )
    )
