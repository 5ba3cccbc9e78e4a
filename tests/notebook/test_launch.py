"""``python -m parmagic``, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from kernels import environment
from support import ROOT, wait_until

from parmagic.notebook.launch import FIRST_NOTEBOOK

Write = Callable[..., Path]
Ended = subprocess.CompletedProcess[str]

NO_SCREEN = {"DISPLAY": None, "WAYLAND_DISPLAY": None}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a notebook with these cells."""

    def write(*cells: str, path: str = "some.ipynb") -> Path:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
        )
        (tmp_path / path).parent.mkdir(exist_ok=True)
        nbformat.write(notebook, tmp_path / path)
        return tmp_path / path

    return write


def start(folder: Path, *arguments: str, **variables: str | None) -> subprocess.Popen[str]:
    given = {**environment(folder), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "parmagic", *arguments],
        cwd=folder,
        env={name: value for name, value in given.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def launch(folder: Path, *arguments: str, **variables: str | None) -> Ended:
    process = start(folder, *arguments, **variables)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def test_without_a_screen_the_cells_are_printed_with_what_they_give(write: Write) -> None:
    notebook = write("%load_ext parmagic", "%%parmap x in [3, 4] -> ys\nx * x", "print('ys:')\nys")
    ended = launch(notebook.parent, notebook.name, **NO_SCREEN)
    assert ended.stdout == (
        "There is no screen, so some.ipynb runs here.\n\n"
        "In [1]: %load_ext parmagic\n\n"
        "In [2]: %%parmap x in [3, 4] -> ys\n"
        "   ...: x * x\n"
        "2 items done\n\n"
        "In [3]: print('ys:')\n"
        "   ...: ys\n"
        "ys:\n"
        "[9, 16]\n\n"
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_first_cell_that_fails_is_the_last_one_and_makes_the_exit_code_1(write: Write) -> None:
    notebook = write("1 / 0", "print('never')")
    ended = launch(notebook.parent, notebook.name, "--headless")
    assert ended.returncode == 1
    assert ended.stdout.endswith("ZeroDivisionError: division by zero\n\n")
    assert "\x1b" not in ended.stdout  # no colours, since nobody looks on


def test_a_tag_allows_an_exception_but_a_wrong_use_of_a_magic_is_a_failure(write: Write) -> None:
    path = write("1 / 0", "%load_ext parmagic", "%%parmap --speed 3 x in range(3)\nx", "'never'")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    ended = launch(path.parent, path.name, "--headless")
    assert ended.returncode == 1
    assert "ZeroDivisionError: division by zero\n\nIn [2]" in ended.stdout
    assert "UsageError: unknown option --speed" in ended.stdout.splitlines()[-2]


def test_a_kernel_that_dies_is_a_failure(write: Write) -> None:
    notebook = write("import os\nos._exit(3)")
    ended = launch(notebook.parent, notebook.name, "--headless")
    assert (ended.returncode, ended.stderr) == (1, "The kernel died.\n")


def test_ctrl_c_ends_it_and_the_kernel(write: Write) -> None:
    notebook = write("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)")
    process = start(notebook.parent, notebook.name, "--headless")
    pid = notebook.with_name("pid")
    assert wait_until(lambda: pid.exists() and pid.read_text(), seconds=60)

    os.killpg(process.pid, signal.SIGINT)

    _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "Interrupted.\n")
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_the_project_s_first_notebook_is_the_default_and_runs_in_its_folder(write: Write) -> None:
    notebook = write("import os\nos.path.basename(os.getcwd())", path=str(FIRST_NOTEBOOK))
    ended = launch(notebook.parents[1], "--headless")
    assert ended.stdout.endswith("'notebooks'\n\n")


def test_a_notebook_that_is_not_there_is_named_in_one_line(tmp_path: Path) -> None:
    ended = launch(tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"There is no {FIRST_NOTEBOOK} here. Name a notebook: python -m parmagic FILE\n"
    )


@pytest.mark.parametrize(
    ("missing", "screen"), [("nbclient", None), ("ipykernel", None), ("jupyterlab", ":0")]
)
def test_what_is_not_installed_is_named_in_one_line(
    write: Write, missing: str, screen: str | None
) -> None:
    notebook = write()
    hide = f"import sys\nsys.modules[{missing!r}] = None\n"
    notebook.with_name("sitecustomize.py").write_text(hide)
    ended = launch(
        notebook.parent,
        notebook.name,
        **{**NO_SCREEN, "DISPLAY": screen},
        PYTHONPATH=os.pathsep.join([str(ROOT), str(notebook.parent)]),
    )
    assert ended.returncode == 2
    assert ended.stderr == f"{missing} is not installed: pip install 'parmagic[lab]'\n"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Settings of JupyterLab, with a browser that only notes what it is to open."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    config = tmp_path / "config" / "jupyter_server_config.py"
    config.parent.mkdir()
    config.write_text("c.ServerApp.allow_root = True\n")
    return {
        "BROWSER": str(browser),
        "DISPLAY": ":0",
        "JUPYTER_CONFIG_DIR": str(config.parent),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }


@pytest.fixture
def lab(write: Write, settings: dict[str, str]) -> Iterator[Path]:
    notebook = write("1 + 1")
    process = start(notebook.parent, notebook.name, **settings)
    yield notebook.parent
    process.terminate()
    process.communicate()


def test_where_there_is_a_screen_the_notebook_is_opened_in_jupyterlab(lab: Path) -> None:
    opened = lab / "opened"
    assert wait_until(lambda: opened.exists() and opened.read_text(), seconds=60)
    page = Path(opened.read_text().removeprefix("file://"))
    assert "/lab/tree/some.ipynb?token=" in page.read_text()
