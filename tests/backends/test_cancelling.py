"""What an adapter says to its engine to stop chunks, where the engine's own timing decides.

The engines themselves are in test_clusters.py; these stand for moments that one cannot bring about.
"""

from __future__ import annotations

import signal
from typing import Any

from support import wait_until

from parmagic.backends.ipyparallel import IPyParallelBackend
from parmagic.backends.ray import RayBackend


class Engines:
    """A client of ipyparallel."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def load_balanced_view(self, targets: Any) -> None:
        return None

    def abort(self, results: list[Result], targets: Any, block: bool) -> None:
        self.said += [result.number for result in results]

    def send_signal(self, number: int, targets: list[int], block: bool) -> None:
        assert (number, block) == (signal.SIGINT, False)
        self.said += [f"stop engine {target}" for target in targets]


class Result:
    """What runs or waits there; which engine has it is heard at the second question."""

    def __init__(self, number: int, engine_id: int | None, done: bool) -> None:
        self.number = number
        self._engine_ids = iter([None, engine_id])
        self._done = done

    def ready(self) -> bool:
        return self._done

    @property
    def engine_id(self) -> int | None:
        return next(self._engine_ids, 7)


def test_an_engine_of_ipyparallel_is_stopped_as_soon_as_it_is_known() -> None:
    client = Engines()
    results = [Result(1, None, done=True), Result(2, 3, done=False)]
    IPyParallelBackend(client).cancel(results)
    assert wait_until(lambda: len(client.said) == 3)
    assert client.said == [1, 2, "stop engine 3"]


class Ray:
    """Two CPUs, six chunks; the first has ended, and the second ends while it is waited for."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []

    def is_initialized(self) -> bool:
        return True

    def remote(self, function: Any) -> Ray:
        return self

    def options(self, **_: Any) -> Ray:
        return self

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def wait(
        self, references: list[int], num_returns: int, timeout: float
    ) -> tuple[list[int], list[int]]:
        assert num_returns == len(references)
        ended = {1} if timeout == 0 else {1, 2}
        return sorted(ended), [each for each in references if each not in ended]

    def cancel(self, reference: int, force: bool) -> None:
        assert not force
        self.cancelled.append(reference)


def test_ray_is_not_told_to_cancel_what_ends_by_itself_nor_made_to_begin_what_waits() -> None:
    ray = Ray()
    RayBackend(ray).cancel([1, 2, 3, 4, 5, 6])
    assert ray.cancelled == [6, 5, 4, 3]


def test_ray_is_told_nothing_where_nothing_runs() -> None:
    ray = Ray()
    RayBackend(ray).cancel([])
    assert ray.cancelled == []
