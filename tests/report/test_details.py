from dataclasses import replace

import pytest
from report.pages import DONE, Page

from parmagic.report.details import render
from parmagic.report.lane import Bar, Lane
from parmagic.report.report import SlowItem, TimeSpent

SLOWEST = (SlowItem(17, "'big.tif'", 1.204), SlowItem(3, "", 0.9))
LANES = (Lane(1, (Bar(0, 0, 0, 3),)),)
TIME = TimeSpent(compute=8, serialise=0.1, transfer=0.05, start=0, wait=1.8)


@pytest.mark.parametrize(
    ("changes", "summary"),
    [
        ({"slowest": SLOWEST}, "Slowest items"),
        ({"time": TIME}, "Where the time went"),
        (
            {"slowest": SLOWEST, "time": TIME, "lanes": LANES},
            "Timeline, where the time went, slowest items",
        ),
    ],
)
def test_the_summary_names_what_is_folded_under_it(changes, summary):
    page = Page(render(replace(DONE, **changes)))
    assert page.text.startswith(summary)
    assert [tag for tag, attrs in page.elements if tag == "details"] == ["details"]
    assert "open" not in page.elements[0][1]


@pytest.mark.parametrize(
    "changes",
    [{}, {"slowest": SLOWEST, "wall_seconds": 0.05}, {"slowest": SLOWEST, "state": "running"}],
    ids=["nothing known", "over before one looked", "still running"],
)
def test_nothing_is_folded_where_there_is_nothing_to_learn(changes):
    assert render(replace(DONE, **changes)) == ""


def test_parts_of_the_time_of_one_percent_and_more_are_shown():
    assert Page(render(replace(DONE, time=TIME))).text.endswith(
        "compute 80 %\nserialise 1 %\nwait 18 %"
    )


def test_the_parts_of_the_bar_are_as_wide_as_they_are_long():
    page = Page(render(replace(DONE, time=TimeSpent(3, 0, 0, 0, 1))))
    styles = [attrs.get("style", "") for _, attrs in page.elements]
    assert [style[:11] for style in styles if "%;background" in style] == [
        "width:75.0%",
        "width:25.0%",
    ]


def test_no_time_at_all_has_no_parts():
    assert render(replace(DONE, time=TimeSpent(0, 0, 0, 0, 0))) == ""


def test_the_slowest_items_are_listed_with_their_seconds():
    assert Page(render(replace(DONE, slowest=SLOWEST))).text.endswith(
        "item 171.2 s'big.tif'item 3900 ms"
    )


def test_one_item_is_not_the_slowest_of_any():
    assert render(replace(DONE, items=1, done=1, slowest=SLOWEST[:1])) == ""
