"""When each worker ran which items."""

from __future__ import annotations

import pytest

from parmagic.mapping.spans import Spans
from parmagic.report.lane import Bar


@pytest.fixture
def spans() -> Spans:
    made = Spans()
    made.add(1, 0, 2, 10.0, [0.5, 0.25])
    made.add(2, 2, 1, 10.5, [2.0])
    made.add(1, 3, 5000, 11.0, [0.125])
    return made


def test_the_slowest_items_come_first(spans: Spans) -> None:
    assert spans.slowest(2) == [(2, 2.0), (0, 0.5)]


def test_items_have_their_seconds_and_worker(spans: Spans) -> None:
    assert spans.items() == {0: (0.5, 1), 1: (0.25, 1), 2: (2.0, 2)}
    assert [spans.worker_of(index) for index in (2, 4000, 9000)] == [2, 1, None]


def test_an_item_that_ran_twice_has_the_time_of_its_last_try(spans: Spans) -> None:
    spans.add(2, 1, 1, 14.0, [4.0])
    assert spans.items()[1] == (4.0, 2)
    assert spans.worker_of(1) == 2


def test_bars_follow_each_other_in_the_lane_of_their_worker(spans: Spans) -> None:
    assert spans.bars(10.0, {1}) == {
        1: [Bar(0, 0, 0.0, 0.5), Bar(1, 1, 0.5, 0.25, failed=True), Bar(3, 5002, 1.0, 0.125)],
        2: [Bar(2, 2, 0.5, 2.0)],
    }


def test_nothing_is_noted_where_nothing_ran() -> None:
    spans = Spans()
    spans.add(1, 0, 0, 10.0, [])
    assert (len(spans), spans.slowest(3), spans.bars(0.0, ())) == (0, [], {})


def test_of_very_many_items_those_sent_together_are_one_bar() -> None:
    spans = Spans()
    for number in range(200):
        spans.add(1 + number % 2, 100 * number, 100, 10.0 + number, [0.001] * 100)
    lanes = spans.bars(10.0, failed={100, 19_999, 20_000})
    assert [len(bars) for bars in lanes.values()] == [100, 100]
    assert [bar.first for bars in lanes.values() for bar in bars if bar.failed] == [100, 19_900]
    assert lanes[1][0].end == pytest.approx(0.1)


def test_the_seconds_of_all_items_are_known() -> None:
    spans = Spans()
    spans.add(1, 0, 2, 10.0, [0.5, 1.0])
    spans.add(1, 2, 3, 12.0, [0.75])
    assert list(spans.seconds()) == [0.5, 1.0, 0.25, 0.25, 0.25]
