"""What the README shows is true."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from kernels import Kernel
from support import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

CELLS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
OTHER_BLOCKS = re.findall(r"^```text$", README, re.MULTILINE)

# What the table's code uses.
GIVEN = """
from multiprocessing.pool import ThreadPool
from concurrent.futures import ThreadPoolExecutor as ProcessPoolExecutor
import parmagic

xs, zs = range(6), [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
pool = ThreadPool(2)

class multiprocessing:
    Pool = ThreadPool

def f(x):
    return x * x

def g(x, z):
    return x * 10 + z
"""


class Row(NamedTuple):
    """A row of the table, as two cells."""

    serial: str
    parallel: str

    @property
    def name(self) -> str:
        """What both cells bind: the first name of the serial one that is not an item."""
        names: list[str] = re.findall(r"\b(ys|y_of|total|y)\b(?: =|\[)", self.serial)
        return names[0]


def rows() -> Iterator[Row]:
    _, _, section = README.partition("| you have | you write |\n|---|---|\n")
    for line in section.partition("\n\n")[0].splitlines():
        serial, parallel = line.strip("| ").split(" | ")
        yield Row(code_in(serial), code_in(parallel))


def code_in(cell: str) -> str:
    return "\n".join(re.findall(r"`([^`]*)`", cell))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.clean_up()


def test_every_block_is_a_cell_or_a_command_that_is_run() -> None:
    fences = re.findall(r"^ *(?:```|~~~)", README, re.MULTILINE)
    assert len(fences) == 2 * (len(CELLS) + len(COMMANDS) + len(OTHER_BLOCKS))


def test_the_cells_run_one_after_the_other(kernel: Kernel) -> None:
    for cell in CELLS:
        ran = kernel.run(cell)
        assert ran.succeeded, (cell, ran.error, ran.stderr)
    assert kernel.value("squared_numbers") == [1, 4, 9, 16, 25, 36, 49, 64, 81, 100]
    assert kernel.value("len(peaks), peaks[:3]") == (200, [887, 16, 941])  # as in the picture
    assert kernel.value("len(spreads), len(peak_of), len(digits)") == (5, 20, 1000)
    assert kernel.value("cubes") == [number**3 for number in range(10)]


def test_the_note_below_an_exception_is_the_one_that_it_shows(kernel: Kernel) -> None:
    assert kernel.run("%load_ext parmagic").succeeded
    failed = kernel.run(
        "%%parmap --chunksize 12 text in ['1.5'] * 11 + ['n/a'] -> numbers\nfloat(text)"
    )
    _, note = failed.traceback.rsplit("\n", 1)
    assert note.startswith("11 results kept")
    assert f"\n{note}\n```" in README


def test_both_sides_of_the_table_give_the_same(kernel: Kernel) -> None:
    assert kernel.run("%load_ext parmagic").succeeded
    assert kernel.run(GIVEN).succeeded
    for row in rows():
        values = [value_of(row.name, cell, kernel) for cell in row]
        assert values[0] == values[1], row


def value_of(name: str, cell: str, kernel: Kernel) -> object:
    ran = kernel.run(cell)
    assert ran.succeeded, (cell, ran.error, ran.stderr)
    value = kernel.value(name)
    assert kernel.run(f"del {name}").succeeded
    return value


def test_the_commands_are_those_of_the_ci() -> None:
    shown = subprocess.run([ROOT / ".ci" / "run", "--show"], capture_output=True, text=True)
    assert shown.stdout == "".join(COMMANDS)


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)|src=\"([^\"]+)\"", README))
def test_what_it_points_to_is_there(target: tuple[str, str]) -> None:
    assert (ROOT / "".join(target)).is_file()
