"""``python -m parmagic``: a notebook in JupyterLab, or in a terminal that has no screen."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FIRST_NOTEBOOK = Path("notebooks", "01-first-minute.ipynb")

_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def main(arguments: Sequence[str] | None = None) -> int:
    """Open or run the notebook that the command line names, and return the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if not asked.notebook.is_file():
        parser.exit(2, f"There is no {asked.notebook} here. Name a notebook: {parser.prog} FILE\n")
    in_terminal = asked.headless or not has_screen()
    if missing := _missing("nbclient" if in_terminal else "jupyterlab", "ipykernel"):
        parser.exit(2, f"{missing} is not installed: pip install 'parmagic[lab]'\n")
    if not in_terminal:
        return open_in_lab(asked.notebook)
    if not asked.headless:
        print(f"There is no screen, so {asked.notebook} runs here.\n")
    return run_in_terminal(asked.notebook)


def has_screen() -> bool:
    """Tell whether a browser can be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_in_lab(notebook: Path) -> int:
    """Open the notebook in JupyterLab, and serve it until JupyterLab is stopped."""
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance([str(notebook)])
    return 0


def run_in_terminal(notebook: Path) -> int:
    """Run the notebook in its folder and print its cells; return 1 if one of them failed."""
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    try:
        _run(notebook)
    except CellExecutionError:  # its traceback has been printed with the cell's outputs
        return 1
    except DeadKernelError:
        print("The kernel died.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def _run(notebook: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        cells,
        resources={"metadata": {"path": str(notebook.parent)}},
        extra_arguments=["--log-level=CRITICAL"],  # the kernel's own, not the cells'
    )
    with client.setup_kernel():
        for index, cell in enumerate(cells.cells):
            if cell.cell_type == "code":
                _print_source(cell, client.code_cells_executed + 1)
                try:
                    client.execute_cell(cell, index)
                finally:
                    _print_outputs(cell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m parmagic",
        description="Open a notebook in JupyterLab or, where there is no screen, run it here.",
    )
    parser.add_argument(
        "notebook",
        metavar="FILE",
        nargs="?",
        type=Path,
        default=FIRST_NOTEBOOK,
        help="the notebook; by default %(default)s",
    )
    parser.add_argument(
        "--headless",
        action="store_true",
        help="run it here even if there is a screen, and print what its cells give",
    )
    return parser


def _missing(*modules: str) -> str | None:
    return next((module for module in modules if find_spec(module) is None), None)


def _print_source(cell: Any, number: int) -> None:
    prompt = f"In [{number}]: "
    indent = "...: ".rjust(len(prompt))
    print(prompt + cell.source.replace("\n", f"\n{indent}"), flush=True)


def _print_outputs(cell: Any) -> None:
    for output in cell.outputs:
        text = _text(output)
        print((text if sys.stdout.isatty() else _COLOURS.sub("", text)).rstrip("\n"))
    print(flush=True)


def _text(output: Any) -> str:
    match output.output_type:
        case "stream":
            return str(output.text)
        case "error":
            return "\n".join(output.traceback)
    return str(output.data.get("text/plain", ""))
