"""What is filled in, and the cell that does the same."""

from __future__ import annotations

import pytest

from parmagic.notebook.cell import plan_cell
from parmagic.notebook.options import PARMAP, parse_parmap
from parmagic.notebook.panel.form import OFFERED, Form

FILLED = Form("square", "numbers", "squares")


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        (FILLED, "%%parmap number in numbers -> squares\nsquare(number)"),
        (Form("square", "range(3)"), "%%parmap number in range(3)\nsquare(number)"),
        (Form("number", "xs"), "%%parmap item in xs\nnumber(item)"),
        (Form("f", "[number, item]"), "%%parmap item_ in [number, item]\nf(item_)"),
        (Form("f", "1, 2", " y "), "%%parmap number in (1, 2) -> y\nf(number)"),
        (
            Form("f", "xs", values={"--workers": " 4 ", "--star": True, "--retries": ""}),
            "%%parmap --workers 4 number in xs\nf(*number)",
        ),
        (
            Form("f", "xs", values={"--checkpoint": "my file.db", "--return-exceptions": True}),
            '%%parmap --return-exceptions --checkpoint "my file.db" number in xs\nf(number)',
        ),
        (Form("", "xs"), ""),
        (Form("f", "  "), ""),
    ],
)
def test_the_cell_does_what_is_filled_in(form: Form, cell: str) -> None:
    assert form.cell("number") == cell


def test_the_cell_is_one_that_the_magic_understands() -> None:
    form = Form("f", "a if b else c", "ys", {"--timeout": "2.5", "--checkpoint": 'an "odd" one'})
    line, _, body = form.cell("x").partition("\n")
    asked = parse_parmap(line.removeprefix("%%parmap "), {})
    assert asked.options == {"timeout": 2.5, "checkpoint": 'an "odd" one'}
    assert asked.name == "ys"
    assert plan_cell(asked.rest, body).targets == ("x",)


def test_every_option_has_a_control_or_is_left_out_on_purpose() -> None:
    left_out = {each.word for each in PARMAP} - {each.word for each in OFFERED}
    assert left_out <= {
        *("--resume", "--serial", "--explain", "--out", "--quiet"),
        *("--background", "--bg"),
    }
