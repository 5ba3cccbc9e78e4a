import base64
from dataclasses import replace

import pandas as pd
import pytest
from report.pages import HOSTILE, Page

from parmagic.report.output import ItemOutput, Part
from parmagic.report.output_html import fits, render

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
IMAGES = {
    "image/png": PNG,
    "image/jpeg": PNG,
    "image/gif": f"{PNG[:8]}\n{PNG[8:]}\n",
    "image/webp": PNG,
}


def printed(text, index=0, kind="stdout", **changes):
    return ItemOutput(index, "0.5", (Part(kind, text, **changes),))


def displayed(bundle, text="its text"):
    return ItemOutput(0, "0.5", (Part("display", f"{text}\n", bundle),))


def page(*outputs):
    return Page(render(outputs))


def tags(*outputs):
    return [tag for tag, _ in page(*outputs).elements]


def test_a_row_has_the_item_and_what_it_printed():
    drawn = page(printed("epoch 1\nepoch 2\n", 3))
    assert drawn.text == "item 3epoch 1\nepoch 2\n"
    assert drawn.one(title="0.5")
    assert drawn.elements[0][1]["class"] == "parmagic-outputs"


def test_what_is_printed_between_items_belongs_to_none():
    assert page(replace(printed("opening"), index=-1)).text == "between itemsopening\n"


@pytest.mark.parametrize(("lines", "folded"), [(8, False), (9, True)])
def test_a_long_text_is_folded_under_its_first_line(lines, folded):
    text = "".join(f"line {number}\n" for number in range(lines))
    assert ("details" in tags(printed(text))) is folded
    if folded:
        assert page(printed(text)).text.startswith(f"item 0line 0 · {lines} linesline 1\nline 2")


def test_a_long_line_is_folded_and_kept_whole():
    drawn = page(printed("x" * 5_000))
    assert "… · 5,000 characters" in drawn.text
    assert "x" * 5_000 in drawn.text


def test_stderr_and_warnings_are_tinted():
    styles = [
        next(
            attrs["style"] for tag, attrs in page(printed("x", kind=kind)).elements if tag == "pre"
        )
        for kind in ("stdout", "stderr", "warning")
    ]
    assert "--jp-rendermime-error-background" in styles[1]
    assert len(set(styles)) == 3


def test_a_warning_says_how_often_it_came():
    assert page(printed("careful\n", kind="warning", count=1_200)).text.endswith(
        "careful (\N{MULTIPLICATION SIGN} 1,200)\n"
    )
    assert page(printed("careful\n", kind="warning")).text.endswith("careful\n")


def test_colours_of_a_terminal_are_removed():
    text = "\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[2Kend"
    assert page(printed(text)).text == "item 0red link end\n"


def test_what_was_left_out_is_said():
    output = replace(printed("x"), left_out=99_000_000)
    assert page(output).text.endswith("… 99,000,000 characters left out …\n")


def test_after_thirty_items_the_others_are_folded():
    html = render([printed(f"step {index}", index) for index in range(1_000)])
    unfolded, folded = html.split("<details", 1)
    assert (unfolded.count("<pre"), folded.count("<pre")) == (30, 970)
    assert "and 970 more items" in Page(html).text


@pytest.mark.parametrize("mime", IMAGES)
def test_an_image_is_drawn(mime):
    bundle = {mime: IMAGES[mime], "text/plain": "<Figure>"}
    assert fits(bundle)
    image = page(displayed(bundle)).one(src=f"data:{mime};base64,{PNG}")
    assert "max-width:100%" in image["style"]


def test_an_image_of_two_pixels_for_one_is_as_wide_as_it_says():
    part = Part("display", "", {"image/png": PNG}, metadata={"image/png": {"width": 320}})
    assert page(ItemOutput(0, "", (part,))).one(width="320")


@pytest.mark.parametrize("size", [None, 3, {"width": '1" onerror="alert(1)'}])
def test_a_size_that_is_none_is_left_out(size):
    part = Part("display", "", {"image/png": PNG}, metadata={"image/png": size})
    assert "width=" not in render([ItemOutput(0, "", (part,))])


def test_an_svg_is_an_image_and_so_runs_nothing():
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    bundle = {"image/svg+xml": svg, "text/plain": ""}
    source = base64.b64encode(svg.encode()).decode()
    assert fits(bundle)
    assert page(displayed(bundle)).one(src=f"data:image/svg+xml;base64,{source}")


def test_an_image_that_is_not_base64_is_not_drawn():
    bundle = {"image/png": 'x" onerror="alert(1)'}
    assert not fits(bundle)
    assert "img" not in tags(displayed(bundle))


def test_a_data_frame_of_pandas_is_a_table():
    frame = pd.DataFrame({"name": ["a", "b<c"], "value": [1.5, 2]})
    for html in (frame._repr_html_(), frame.to_html()):
        drawn = page(displayed({"text/html": html, "text/plain": str(frame)}))
        assert [tag for tag, _ in drawn.elements].count("td") == 4
        assert "b<c" in drawn.text
        assert not any(tag == "style" for tag, _ in drawn.elements)


@pytest.mark.parametrize(
    "bundle",
    [
        {"text/markdown": "**a** <b>", "text/plain": "x"},
        {"text/latex": "**a** <b>", "text/plain": "x"},
        {"application/json": "**a** <b>", "text/plain": "x"},
        {"text/plain": ["**a** ", "<b>"]},
    ],
)
def test_other_text_is_shown_as_it_is(bundle):
    assert fits(bundle)
    assert "**a** <b>" in page(displayed(bundle)).text
    assert "b" not in tags(displayed(bundle))


@pytest.mark.parametrize(
    "bundle",
    [
        {},
        {"text/html": "<div id=plot></div><script>draw()</script>", "text/plain": "x"},
        {"application/vnd.plotly.v1+json": {}, "text/html": "<b>x</b>", "text/plain": "x"},
        {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"},
        {"application/javascript": "alert(1)"},
        {"text/html": "<p>" + "x" * 600_000 + "</p>"},
        {"image/png": "A" * 20_000_004},
    ],
)
def test_what_only_the_front_end_can_draw_stands_as_text(bundle):
    assert not fits(bundle)
    assert page(displayed(bundle)).text == "item 0its text\n"


def test_displays_stay_in_sight_where_text_is_folded():
    long, image = Part("stdout", "x\n" * 100), Part("display", "", {"image/png": PNG})
    html = render([ItemOutput(0, "", (long, image, long))])
    assert html.index("</details>") < html.index("<img") < html.rindex("<details")


@pytest.mark.parametrize("kind", ["stdout", "stderr", "warning", "display"])
@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_string_adds_no_element(string, kind):
    bundle = {"text/plain": string} if kind == "display" else None
    shown = Page(render([ItemOutput(0, string, (Part(kind, string, bundle),), 9)]))
    assert {tag for tag, _ in shown.elements} <= {
        "div",
        "pre",
        "details",
        "summary",
        "samp",
        "span",
    }
    assert {name for _, attrs in shown.elements for name in attrs} <= {"class", "style", "title"}
    assert shown.text.encode()


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE)
def test_all_of_it_stays_below_two_megabytes(string):
    parts = (Part("stdout", string * 20),)
    outputs = [ItemOutput(index, string, parts) for index in range(8_000)]
    html = render(outputs)
    assert len(html.encode()) < 2_100_000
    assert "left out" in html


def test_one_long_text_is_cut():
    html = render([printed("'<&\N{SNOWMAN}\n" * 1_000_000)])
    assert 300_000 < len(html.encode()) < 2_100_000
    assert " …" in html


def test_images_beyond_what_there_is_room_for_are_left_out():
    large = {"image/png": "A" * 4_000_000}
    html = render([displayed(large)] * 8)
    assert html.count("<img") == 4
    assert html.count("too large to be shown here") == 4
