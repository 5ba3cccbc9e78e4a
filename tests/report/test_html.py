from dataclasses import replace

import pytest
from report.pages import DONE, HOSTILE, RUNNING, Page

from parmagic.report.html import render, render_line
from parmagic.report.lane import Bar, Lane
from parmagic.report.output import ItemOutput, Part
from parmagic.report.remark import remark
from parmagic.report.report import FailedItem, SlowItem, TimeSpent

DIVISION = "ZeroDivisionError: division by zero"

SMALL_TAGS = {"div", "strong", "span", "samp", "bdi", "table", "tbody", "tr", "th", "td"}
DRAWN_TAGS = {"svg", "path", "g", "text", "title"}
KNOWN_TAGS = {*SMALL_TAGS, *DRAWN_TAGS, "details", "summary", "pre"}

REPORTS = {
    "running": RUNNING,
    "starting": replace(RUNNING, done=0, item_seconds=0.0, start_seconds=3.25),
    "running, length unknown": replace(RUNNING, items=None),
    "running, some failed": replace(RUNNING, failed=14),
    "done": DONE,
    "done, no time measured": replace(DONE, wall_seconds=0.0, item_seconds=0.0),
    "done, previewed": replace(DONE, preview=("1", "4", "9")),
    "done, some failed": replace(
        DONE, done=199, failed=1, failures=(FailedItem(7, "0", DIVISION),)
    ),
    "done, short items": replace(DONE, wall_seconds=0.4, item_seconds=0.04),
    "failed": replace(RUNNING, state="failed", failed=1, failures=(FailedItem(7, "0", DIVISION),)),
    "interrupted": replace(RUNNING, state="interrupted", preview=("1", "4", "9")),
    "no items": replace(DONE, items=0, done=0, wall_seconds=0.0, item_seconds=0.0),
    "100,000 items": replace(DONE, items=100_000, done=100_000, preview=("1",)),
    "in the kernel": replace(DONE, workers=0, busy_workers=0),
}


def hostile_report(string, state="failed"):
    failures = tuple(FailedItem(index, string, string) for index in range(30))
    return replace(
        DONE,
        what=string,
        state=state,
        done=134,
        failed=30,
        preview=(string,) * 30,
        failures=failures,
    )


@pytest.mark.parametrize("draw", [render, render_line])
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_report_is_balanced_small_and_inert(report, draw):
    fragment = draw(report)
    page = Page(fragment)
    tags = {tag for tag, _ in page.elements}
    names = {name for _, attrs in page.elements for name in attrs}
    assert tags <= SMALL_TAGS
    assert not [name for name in names if name in ("id", "src", "href") or name.startswith("on")]
    assert "url(" not in fragment
    assert len(fragment) < 4_000


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            DONE,
            "200 items on 2 workers in 3.25 s · "
            "1.9 times as fast as a serial loop (94 % efficiency)",
        ),
        (replace(DONE, item_seconds=3.2), "200 items on 2 workers in 3.25 s · as fast as"),
        (replace(DONE, item_seconds=3.0), "200 items on 2 workers in 3.25 s · slower than"),
        (replace(DONE, done=197, failed=3), "200 items on 2 workers in 3.25 s · 3 failed"),
        (replace(DONE, items=1, done=1, workers=1), "1 item on 1 worker in 3.25 s"),
        (REPORTS["100,000 items"], "100,000 items on 2 workers"),
        (REPORTS["in the kernel"], "200 items in 3.25 s"),
        (REPORTS["no items"], "No items"),
        (REPORTS["failed"], "Failed after 3.25 s · 134 of 200 items done · 1 failed · 65 pending"),
        (REPORTS["interrupted"], "Interrupted after 3.25 s · 134 of 200 items done · 66 pending"),
        (RUNNING, "134 of 200 · 41 items/s · about 2 s left · 2 workers busy"),
    ],
)
def test_the_card_begins_with_what_became_of_the_job(report, words):
    assert Page(render(report)).text.startswith(words)


def test_the_card_says_why_a_job_gained_nothing():
    report = REPORTS["done, short items"]
    assert remark(report)
    assert remark(report) in Page(render(report)).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preview": ("1", "4", "9")}, "[1, 4, 9, … 197 more]"),
        ({"preview": ("1", "4", "9"), "done": 3, "items": 3}, "[1, 4, 9]"),
        ({"preview": tuple("abcdefghijkl")}, "[a, b, c, d, e, f, g, h, i, j, … 190 more]"),
        ({"preview": ("'שלום'", "2"), "done": 2, "items": 2}, "['שלום', 2]"),
        ({"preview": ("array([1,\n       2])",), "done": 1, "items": 1}, "[array([1, 2])]"),
    ],
)
def test_the_preview_reads_like_a_list(changes, words):
    assert Page(render(replace(DONE, **changes))).text.endswith(words)


def test_a_report_shows_no_values_where_all_are_none():
    assert "None" not in render(replace(DONE, preview=("None",) * 3))
    assert Page(render(replace(DONE, preview=("None", "1"), done=2))).text.endswith("[None, 1]")


def test_a_failure_is_shown_with_its_item_and_its_error():
    assert "item 7" in Page(render(REPORTS["failed"])).text
    assert Page(render(REPORTS["failed"])).text.endswith(DIVISION)


@pytest.mark.parametrize(
    ("outputs", "shown"), [(True, True), (False, False)], ids=["inside", "elsewhere"]
)
def test_what_the_items_printed_is_in_the_card_or_stands_elsewhere(outputs, shown):
    output = ItemOutput(3, "0.5", (Part("stdout", "epoch 1"),))
    page = Page(render(replace(DONE, outputs=(output,)), outputs=outputs))
    assert ("Output of 1 item" in page.text) is shown
    assert ("epoch 1" in page.text) is shown


def test_efficiency_is_never_more_than_ideal():
    assert "(100 % efficiency)" in Page(render(replace(DONE, item_seconds=6.6))).text


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_no_card_is_as_large_as_200_kb_and_none_gains_an_element(string):
    card = render(huge_report(string))
    assert len(card.encode()) < 200_000
    assert {tag for tag, _ in Page(card).elements} <= KNOWN_TAGS


def huge_report(string):
    """Return a report that is as large as one may be, and larger."""
    failures = tuple(
        FailedItem(
            index, string, f"E{string}: {index}{string}", f"E{string}", f"{string}{index % 10}"
        )
        for index in range(1000)
    )
    lanes = tuple(
        Lane(worker, tuple(Bar(n, n, n / 100, 0.009, n % 3 == 0) for n in range(300)))
        for worker in range(1, 101)
    )
    parts = (Part("stdout", string), Part("warning", string, None, 9))
    return replace(
        hostile_report(string),
        failed=1000,
        workers=100,
        failures=failures,
        slowest=tuple(SlowItem(index, string, 1.0) for index in range(1000)),
        time=TimeSpent(2, 1, 1, 1, 1),
        lanes=lanes,
        outputs=tuple(ItemOutput(index, string, parts * 20) for index in range(1000)),
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failed": 1}, "134 of 200 · 42 items/s · about 2 s left · 2 workers busy · 1 failed"),
        ({"items": None}, "134 items · 41 items/s · 3.25 s so far · 2 workers busy"),
        ({"done": 0}, "0 of 200 · 3.25 s so far · 2 workers busy"),
        (
            {"done": 0, "busy_workers": 0, "start_seconds": 3.25},
            "0 of 200 · starting 2 workers",
        ),
    ],
)
def test_the_line_says_how_far_and_how_fast(changes, words):
    assert Page(render_line(replace(RUNNING, **changes))).text == words


def test_the_bar_tells_a_screen_reader_what_it_shows():
    bar = Page(render_line(replace(RUNNING, failed=6))).one(role="progressbar")
    assert bar["aria-label"] == "seed in range(200)"
    assert (bar["aria-valuemin"], bar["aria-valuenow"], bar["aria-valuemax"]) == ("0", "140", "200")


def test_the_bar_is_as_long_as_what_is_done_and_failed():
    page = Page(render_line(replace(RUNNING, done=180, failed=15)))
    styles = [attrs["style"] for _, attrs in page.elements if "style" in attrs]
    assert [style[:11] for style in styles if "%;back" in style] == ["width:90.0%", "width:7.5%;"]


def test_the_bar_of_a_job_of_unknown_length_claims_no_value():
    page = Page(render_line(REPORTS["running, length unknown"]))
    assert "aria-valuenow" not in page.one(role="progressbar")
    assert not [attrs for _, attrs in page.elements if "%;back" in attrs.get("style", "")]


def test_a_bar_without_items_is_empty():
    bar = Page(render_line(replace(RUNNING, items=0, done=0))).one(role="progressbar")
    assert (bar["aria-valuenow"], bar["aria-valuemax"]) == ("0", "0")


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_adds_no_element_and_no_attribute(string, state):
    calm, hostile = (Page(render(hostile_report(each, state))) for each in ("calm", string))
    shape = [(tag, list(attrs)) for tag, attrs in hostile.elements]
    assert shape == [(tag, list(attrs)) for tag, attrs in calm.elements]


@pytest.mark.parametrize("state", ["running", "failed"])
@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_makes_no_card_of_20_kb_and_travels_as_utf_8(string, state):
    assert len(render(hostile_report(string, state)).encode()) < 20_000


@pytest.mark.parametrize(
    ("string", "shown"),
    [
        (HOSTILE["script"], HOSTILE["script"]),
        (HOSTILE["attribute"], HOSTILE["attribute"]),
        (HOSTILE["end of style"], HOSTILE["end of style"]),
        (HOSTILE["entity"], HOSTILE["entity"]),
        (HOSTILE["newlines"], "line one line two line three"),
        (HOSTILE["controls"], r"nul \x00 escape \x1b[31m bell \x07"),
        (HOSTILE["hebrew"], HOSTILE["hebrew"]),
        (HOSTILE["bidi override"], r"\u202eevil\u202c"),
        (HOSTILE["surrogate"], r"\ud800 \udfff"),
        (HOSTILE["long"], "x" * 59 + "…"),
    ],
)
def test_a_hostile_string_is_shown_as_text(string, shown):
    page = Page(render(hostile_report(string)))
    assert f"[{shown}, {shown}, " in page.text


def test_the_job_is_named_to_a_screen_reader():
    what = HOSTILE["attribute"]
    assert Page(render(replace(DONE, what=what))).one(role="group")["aria-label"] == what
