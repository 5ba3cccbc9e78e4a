"""The magics in a real shell of this process."""

from __future__ import annotations

import threading

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import parmagic
from parmagic.mapping.results import Results
from parmagic.notebook.pool_table import PoolTable
from parmagic.pool.default import running_pool
from parmagic.pool.dispatcher import WorkerState


@pytest.fixture(autouse=True)
def one_worker(shell: InteractiveShell) -> None:
    shell.run_cell("%config ParMagic.workers = 1")


def test_a_magic_called_by_its_name_returns_the_results(shell: InteractiveShell) -> None:
    assert shell.run_line_magic("parmap", "2 * x for x in [1, 2]") == [2, 4]
    assert shell.run_cell_magic("parmap", "x in [1, 2]", "y = x\n3 * y") == [3, 6]
    assert type(shell.run_line_magic("parmap", "x for x in [1]")) is Results


def test_a_named_result_is_not_returned(shell: InteractiveShell) -> None:
    assert shell.run_line_magic("parmap", "2 * x for x in [1, 2] -> ys") is None
    assert shell.user_ns["ys"] == [2, 4]


def test_the_job_is_called_as_it_was_typed(shell: InteractiveShell) -> None:
    shell.run_cell("%%parmap --serial  x in  [1]  if x -> ys\nx")
    assert parmagic.jobs[-1].what == "x in  [1]  if x"


UNDONE = [
    "%%parmap [1, 0] -> ys\ndef f(x): return 1 / x",
    "%%parmap x in [1, 0] -> ys\n1 / x",
    "ys = %parmap 1 / x for x in [1, 0]",
    "%parmap -o ys 1 / x for x in [1, 0]",
    "%%parmap\nys = [1 / x for x in [1, 0]]",
    "%%parmap\nfor x in [1, 0]:\n    ys.append(1 / x)",
    "%%parmap\nfor x in [1, 0]:\n    total += 1 / x",
    "%%parmap\nfor x in [1, 0]:\n    table[x] = 1 / x",
]


@pytest.mark.parametrize("serial", ["", "--serial "])
@pytest.mark.parametrize("cell", UNDONE)
def test_a_cell_that_fails_changes_no_variable(
    shell: InteractiveShell, cell: str, serial: str
) -> None:
    shell.run_cell("ys, total, table = ['before'], 0, {}")
    with capture_output():
        result = shell.run_cell(cell.replace("parmap", f"parmap {serial}", 1))
    assert type(result.error_in_exec) is ZeroDivisionError
    assert [shell.user_ns[name] for name in ("ys", "total", "table")] == [["before"], 0, {}]


@pytest.mark.parametrize(
    "cell",
    [
        "%%parmap --serial x in mark() -> 2\nx",
        "%%parmap --serial x in mark()\nreturn x",
        "%%parmap --serial x in mark() -> ys\ny = x",
        "%%parmap --serial mark() -> ys, zs\ndef f(x): return x",
        "%%parmap --serial [1]\nmark()\nlambda x: x",
        "%%parmap -> ys\nmark()\nfor x in [1]:\n    out.append(x)",
        "%%parmap\nmark()\nfor x in [1]:\n    break",
        "%parmap --serial {x for x in mark()}",
        "%parmap --serial --workers 0 x for x in mark()",
    ],
)
def test_a_mistake_is_found_before_anything_runs(shell: InteractiveShell, cell: str) -> None:
    shell.run_cell("marks, out = [], []\ndef mark():\n    marks.append(1)\n    return [1]")
    with capture_output():
        assert type(shell.run_cell(cell).error_in_exec) is UsageError
    assert shell.user_ns["marks"] == []


def test_a_variable_that_a_loop_fills_has_to_exist_before_it_runs(shell: InteractiveShell) -> None:
    shell.run_cell("marks = []")
    with capture_output():
        result = shell.run_cell("%%parmap --serial\nfor x in [1]:\n    missing.append(x)")
    assert str(result.error_in_exec) == "name 'missing' is not defined"
    assert not parmagic.jobs


def test_the_last_that_can_be_called_is_the_function(shell: InteractiveShell) -> None:
    cell = "%%parmap --serial [1] -> ys\ndef f(x): return 'f'\ng = lambda x: 'g'\nn = 3"
    shell.run_cell(cell)
    assert shell.user_ns["ys"] == ["g"]


def test_a_serial_run_starts_no_worker_and_sees_the_notebook_itself(
    shell: InteractiveShell,
) -> None:
    shell.user_ns["seen"] = []
    shell.user_ns["thread"] = threading.get_ident
    shell.run_cell("def note(x):\n    seen.append(thread())")
    shell.run_cell("%%parmap --serial x in range(3)\nnote(x)")
    assert shell.user_ns["seen"] == [threading.get_ident()] * 3
    assert running_pool() is None


def test_loading_starts_no_worker(shell: InteractiveShell) -> None:
    assert running_pool() is None


def test_unloading_takes_the_magics_away_and_loading_brings_them_back(
    shell: InteractiveShell,
) -> None:
    kinds = {"line": {"parmap", "parpool"}, "cell": {"parmap"}}
    for load in ("unload", "load"):
        getattr(shell.extension_manager, f"{load}_extension")("parmagic")
        magics = shell.magics_manager.lsmagic()
        for kind, names in kinds.items():
            assert names & set(magics[kind]) == (names if load == "load" else set())


def test_a_pool_is_a_table_of_its_workers() -> None:
    table = PoolTable([WorkerState(1, 4711, "busy", 12)], missing=2)
    heading, row, rest = repr(table).splitlines()
    assert heading.split() == ["number", "pid", "state", "chunks_done"]
    assert row.split() == ["1", "4711", "busy", "12"]
    assert rest == "2 workers to start"


@pytest.mark.parametrize(
    ("missing", "text"),
    [(0, "no workers; the next use of the pool starts them"), (1, "1 worker to start")],
)
def test_a_pool_without_workers_says_so(missing: int, text: str) -> None:
    assert repr(PoolTable([], missing)) == text


def test_the_table_is_escaped_in_html() -> None:
    html = PoolTable([WorkerState(1, 2, "<b>", 3)])._repr_html_()
    assert html.startswith("<pre>")
    assert "&lt;b&gt;" in html


def test_parpool_says_what_there_is(shell: InteractiveShell) -> None:
    assert repr(shell.run_line_magic("parpool", "")) == repr(PoolTable([]))
    table = shell.run_line_magic("parpool", "--workers 2")
    assert len(table.workers) + table.missing == 2
    assert repr(shell.run_line_magic("parpool", "--stop")) == repr(PoolTable([]))
    assert running_pool() is None


def test_parpool_restarts_with_the_configured_number(shell: InteractiveShell) -> None:
    table = shell.run_line_magic("parpool", "--restart")
    assert len(table.workers) + table.missing == 1


@pytest.mark.parametrize("line", ["--star x, y in [(1, 2)]", "--star x for x in [1]"])
def test_star_is_for_functions(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError, match="a loop has none: its header has x"):
        if " for " in line:
            shell.run_line_magic("parmap", line)
        else:
            shell.run_cell_magic("parmap", line, "x + y")


def test_variables_that_a_query_of_pandas_names_are_there(shell: InteractiveShell) -> None:
    shell.run_cell("import pandas as pd\nframe, least = pd.DataFrame({'age': [1, 2, 3]}), 1")
    line = "len(frame.query('age > @least')) for _ in range(2)"
    assert shell.run_line_magic("parmap", line) == [2, 2]


def test_the_name_that_messages_speak_of_is_there(shell: InteractiveShell) -> None:
    assert shell.user_ns["parmagic"] is parmagic
