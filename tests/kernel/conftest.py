from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernels import Kernel
from support import wait_until

START = """
import os, time
import parmagic
from pathlib import Path
from support import Gate
%load_ext parmagic
"""


@pytest.fixture(scope="module")
def module_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    yield from running(Kernel(tmp_path_factory.mktemp("kernel")))


@pytest.fixture(scope="module")
def module_live_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    yield from running(Kernel(folder, session="notebook.ipynb"))


@pytest.fixture
def kernel(module_kernel: Kernel) -> Iterator[Kernel]:
    """A kernel that the tests of a module share, with the extension loaded."""
    yield from tidy(module_kernel)


@pytest.fixture
def live_kernel(module_live_kernel: Kernel) -> Iterator[Kernel]:
    """The same, with a front end that looks on."""
    yield from tidy(module_live_kernel)


@pytest.fixture
def new_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start a kernel that the test may break."""
    started: list[Kernel] = []

    def start(session: str | None = None) -> Kernel:
        folder = tmp_path / f"kernel{len(started)}"
        folder.mkdir()
        started.append(Kernel(folder, session=session))
        assert started[-1].run(START).succeeded
        return started[-1]

    yield start
    for each in started:
        each.clean_up()


def running(kernel: Kernel) -> Iterator[Kernel]:
    try:
        assert kernel.run(START).succeeded
        yield kernel
    finally:
        kernel.clean_up()
    assert wait_until(lambda: not kernel.left_over())


def tidy(kernel: Kernel) -> Iterator[Kernel]:
    yield kernel
    strays, kernel.strays = kernel.strays, []
    assert not strays, "messages that belong to no cell"
    assert "Traceback" not in kernel.log
