from dataclasses import replace

import pytest
from report.pages import DONE, RUNNING

from parmagic.report.output import ItemOutput, Part
from parmagic.report.text import render, render_line, render_outputs


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "200 items done"),
        ({"items": 1, "done": 1}, "1 item done"),
        ({"items": 100_000, "done": 100_000}, "100,000 items done"),
        ({"items": 0, "done": 0}, "no items"),
        ({"items": None}, "200 items done"),
        ({"done": 197, "failed": 3}, "197 of 200 items done, 3 failed"),
        (
            {"state": "failed", "done": 197, "failed": 1},
            "197 of 200 items done, 1 failed, 2 pending",
        ),
        (
            {"state": "interrupted", "done": 88},
            "88 of 200 items done, 112 pending, interrupted",
        ),
        ({"state": "running", "done": 0}, "0 of 200 items done, 200 pending"),
    ],
)
def test_the_sentence_counts_the_items(changes, sentence):
    assert render(replace(DONE, **changes)) == sentence


@pytest.mark.parametrize("state", ["running", "done", "failed", "interrupted"])
def test_the_sentence_is_the_same_on_another_machine(state):
    here = replace(DONE, state=state, failed=2, done=190)
    there = replace(
        here,
        workers=64,
        busy_workers=3,
        chunks=7,
        wall_seconds=0.5,
        item_seconds=99.0,
        start_seconds=0.4,
    )
    assert render(here) == render(there)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "134/200 · 41 items/s · about 2 s left"),
        ({"failed": 3}, "134/200 · 42 items/s · about 1 s left · 3 failed"),
        ({"items": 100_000}, "134/100,000 · 41 items/s · about 40 min left"),
        ({"items": None}, "134 items · 41 items/s · 3.25 s so far"),
        ({"done": 0}, "0/200 · 3.25 s so far"),
        ({"done": 0, "start_seconds": 3.25}, "0/200 · starting 2 workers"),
        ({"done": 200}, "200/200 · 62 items/s · 3.25 s so far"),
        ({"done": 200, "state": "done"}, "200/200 · 62 items/s · 3.25 s"),
        ({"state": "interrupted"}, "134/200 · 41 items/s · 3.25 s"),
        ({"items": 0, "done": 0, "wall_seconds": 0.0}, "0/0 · 0 s so far"),
    ],
)
def test_the_line_says_how_far_and_how_fast(changes, line):
    assert render_line(replace(RUNNING, **changes)) == line


def test_outputs_stand_beside_their_labels():
    outputs = (
        ItemOutput(-1, "", (Part("stdout", "opening\n"),)),
        ItemOutput(0, "'a'", (Part("stdout", "first line\nsecond "), Part("stderr", "line\n"))),
        ItemOutput(3, "'b'", (Part("display", "<Figure>\n", {"image/png": ""}),)),
        ItemOutput(4, "'c'", (Part("display", "   a\n0  1\n", {}), Part("stdout", "end"))),
        ItemOutput(12, "'d'", (Part("warning", "careful\n", None, 3),), left_out=1_000),
    )
    assert render_outputs(outputs).splitlines() == [
        "between items: opening",
        "item 0: first line",
        "        second line",
        "item 3: [Figure]",
        "item 4:    a",
        "        0  1",
        "        end",
        "item 12: careful (\N{MULTIPLICATION SIGN} 3)",
        "         … 1,000 characters left out …",
    ]


def test_outputs_have_no_colours():
    assert (
        render_outputs([ItemOutput(0, "", (Part("stdout", "\x1b[31mred\x1b[0m"),))])
        == "item 0: red"
    )


def test_outputs_are_cut_where_they_are_too_long():
    output = ItemOutput(0, "", (Part("stdout", "x" * 600_000),))
    text = render_outputs([output] * 9)
    assert len(text) < 1_001_000
    assert text.endswith("x …\n… output of 7 more items …")
