from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from parmagic.report import explanation_html as html
from parmagic.report import explanation_text as text
from parmagic.report.explanation import Captured, Explanation, Route

PLAIN = Explanation(
    what="fit over paths",
    items=2000,
    item_kind="list",
    first_item="'a.tif'",
    star=False,
    workers=4,
    running=0,
    backend="this machine: 4 processes",
    chunks="as many items as take 50 ms",
    function_bytes=1234,
)
FULL = replace(
    PLAIN,
    shared_bytes=80_000_000,
    captured=(
        Captured("np", "module", None, "imported in the workers", "line 2"),
        Captured("square", "function", 310, "with the function", "line 3"),
        Captured(
            "weights",
            "ndarray",
            80_000_000,
            "shared memory, once for all workers",
            "line 7",
            "square",
        ),
    ),
)
REFUSED = replace(
    PLAIN,
    function_bytes=None,
    captured=(Captured("conn", "sqlite3.Connection", None, "cannot be sent", "line 4"),),
    problem="cannot send 'fit' to the workers: it uses 'conn' (line 4), a sqlite3.Connection.",
)
MANY = replace(
    PLAIN,
    captured=tuple(Captured(f"n{i}", "int", 5, "with the function") for i in range(text.SHOWN + 7)),
)
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "newlines": "one\n\ttwo\r\n\x0bthree",
    "controls": "nul \x00 escape \x1b[31m bell \x07",
    "bidi override": "\u202eevil",
    "surrogate": "\ud800",
    "long": "x" * 10_000,
}


class Page(HTMLParser):
    """What a browser makes of a fragment: elements and text."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.cells: list[str] = []
        self.strong: list[str] = []
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "td" in self.open:
            self.cells.append(data)
        if "strong" in self.open:
            self.strong.append(data)


def hostile(string: str) -> Explanation:
    return replace(
        PLAIN,
        what=string,
        item_kind=string,
        first_item=string,
        problem=string,
        captured=(Captured(string, string, 1, "with the function", string, string),),
    )


def test_the_text_is_a_table_with_one_name_a_line() -> None:
    assert text.render(FULL) == (
        "fit over paths: nothing was run or sent\n"
        "\n"
        "items     2,000 (list), the first is 'a.tif'\n"
        "workers   none running, 4 to start\n"
        "backend   this machine: 4 processes\n"
        "chunks    as many items as take 50 ms\n"
        "function  1.2 kB, once to each worker, and 80 MB in shared memory\n"
        "\n"
        "name       type       size  how it gets there                    used\n"
        "np         module           imported in the workers              line 2\n"
        "square     function  310 B  with the function                    line 3\n"
        "  weights  ndarray   80 MB  shared memory, once for all workers  line 7, in square"
    )


def test_a_problem_stands_under_the_table() -> None:
    *_, row, blank, problem = text.render(REFUSED).split("\n")
    assert row.split() == ["conn", "sqlite3.Connection", "cannot", "be", "sent", "line", "4"]
    assert (blank, problem) == ("", REFUSED.problem)
    assert "function  cannot be sent" in text.render(REFUSED)


def test_a_function_without_variables_has_no_table() -> None:
    assert text.render(PLAIN).endswith("\n\nthe function uses no variables")
    assert "the function uses no variables" in Page(html.render(PLAIN)).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"items": None, "first_item": ""}, "not counted (list)"),
        ({"items": 0, "first_item": ""}, "0 (list)"),
        ({"star": True}, "2,000 (list), each called as fn(*item), the first is 'a.tif'"),
        ({"running": 1}, "1 running, 3 to start"),
        ({"running": 4}, "4 running"),
        ({"running": 6}, "6 running, 2 to end"),
    ],
)
def test_facts_say_only_what_there_is(changes: dict[str, object], said: str) -> None:
    assert said in dict(text.facts(replace(PLAIN, **changes))).values()  # type: ignore[arg-type]


def test_rows_beyond_a_hundred_are_counted() -> None:
    assert text.render(MANY).endswith("\nand 7 more")
    page = Page(html.render(MANY))
    assert "and 7 more" in page.text
    assert "n99" in page.text
    assert "n100" not in page.text


def test_the_html_has_every_fact_of_the_text() -> None:
    page = Page(html.render(FULL))
    for cell in [fact for _, fact in text.facts(FULL)]:
        assert cell in page.cells
    for captured in FULL.captured:
        assert all(cell in page.text for cell in text.cells(captured))


def test_what_cannot_be_sent_is_marked_in_the_html() -> None:
    assert Page(html.render(REFUSED)).strong[1:] == ["conn"]
    assert Page(html.render(FULL)).strong[1:] == []
    assert REFUSED.problem in Page(html.render(REFUSED)).text


@pytest.mark.parametrize("route", get_args(Route))
def test_only_what_cannot_be_sent_is_refused(route: Route) -> None:
    assert Captured("x", "int", None, route).refused == (route == "cannot be sent")


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_strings_stay_text(string: str) -> None:
    harmless, page = Page(html.render(hostile("x"))), Page(html.render(hostile(string)))
    assert page.elements == harmless.elements
    assert page.attributes == harmless.attributes
    assert len(html.render(hostile(string)).encode()) < 20_000
    for rendered in (page.text, text.render(hostile(string)).replace("\n", "")):
        assert rendered.isprintable()


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_strings_keep_to_their_line(string: str) -> None:
    lines = text.render(hostile("x")).count("\n")
    assert text.render(hostile(string)).count("\n") == lines


def test_every_colour_stands_without_a_theme_too() -> None:
    rendered = html.render(REFUSED)
    assert rendered.count("color:var(--jp-error-color1") == rendered.count("color:#e53935;color:")
    assert "<style" not in rendered
