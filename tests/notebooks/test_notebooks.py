"""The notebooks run, and give what they show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import pytest
from kernels import environment, plain
from nbclient import NotebookClient
from support import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SANITIZE = Path(__file__).with_name("sanitize.cfg")
# Where people have their files, and where this project's are now.
PLACES = ("~/", "/home/", "/Users/", "/root/", "/tmp/", str(ROOT))

Texts = dict[str, str]

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_gives_what_it_shows(path: Path, tmp_path: Path) -> None:
    compared = compare(path, tmp_path)
    assert compared.returncode == pytest.ExitCode.OK, compared.stdout


def test_a_wrong_output_is_noticed_wherever_it_stands(tmp_path: Path) -> None:
    load, numbers, squares, printed = code_cells(read("01-first-minute"))[:4]
    wrong = [
        tampered(squares, "10 items done", "11 items done"),  # the text of the report
        tampered(squares, "<bdi>25</bdi>", "<bdi>26</bdi>"),  # its HTML
        tampered(printed, "25", "26"),
    ]
    assert noticed([load, numbers, squares, *wrong], tmp_path) == wrong


def test_a_wrong_failure_is_noticed_wherever_it_stands(tmp_path: Path) -> None:
    load, files, failed = code_cells(read("03-errors-and-interrupts"))[:3]
    wrong = [
        tampered(failed, "11 of 12 items done, 1 failed", "12 of 12 items done, 1 failed"),
        tampered(failed, "11 of 12 items done \\u00b7 1 failed", "11 of 12 items done"),  # HTML
        tampered(failed, '"evalue": "could not', '"evalue": "could now'),
    ]
    assert noticed([load, files, failed, *wrong], tmp_path) == wrong


def noticed(cells: list[Any], folder: Path) -> list[Any]:
    """Return those of ``cells`` whose outputs are not what they give."""
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=read("01-first-minute").metadata)
    path = folder / "tampered.ipynb"
    nbformat.write(notebook, path)
    compared = compare(path, folder)
    assert compared.returncode == pytest.ExitCode.TESTS_FAILED
    failed = re.findall(r"^FAILED .*::Cell (\d+)", compared.stdout, re.MULTILINE)
    return [cells[int(number)] for number in failed]


def tampered(cell: Any, shown: str, wrong: str) -> Any:
    text = json.dumps({**cell, "id": uuid4().hex})
    assert shown in text
    return nbformat.from_dict(json.loads(text.replace(shown, wrong)))


@each_notebook
def test_a_notebook_is_saved_as_it_ran_from_top_to_bottom(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(read(path.stem))]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_a_saved_notebook_holds_nothing_that_changes_with_every_run(path: Path) -> None:
    notebook = read(path.stem)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}
    assert all(cell.id.replace("-", "").isalpha() for cell in notebook.cells)


@each_notebook
def test_a_saved_notebook_names_no_place_of_the_machine_that_it_ran_on(path: Path) -> None:
    outputs = json.dumps([cell.outputs for cell in code_cells(read(path.stem))])
    assert not [place for place in PLACES if place in outputs]


def test_the_twenty_worst_functions_are_shown_from_the_worst_on(first_minute: Texts) -> None:
    functions, _, _, *rows = first_minute["worst"].splitlines()
    complexities = [int(row.split()[0]) for row in rows]
    assert int(functions.split()[0].replace(",", "")) > 10_000
    assert len(rows) == 20
    assert complexities == sorted(complexities, reverse=True)
    assert complexities[-1] > 30


def test_the_parallel_and_the_serial_measure_are_the_same(first_minute: Texts) -> None:
    assert first_minute["same"] == "True"


def test_every_file_of_the_library_is_an_item(first_minute: Texts) -> None:
    files = first_minute["files"].split()[0]
    assert first_minute["measure"] == f"{files} items done"


def test_what_the_items_print_is_under_their_cell(functions_and_loops: Texts) -> None:
    report, *lines = functions_and_loops["printing"].splitlines()
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    said = [f"item {index}: {word} has {len(word)} letters" for index, word in enumerate(words)]
    assert lines == said
    assert report == "7 items done"


def test_an_exception_shows_the_line_of_its_cell_and_its_item(functions_and_loops: Texts) -> None:
    assert "----> 3 share / number" in functions_and_loops["divide"]
    assert "ZeroDivisionError: division by zero\nin item 2: 0" in functions_and_loops["divide"]


def test_what_cannot_be_sent_is_named(functions_and_loops: Texts) -> None:
    assert "'connection' (line 2)" in functions_and_loops["refused-connection"]


def test_the_pool_shows_its_workers(functions_and_loops: Texts) -> None:
    assert functions_and_loops["pool-shown"].count("idle") == 2


def test_a_mended_cell_runs_only_the_rest(errors_and_interrupts: Texts) -> None:
    for cell in ("resumed", "checkpoint-resumed"):
        assert errors_and_interrupts[cell] == "12 items done (11 of them kept from before)"


def test_interrupt_keeps_what_had_finished(errors_and_interrupts: Texts) -> None:
    interrupted = errors_and_interrupts["interrupted"]
    assert interrupted.startswith("4 of 5 items done, 1 pending, interrupted\n")
    assert "KeyboardInterrupt: 4 results kept in parmagic.jobs[-1]" in interrupted


def test_a_crash_shows_its_line_its_item_and_its_last_prints(errors_and_interrupts: Texts) -> None:
    crashed = errors_and_interrupts["crashed"]
    assert "line 8, in size_of()" in crashed
    assert "while it ran item 3 ('storm.png')" in crashed
    assert "It printed last:\n    header: 99999999 x 99999999 pixels\n" in crashed


def test_threads_and_processes_count_alike(executor_and_pool: Texts) -> None:
    assert executor_and_pool["same"] == "True"
    assert executor_and_pool["measure"].count(" s") == 3


def test_a_pool_has_processes_and_ends_them(executor_and_pool: Texts) -> None:
    _, running, closed, ended = [
        line for line in executor_and_pool["processes"].splitlines() if line
    ]
    assert running == "a process of its own: True · it runs: True"
    assert "state=CLOSE" in closed
    assert ended == "it runs: False"


def test_a_dead_process_is_named_and_replaced(executor_and_pool: Texts) -> None:
    assert "while it ran item 1 ('big.tif')" in executor_and_pool["dies"]
    assert "['SMALL.TIF', 'OTHER.TIF']" in executor_and_pool["dies"]


def test_what_a_notebook_writes_is_gone_after_it(
    errors_and_interrupts: Texts, temporary: Path
) -> None:
    assert "2024-12.csv" in errors_and_interrupts["files"]
    assert list(temporary.iterdir()) == []


def test_the_panel_as_text_has_the_workers_and_the_jobs(tmp_path: Path) -> None:
    panel = dict(texts_of("06-panel-and-background", tmp_path))
    assert panel["empty-panel"] == "No workers yet: the first job starts them."
    assert panel["same"] == "True"
    *workers, second, first = panel["full-panel"].splitlines()
    assert sum(int(each.split()[4]) for each in workers[1:]) == 48
    for number, line in enumerate((first, second), 1):
        assert line.startswith(f"job {number} · ")
        assert " · width in widths · 24 items done · " in line


@pytest.fixture(scope="module")
def first_minute(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    return dict(texts_of("01-first-minute", tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def functions_and_loops(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    return dict(texts_of("02-functions-and-loops", tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def errors_and_interrupts(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Texts:
    folder = tmp_path_factory.mktemp("run")
    return dict(texts_of("03-errors-and-interrupts", folder, TMPDIR=str(temporary)))


@pytest.fixture(scope="module")
def executor_and_pool(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    return dict(texts_of("08-executor-and-pool", tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place for temporary files of the third notebook."""
    return tmp_path_factory.mktemp("temporary")


def texts_of(stem: str, folder: Path, **places: str) -> Iterator[tuple[str, str]]:
    """Run a notebook, and yield each code cell's id with the text of its outputs."""
    notebook = read(stem)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, resources=resources).execute(env={**environment(folder), **places})
    for cell in code_cells(notebook):
        yield cell.id, "\n".join(map(text_of, cell.outputs)).strip()


def text_of(output: Any) -> str:
    match output.output_type:
        case "stream":
            return output.text.rstrip("\n")
        case "error":
            return plain("\n".join(output.traceback))
    return output.data["text/plain"]


def read(stem: str) -> Any:
    return nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def compare(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook with nbval, away from the settings of this project's own tests."""
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", SANITIZE]
    apart = ["-c", os.devnull, "--rootdir", path.parent, "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *nbval, *apart, path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(folder),
    )
