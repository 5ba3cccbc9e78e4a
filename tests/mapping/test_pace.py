"""How long the rest will take."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest

from parmagic.mapping.pace import Pace
from parmagic.mapping.spans import Spans

WORKERS = 4


def pace_of(seconds: list[float]) -> Pace:
    spans = Spans()
    for index, each in enumerate(seconds):
        spans.add(1, index, 1, 0.0, [each])
    return Pace(spans)


def test_nothing_is_known_before_an_item_has_finished() -> None:
    assert Pace(Spans()).left_seconds(3, [1.0], 2, 4.0) is None


def test_equal_items_take_their_share_of_the_workers() -> None:
    left = pace_of([1.0] * 10).left_seconds(40, [], WORKERS, 10.0)
    assert left == pytest.approx(10, rel=0.1)


def test_what_an_item_costs_beside_its_own_time_counts() -> None:
    left = pace_of([1.0] * 10).left_seconds(40, [], WORKERS, 20.0)
    assert left == pytest.approx(20, rel=0.1)


def test_an_item_longer_than_all_before_takes_as_long_again() -> None:
    assert pace_of([1.0] * 10).left_seconds(0, [30.0], WORKERS, 40.0) == 30.0


def test_an_item_is_judged_by_those_that_took_longer() -> None:
    pace = pace_of([1.0] * 10 + [9.0, 11.0])
    assert pace.left_seconds(0, [4.0], WORKERS, 34.0) == pytest.approx(6.0)


def test_items_timed_together_count_like_others() -> None:
    spans = Spans()
    spans.add(1, 0, 10_000, 0.0, [10.0])
    assert Pace(spans).left_seconds(10_000, [], 1, 10.0) == pytest.approx(10, rel=0.01)


def schedule(items: list[float]) -> list[tuple[float, float]]:
    """Return when each item begins and ends, handed out in order as workers become free."""
    free, planned = [0.0] * WORKERS, []
    for seconds in items:
        begun = heapq.heappop(free)
        heapq.heappush(free, begun + seconds)
        planned.append((begun, begun + seconds))
    return planned


def errors(items: list[float], moment: float) -> tuple[float, float]:
    """Return by how much we, and the mean alone, misjudge the rest at a part of the whole."""
    planned = schedule(items)
    end = max(ended for _, ended in planned)
    now = moment * end
    seen = [ended - begun for begun, ended in planned if ended <= now]
    running = [now - begun for begun, ended in planned if begun <= now < ended]
    waiting = sum(1 for begun, _ in planned if begun > now)
    left = pace_of(seen).left_seconds(waiting, running, WORKERS, sum(seen) + sum(running))
    assert left is not None
    by_mean = (waiting + len(running)) * sum(seen) / len(seen) / WORKERS
    return abs(left - (end - now)), abs(by_mean - (end - now))


DRAWS: dict[str, Callable[[random.Random], float]] = {
    "a few long": lambda chance: 50.0 if chance.random() < 0.1 else 1.0,
    "log-normal": lambda chance: chance.lognormvariate(0, 1.3),
    "exponential": lambda chance: chance.expovariate(1),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_unequal_items_are_judged_better_than_by_the_mean_alone(
    draw: Callable[[random.Random], float],
) -> None:
    chance = random.Random(3)
    jobs = [[draw(chance) for _ in range(60)] for _ in range(60)]
    moments = [part / 20 for part in range(3, 20)]
    ours, by_mean = zip(*(errors(items, at) for items in jobs for at in moments), strict=True)
    assert sum(ours) < 0.98 * sum(by_mean)
