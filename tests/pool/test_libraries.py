"""Libraries that leave it to their users what runs their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import emcee
import numpy as np
import pytest
from scipy.optimize import differential_evolution
from support import Script

from parmagic import Pool

# One walker's position, or one candidate of an optimizer: an array of two numbers.
START = np.random.default_rng(0).normal(size=(8, 2))


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    with Pool(processes=2) as pool:
        pool.map(lambda _: np.zeros(1), range(2))
        yield pool
    pool.join()


# By value, or the workers would import this module, and with it all three libraries.
height = lambda place: float(((place - 0.5) ** 2).sum())  # noqa: E731


def test_scipy_optimizes_with_the_map_of_a_pool(shared: Pool) -> None:
    def optimum(**options: Any) -> Any:
        limits = [(-2, 2), (-2, 2)]
        settings = {"updating": "deferred", "rng": 1, "maxiter": 5, "polish": False}
        return differential_evolution(height, limits, **settings, **options).x

    assert optimum(workers=shared.map).tolist() == optimum().tolist()


def test_emcee_walks_in_a_pool(shared: Pool) -> None:
    def walk(pool: Pool | None) -> Any:
        np.random.seed(1)
        sampler = emcee.EnsembleSampler(8, 2, lambda place: -height(place), pool=pool)
        sampler.run_mcmc(START, 5)
        return sampler.get_chain()

    assert walk(shared).tolist() == walk(None).tolist()


# It imports dask, which changes how tracebacks are pickled: in a program of its own.
ADAPTIVE = """
import math
import adaptive
from parmagic import ProcessPoolExecutor

steep = 20.0
learner = adaptive.Learner1D(lambda x: math.tanh(steep * x), bounds=(-1, 1))
with ProcessPoolExecutor(2) as executor:
    adaptive.BlockingRunner(learner, npoints_goal=12, executor=executor)
    print(executor.submit(abs, -1).result())  # it is still ours
print(all(y == math.tanh(steep * x) for x, y in learner.data.items()), len(learner.data) >= 12)
"""


def test_adaptive_samples_with_an_executor(script: Callable[..., Script]) -> None:
    ended = script(ADAPTIVE).end()
    assert (ended.code, ended.output) == (0, "1\nTrue True\n"), ended.errors
