import re
import time
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report.pages import DONE, HOSTILE

from parmagic.report.html import render as render_card
from parmagic.report.lane import Bar, Lane
from parmagic.report.report import FailedItem, SlowItem
from parmagic.report.timeline import render


def report_of(items, workers=2, seconds=1.0, failed=(), **changes):
    """Return a report of items that ran in turn on so many workers."""
    lanes = tuple(
        Lane(worker + 1, tuple(bars(range(worker, items, workers), seconds, failed)))
        for worker in range(workers)
    )
    wall = seconds * -(-items // workers)
    return replace(
        DONE,
        items=items,
        done=items - len(failed),
        failed=len(failed),
        workers=workers,
        wall_seconds=wall,
        item_seconds=items * seconds,
        lanes=lanes,
        **changes,
    )


def bars(indices, seconds, failed):
    for number, index in enumerate(indices):
        yield Bar(index, index, number * seconds, seconds, index in failed)


def drawn(report):
    """Parse what is drawn as XML: the SVG element, and what may follow it."""
    return ElementTree.fromstring(f"<div>{render(report)}</div>")


def titles(report):
    return [element.text for element in drawn(report).iter("title")]


def texts(report):
    return [element.text for element in drawn(report).iter("text")]


def test_nothing_is_drawn_where_nothing_is_known():
    assert render(DONE) == ""
    assert render(replace(DONE, lanes=(Lane(1, ()),))) == ""


def test_each_item_has_a_bar_that_names_it():
    words = ["item 0, 1 s", "item 1, 1 s", "item 4, 1 s", "item 5, 1 s", "item 2, 1 s"]
    assert sorted(titles(report_of(6))) == sorted([*words, "item 3, 1 s"])


def test_each_lane_is_named_after_its_worker():
    assert texts(report_of(6))[-2:] == ["worker 1", "worker 2"]


def test_the_kernel_has_a_lane_of_its_own():
    kernel = replace(report_of(2), workers=0, lanes=(Lane(0, (Bar(0, 1, 0, 2),)),))
    assert texts(kernel)[-1] == "kernel"


def test_a_bar_of_several_items_says_which():
    report = replace(
        report_of(2), lanes=(Lane(1, (Bar(10, 57, 0, 3.21), Bar(60, 99, 4, 1, items=9))),)
    )
    assert titles(report) == ["items 10 to 57, 3.2 s", "9 items from 60 to 99, 1 s"]


def test_a_failed_item_is_named_with_its_error():
    failure = FailedItem(3, "3.5", "KeyError: 'a'", "KeyError")
    report = report_of(6, failed={3}, failures=(failure,))
    assert "item 3 (3.5), 1 s, KeyError" in titles(report)


def test_a_bar_of_several_items_names_those_that_failed():
    failures = tuple(FailedItem(n, f"{n}.5", "KeyError: 'a'") for n in (11, 12, 13, 14, 80))
    lane = Lane(1, (Bar(10, 57, 0, 3, failed=True), Bar(60, 99, 4, 1, failed=True, items=9)))
    assert titles(replace(report_of(2), lanes=(lane,), failures=failures)) == [
        "items 10 to 57, 3 s, failed: item 11, item 12, item 13, …",
        "9 items from 60 to 99, 1 s, some failed",
    ]


def test_one_of_the_slowest_items_is_shown_with_its_repr():
    report = report_of(6, slowest=(SlowItem(5, "'big.tif'", 1.0),))
    assert "item 5 ('big.tif'), 1 s" in titles(report)


def test_a_failed_bar_differs_by_shape_too():
    fine, failed = (drawn(report_of(6, failed=which)) for which in (set(), {3}))
    heights = [float(g.get("stroke-width")) for g in failed.iter("g") if g.get("stroke-width")]
    assert heights[-1] > heights[0]
    assert not [path for path in fine.iter("path") if path.get("stroke") == "#fff"]
    assert [path for path in failed.iter("path") if path.get("stroke") == "#fff"]


def test_the_start_of_the_workers_is_striped():
    report = replace(report_of(6), start_seconds=0.5)
    (stripes,) = [path for path in drawn(report).iter("path") if path.get("stroke-dasharray")]
    assert stripes.find("title").text == "start of the workers, 500 ms"
    assert "dasharray" not in render(report_of(6))


@pytest.mark.parametrize(
    ("seconds", "first", "last"),
    [
        (0.012, "2 ms", "12 ms"),
        (1.5, "500 ms", "1.5 s"),
        (6, "1 s", "6 s"),
        (100, "30 s", "1 min 30 s"),
        (7_000, "30 min", "1 h 30 min"),
        (900_000, "2 d", "10 d"),
    ],
)
def test_the_axis_has_a_few_round_times(seconds, first, last):
    labels = [text for text in texts(report_of(1, 1, seconds)) if "worker" not in text]
    assert (labels[0], labels[1], labels[-1]) == ("0 s", first, last)
    assert 3 <= len(labels) <= 7


@pytest.mark.parametrize("workers", [1, 2, 17, 64, 200])
@pytest.mark.parametrize("items", [1, 10, 3_000])
def test_a_drawing_stays_legible_and_small(items, workers):
    report = report_of(items, workers, 0.25)
    svg = drawn(report).find(".//svg")
    _, top, _, height = map(float, svg.get("viewBox").split())
    assert height < 420
    lowest = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", render(report))]
    assert max(lowest) < height + top
    assert len(render(report)) < 70_000
    names = [text for text in texts(report) if "worker" in text]
    assert 1 <= len(names) <= 32


def test_lanes_beyond_the_64th_are_counted():
    assert drawn(report_of(200, 200)).findall("div")[-1].text == "and 136 more workers"


def test_a_screen_reader_hears_what_the_drawing_shows():
    svg = drawn(report_of(6, failed={3})).find(".//svg")
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Timeline: 6 items, 2 workers, 3 s, 1 failed"


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_changes_no_element(string):
    calm, hostile = (
        drawn(
            report_of(
                6,
                failed={3},
                failures=(FailedItem(3, each, each, each, each),),
                slowest=(SlowItem(5, each, 1.0),),
                what=each,
            )
        )
        for each in ("calm", string)
    )
    assert [each.tag for each in hostile.iter()] == [each.tag for each in calm.iter()]
    assert [each.keys() for each in hostile.iter()] == [each.keys() for each in calm.iter()]


@pytest.mark.parametrize("items", [6, 3_000])
def test_a_drawing_loads_and_runs_nothing(items):
    svg = render(report_of(items))
    assert "script" not in svg
    assert "url(" not in svg
    assert "href" not in svg
    assert " id=" not in svg


def test_100_000_items_are_drawn_within_a_second():
    report = report_of(100_000, 4, 0.001, failed={777})
    began = time.process_time()
    card = render_card(report)
    assert time.process_time() - began < 1
    assert len(card) < 60_000
    assert "stroke:#d32f2f" in card
