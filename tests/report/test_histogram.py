from __future__ import annotations

import pytest
from report.pages import Page

from parmagic.report.histogram import Histogram, render


def test_every_item_is_in_one_bin() -> None:
    histogram = Histogram.of([0.1, 0.1, 0.2, 0.4, 1.0])
    assert histogram is not None
    assert histogram.items == 5
    assert (histogram.counts[0], histogram.counts[-1]) == (2, 1)
    assert (histogram.edges[0], histogram.edges[-1]) == pytest.approx((0.1, 1.0))
    assert (histogram.median, histogram.most) == (0.2, 1.0)


def test_unequal_items_are_told_apart_on_a_logarithmic_scale() -> None:
    histogram = Histogram.of([*[0.001] * 50, *[0.002] * 50, 10.0])
    assert histogram is not None
    assert [each for each in histogram.counts if each] == [50, 50, 1]


def test_an_item_that_fails_at_once_leaves_the_scale_as_it_is() -> None:
    histogram = Histogram.of([1e-6, *(1 + number / 100 for number in range(100))])
    assert histogram is not None
    assert histogram.counts[0] == 1
    assert min(histogram.counts[-10:]) >= 4


def test_equal_items_are_one_bar() -> None:
    histogram = Histogram.of([0.5] * 8)
    assert histogram is not None
    assert [each for each in histogram.counts if each] == [8]


@pytest.mark.parametrize("seconds", [[], [1.0]])
def test_of_fewer_than_two_items_nothing_is_drawn(seconds: list[float]) -> None:
    assert render(Histogram.of(seconds)) == ""


@pytest.mark.parametrize("seconds", [[0.0, 0.0], [0.0, 1.0], [3600.0, 7200.0, 5000.0]])
def test_the_drawing_says_in_words_what_it_shows(seconds: list[float]) -> None:
    page = Page(render(Histogram.of(seconds)))
    (svg,) = [attributes for name, attributes in page.elements if name == "svg"]
    assert svg["aria-label"].startswith(f"{len(seconds)} items: half took ")
    assert svg["aria-label"] in page.text
    assert [name for name, _ in page.elements].count("rect") >= 1
