"""What %pardebug is asked for, and which item that is."""

from __future__ import annotations

import importlib
import json
import sys
from types import TracebackType
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from parmagic.mapping.job import Job
from parmagic.mapping.options import Options
from parmagic.notebook.debugger import OwnCodeFirst, debug_item, find_item
from parmagic.notebook.options import PARDEBUG, parse_pardebug
from parmagic.worker.errors import WorkerDied

NOTEBOOK = {"n": 3, "text": "5", "half": 2.5}


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", {}),
        ("  ", {}),
        (";", {}),
        ("0", {"index": 0}),
        ("12;", {"index": 12}),
        ("n", {"index": 3}),
        ("text", {"index": 5}),
        ("--force", {"force": True}),
        ("--force 3", {"force": True, "index": 3}),
        (" 3  --force ", {"force": True, "index": 3}),
        ("--force n --force", {"force": True, "index": 3}),
    ],
)
def test_a_line_names_an_item_and_an_option(line: str, options: dict[str, Any]) -> None:
    parsed = parse_pardebug(line, NOTEBOOK)
    assert (parsed.options, parsed.rest, parsed.name) == (options, "", None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-1", "%pardebug needs a whole number of 0 or more, not -1"),
        ("half", "%pardebug needs a whole number of 0 or more, not half"),
        ("x", "%pardebug needs a whole number of 0 or more, not x"),
        ("-q", "%pardebug needs a whole number of 0 or more, not -q"),
        ("1 2", "%pardebug takes the index of one item, not '1 2'"),
        ("n + 1", "%pardebug takes the index of one item, not 'n + 1'"),
        ("--forced", "unknown option --forced. Did you mean --force?"),
        ("1 --forced", "unknown option --forced. Did you mean --force?"),
        ("--force=1", "--force takes no value"),
    ],
)
def test_a_wrong_line_says_what_is_wanted(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pardebug(line, NOTEBOOK)
    assert str(caught.value).startswith(message)


def ran(*items: float, what: str) -> Job[float]:
    """Run a job over ``items``, in which 0 fails."""
    options = Options(serial=True, return_exceptions=True)
    job = Job(lambda x: 1 / x, items, options, what=what)
    job.run()
    return job


@pytest.mark.parametrize(
    ("index", "name", "found"),
    [(None, "failed", 1), (0, "interrupted", 0), (7, "interrupted", 7)],
)
def test_of_several_jobs_the_newest_is_meant_that_fits(
    index: int | None, name: str, found: int
) -> None:
    jobs = {
        "old": ran(0, 0, what="old"),
        "failed": ran(1, 0, 2, 0, what="failed"),
        "interrupted": Job(interrupt, [1, 2], Options(serial=True)),
        "last": None,
    }
    with pytest.raises(KeyboardInterrupt):
        jobs["interrupted"].run()
    ran(1, what="last")
    assert find_item(index) == (jobs[name], found)


def interrupt(x: int) -> None:
    raise KeyboardInterrupt


def test_if_all_went_well_an_index_means_the_last_job() -> None:
    ran(1, what="first")
    last = ran(1, what="last")
    assert find_item(0) == (last, 0)


def test_the_value_of_an_item_that_runs_well_is_returned(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(2, 0, what="x in xs")
    assert debug_item(shell, 0) == 0.5
    assert capsys.readouterr().out.startswith("item 0 of 'x in xs': 2\n")


def test_a_worker_that_died_is_described_and_how_to_do_it_all_the_same(
    shell: InteractiveShell,
) -> None:
    job = ran(1, 0, what="x in xs")
    job.outcomes.errors[1] = WorkerDied(2, -9, 1, "0", output="the last words")
    with pytest.raises(UsageError) as caught:
        debug_item(shell)
    assert str(caught.value).splitlines() == [
        "item 1 ended its worker, and would end the kernel with all its variables.",
        "WorkerDied: worker 2 was killed by signal 9 while it ran item 1 (0)."
        " Signal 9 often means that memory ran out.",
        "It printed last:",
        "    the last words",
        "    To run it all the same:     %pardebug --force 1",
    ]


def traceback_of(call: Any) -> TracebackType | None:
    try:
        call()
    except Exception as error:
        return error.__traceback__
    return None


def shown_first(traceback: TracebackType | None) -> str:
    stack, index = OwnCodeFirst().get_stack(None, traceback)
    return stack[index][0].f_code.co_name


@pytest.mark.parametrize(
    "call",
    [
        lambda: json.loads("{"),
        lambda: importlib.import_module("no_such_module"),
        lambda: pytest.importorskip("numpy").zeros(2).reshape(3),
        lambda: pytest.importorskip("pandas").Series([1]).loc["gone"],
        lambda: 1 / 0,
    ],
    ids=["the standard library", "an import", "numpy", "compiled code of pandas", "none"],
)
def test_the_frame_that_is_shown_first_is_the_users(call: Any) -> None:
    assert shown_first(traceback_of(call)) == "<lambda>"


def test_without_a_frame_of_the_users_it_is_the_innermost() -> None:
    traceback = traceback_of(lambda: json.loads("{"))
    assert traceback is not None
    in_json = traceback.tb_next.tb_next
    assert shown_first(in_json) == "raw_decode"


def test_a_program_that_runs_is_shown_as_ever() -> None:
    frame = sys._getframe()
    debugger = OwnCodeFirst()
    debugger.reset()
    stack, index = debugger.get_stack(frame, None)
    assert stack[index][0] is frame


@pytest.mark.parametrize("typed", ["%pardebug --", "%pardebug --f", "value = %pardebug -"])
def test_tab_offers_its_options(shell: InteractiveShell, typed: str) -> None:
    with provisionalcompleter():
        offered = {each.text for each in shell.Completer.completions(typed, len(typed))}
    assert offered == {option.word for option in PARDEBUG}


def test_loading_brings_it_and_unloading_takes_it_away(shell: InteractiveShell) -> None:
    assert shell.find_line_magic("pardebug") is not None
    shell.extension_manager.unload_extension("parmagic")
    assert shell.find_line_magic("pardebug") is None
    shell.extension_manager.load_extension("parmagic")


def test_a_mistake_shows_no_traceback(shell: InteractiveShell) -> None:
    with capture_output() as captured:
        shell.run_cell("%pardebug")
    assert captured.stderr == "UsageError: there is no job to look into yet: first comes %%parmap\n"
