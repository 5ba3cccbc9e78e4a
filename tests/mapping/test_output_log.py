"""What items write is kept by item, up to a bound."""

from __future__ import annotations

from typing import Any

import pytest

from parmagic.mapping import output_log
from parmagic.mapping.output_log import OutputLog
from parmagic.report.output import ItemOutput, Part

FIGURE = {"data": {"image/png": "aGk=", "text/plain": "<Figure>"}, "metadata": {}}


def logged(*output: tuple[int, str, Any]) -> OutputLog:
    log = OutputLog()
    log.add(output)
    return log


def outputs(log: OutputLog) -> tuple[ItemOutput, ...]:
    return log.outputs(lambda index: f"<{index}>")


def parts(log: OutputLog) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for each in outputs(log) for part in each.parts]


def displayed(display_id: str | None, text: str) -> dict[str, Any]:
    return {"data": {"text/plain": text}, "metadata": {}, "display_id": display_id}


def test_output_is_kept_by_item_and_named_by_its_repr() -> None:
    log = logged((3, "stdout", "a"), (1, "stdout", "b"), (3, "stdout", "c\n"))
    assert outputs(log) == (
        ItemOutput(1, "<1>", (Part("stdout", "b"),)),
        ItemOutput(3, "<3>", (Part("stdout", "ac\n"),)),
    )
    assert log.text_of(3) == "ac\n"
    assert log.text_of(2) == ""


def test_streams_keep_the_order_in_which_they_were_written() -> None:
    log = logged((0, "stdout", "a"), (0, "stderr", "b"), (0, "stdout", "c"))
    assert parts(log) == [("stdout", "a"), ("stderr", "b"), ("stdout", "c")]


def test_a_bar_leaves_its_last_state() -> None:
    log = logged((0, "stderr", "\r10%"), (0, "stderr", "\r100%\n"))
    assert parts(log) == [("stderr", "100%\n")]


def test_identical_warnings_are_one_with_a_count() -> None:
    log = logged((4, "warning", "w"), (0, "warning", "w"), (4, "warning", "other"))
    assert outputs(log) == (
        ItemOutput(0, "<0>", (Part("warning", "w", count=2),)),
        ItemOutput(4, "<4>", (Part("warning", "other"),)),
    )
    assert [log.text_of(index) for index in (0, 4)] == ["w", "wother"]


def test_a_display_has_its_bundle_and_its_text() -> None:
    log = logged((0, "display", {**FIGURE, "display_id": None}))
    ((part,),) = (each.parts for each in outputs(log))
    assert part == Part("display", "<Figure>\n", FIGURE["data"], metadata={})


def test_an_update_replaces_the_display_of_its_id_only() -> None:
    log = logged(
        (0, "display", displayed("a", "1")),
        (0, "display", displayed("b", "2")),
        (0, "update", displayed("a", "3")),
        (0, "update", displayed("c", "4")),
        (1, "update", displayed("b", "5")),
    )
    assert parts(log) == [("display", "3\n"), ("display", "2\n")]


def test_what_is_cleared_is_gone() -> None:
    assert parts(logged((0, "stdout", "a"), (0, "clear", None), (0, "stdout", "b"))) == [
        ("stdout", "b")
    ]


def test_progress_is_no_output() -> None:
    log = logged((0, "progress", (1, 2, "")))
    assert not log
    assert log.changes == 0


def test_the_text_of_a_job_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_log, "MOST_CHARACTERS", 10)
    log = logged((0, "stdout", "x" * 8), (1, "stdout", "y" * 8), (1, "stderr", "z"))
    assert outputs(log) == (
        ItemOutput(0, "<0>", (Part("stdout", "x" * 8),)),
        ItemOutput(1, "<1>", (Part("stdout", "yy"),), left_out=7),
    )


def test_the_displays_of_a_job_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_log, "MOST_DISPLAY_BYTES", 20)
    figure = {**FIGURE, "display_id": None}
    log = logged((0, "display", figure), (1, "display", figure))
    first, second = outputs(log)
    assert (len(first.parts), len(second.parts), second.left_out) == (1, 0, 12)


def test_what_the_worker_left_out_is_counted() -> None:
    assert outputs(logged((0, "left_out", 5), (0, "left_out", 2))) == (
        ItemOutput(0, "<0>", (), left_out=7),
    )


def test_each_change_is_counted() -> None:
    log = logged((0, "stdout", "a"))
    before = log.changes
    log.add(((0, "stdout", "b"),))
    assert log.changes > before


def test_the_items_that_began_to_write_last_are_found_without_the_others() -> None:
    log = logged((3, "stdout", "a"), (1, "stdout", "b"), (2, "stdout", "c"), (3, "stdout", "d"))
    assert [each.index for each in log.outputs(str, last=2)] == [1, 2]
    assert len(log) == 3
