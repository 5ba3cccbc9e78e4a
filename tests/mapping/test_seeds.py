"""Random numbers by item: the same whatever runs it, and never by accident."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parmagic
from parmagic.mapping.resume import ResumeError
from parmagic.pool.default import default_pool
from parmagic.worker.random_numbers import RandomNumbers


@pytest.fixture(autouse=True)
def two_workers() -> None:
    default_pool(2)


def draw(_: int) -> tuple[float, ...]:
    """Draw from all that people draw from."""
    import random

    import numpy as np
    from numpy.random import Generator, RandomState, default_rng

    return (
        random.random(),
        random.gauss(),
        np.random.rand(),
        np.random.default_rng().random(),
        default_rng().random(),
        Generator(np.random.PCG64()).random(),
        RandomState().random_sample(),
        np.random.default_rng(7).random(),
    )


GIVEN = np.random.default_rng(7).random()


def rows_of(**options: Any) -> list[tuple[float, ...]]:
    rows = parmagic.map(draw, range(6), **options)
    assert {row[-1] for row in rows} == {GIVEN}  # who has a seed of its own keeps it
    return [row[:-1] for row in rows]


WAYS: dict[str, dict[str, Any]] = {
    "one by one": {"chunksize": 1},
    "together": {"chunksize": 6},
    "one worker": {"workers": 1},
    "more workers": {"workers": 3, "chunksize": 2},
    "in the kernel": {"serial": True},
}


def test_a_seed_gives_each_item_its_own_numbers_and_the_same_in_every_run() -> None:
    expected = rows_of(seed=1)
    numbers = [number for row in expected for number in row]
    assert len(set(numbers)) == len(numbers)
    for way, options in WAYS.items():
        assert rows_of(seed=1, **options) == expected, way
    assert not {*numbers} & {number for row in rows_of(seed=2) for number in row}


def test_without_a_seed_no_number_comes_twice_not_even_after_a_job_with_one() -> None:
    seeded = rows_of(seed=1)
    rows = [*seeded, *rows_of(), *rows_of(), *rows_of(chunksize=1)]
    numbers = [number for row in rows for number in row]
    assert len(set(numbers)) == len(numbers)


def test_the_numbers_of_the_kernel_go_on_as_if_nothing_had_been() -> None:
    random.seed(3)
    np.random.seed(3)
    expected = [random.random(), np.random.rand(), random.random(), np.random.rand()]
    random.seed(3)
    np.random.seed(3)
    found = [random.random(), np.random.rand()]
    rows = rows_of(seed=1, serial=True)
    assert parmagic.jobs[-1].rerun(2)[:-1] == rows[2]
    found += [random.random(), np.random.rand()]
    assert found == expected
    assert np.random.default_rng().random() != np.random.default_rng().random()


def test_what_is_tried_again_or_resumed_has_the_numbers_that_it_would_have_had(
    tmp_path: Path,
) -> None:
    def failing(path: Path, fails: int) -> Callable[[int], float]:
        def fn(x: int) -> float:
            number = random.random()
            if x == 2:
                with path.open("a") as file:
                    file.write("x")
                if len(path.read_text()) <= fails:
                    raise ValueError
            return number

        return fn

    expected = parmagic.map(lambda _: random.random(), range(4), seed=5)
    assert parmagic.map(failing(tmp_path / "tries", 2), range(4), seed=5, retries=2) == expected
    with pytest.raises(ValueError):
        parmagic.map(failing(tmp_path / "stop", 1), range(4), seed=5, chunksize=1)
    job = parmagic.jobs[-1]
    assert job.rerun(2) == expected[2]
    fn = failing(tmp_path / "stop", 0)
    assert parmagic.map(fn, range(4), seed=5, resume=job) == expected


def test_a_checkpoint_belongs_to_its_seed(tmp_path: Path) -> None:
    path = tmp_path / "numbers.checkpoint"
    numbers = parmagic.map(draw, range(3), seed=1, checkpoint=path)
    assert parmagic.map(draw, range(3), seed=1, checkpoint=path) == numbers
    for other in (None, 2):
        with pytest.raises(ResumeError):
            parmagic.map(draw, range(3), seed=other, checkpoint=path)


TORCH = """
import random
state = random.Random()
get_rng_state, set_rng_state, seed = state.getstate, state.setstate, state.seed
manual_seed, rand = state.seed, state.random
"""


def test_what_an_item_imports_is_seeded_when_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)

    def draw(_: int) -> float:
        import torch

        return float(torch.rand())

    try:
        numbers = parmagic.map(draw, range(4), seed=1, chunksize=1)
        assert numbers == parmagic.map(draw, range(4), seed=1, chunksize=2)
        assert numbers == parmagic.map(draw, range(4), seed=1, serial=True)
        assert len(set(numbers)) == 4
        assert not {*numbers} & {*parmagic.map(draw, range(4))}
    finally:
        sys.modules.pop("torch", None)


def test_all_is_put_back_even_if_the_item_fails() -> None:
    before, finders = np.random.bit_generator.randbits, list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), RandomNumbers(1) as numbers:
        numbers.begin(3)
        raise ZeroDivisionError
    assert np.random.bit_generator.randbits is before
    assert sys.meta_path == finders


def test_another_generator_of_the_notebook_is_left_alone() -> None:
    bits = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(3))
    try:
        with RandomNumbers(1) as numbers:
            numbers.begin(3)
            other = np.random.default_rng().random()
        state = np.random.get_bit_generator()
    finally:
        np.random.set_bit_generator(bits)
    assert type(state) is np.random.PCG64
    with RandomNumbers(1) as numbers:
        numbers.begin(3)
        assert np.random.default_rng().random() == other


@pytest.mark.parametrize("seed", ["1", 1.5])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(TypeError):
        parmagic.map(abs, [1], seed=seed)


def test_a_generator_that_all_workers_would_copy_is_named() -> None:
    rng, own = np.random.default_rng(1), random.Random(1)
    for fn, name in {(lambda _: rng.random(), "rng"), (lambda _: own.random(), "own")}:
        with pytest.warns(RuntimeWarning, match=f"'{name}' is copied to each worker"):
            parmagic.map(fn, range(2), chunksize=1)
    parmagic.map(lambda _: rng.random(), range(2), serial=True)
    parmagic.map(lambda _: rng.random(), range(2), workers=1)
