from dataclasses import replace

import pytest

from parmagic.report.report import Report
from parmagic.report.text import render, render_line

RUNNING = Report(
    what="seed in range(200)",
    state="running",
    items=200,
    done=134,
    failed=0,
    workers=2,
    busy_workers=2,
    chunks=12,
    wall_seconds=3.25,
    item_seconds=6.1,
    start_seconds=0.0,
)
DONE = replace(RUNNING, state="done", done=200)


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
