"""Connections that parmagic has opened by a name: closed when nobody needs them, opened again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import parmagic
from parmagic.backends.threads import ThreadsBackend


class Rented(ThreadsBackend):
    """A thread that is given back when it is closed, or lost."""

    made: list[Rented] = []  # by all of a test

    def __init__(self) -> None:
        super().__init__(ThreadPoolExecutor(1, "rented"))
        self._lost = False
        self.made.append(self)

    @property
    def closed(self) -> bool:
        return self._lost

    def lose(self) -> None:
        self._lost = True
        self.close()

    def close(self) -> None:
        self._executor.shutdown()


@pytest.fixture(autouse=True)
def rented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register it, as a package does."""
    about = tmp_path / "rent-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rent\nVersion: 1.0\n")
    entry = f"[parmagic.backends]\nrented = {__name__}:Rented\n"
    (about / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    Rented.made.clear()
    yield
    parmagic.use(None)
    assert all(each._executor._shutdown for each in Rented.made)


def runs_rented() -> bool:
    names = parmagic.map(lambda _: threading.current_thread().name, range(3))
    return all(name.startswith("rented") for name in names)


def test_a_backend_that_was_closed_is_made_again() -> None:
    for uses in (1, 2):
        with parmagic.use("rented"):
            assert runs_rented()
            assert runs_rented()
        assert len(Rented.made) == uses


def test_a_block_on_the_own_pool_goes_back_to_a_backend_that_works() -> None:
    parmagic.use("rented")
    with parmagic.use(None):
        assert parmagic.backend_name() is None
    assert parmagic.backend_name() == "rented"
    assert runs_rented()


def test_a_block_goes_back_to_a_backend_that_was_closed_within() -> None:
    with parmagic.use("rented"), parmagic.use("local"):
        parmagic.use(None)
    with parmagic.use("rented"):
        with ThreadPoolExecutor(1) as executor, parmagic.use(executor):
            parmagic.use(None)
        assert runs_rented()


def test_a_job_in_the_background_keeps_its_connection() -> None:
    running, go = threading.Event(), threading.Event()

    def wait(x: int) -> int:
        running.set()
        assert go.wait(20)
        return x

    job = parmagic.map_async(wait, range(9), chunksize=1, on="rented")
    assert running.wait(20)
    parmagic.use(None)
    go.set()
    assert job.result(20) == list(range(9))
    assert len(Rented.made) == 1


def test_a_connection_that_was_lost_is_made_again() -> None:
    with parmagic.use("rented"):
        for again in (lambda: None, lambda: parmagic.use("rented")):
            Rented.made[-1].lose()
            again()
            assert runs_rented()
    assert len(Rented.made) == 3
