from __future__ import annotations

from collections.abc import Iterator

import pytest

from parmagic.worker.blackbox import TEXT_BYTES, BlackBox, LastWords


@pytest.fixture
def box() -> Iterator[BlackBox]:
    made = BlackBox.create()
    yield made
    made.close()


def test_an_empty_box_has_no_words(box: BlackBox) -> None:
    assert box.read(0) == box.read(None) == LastWords("", "")


def test_what_an_item_printed_is_found_under_its_number(box: BlackBox) -> None:
    box.note(3, "one ")
    box.note(3, "two\n")
    assert box.read(3).output == "one two\n"
    assert box.read(4).output == ""


def test_the_next_item_begins_anew(box: BlackBox) -> None:
    box.note(3, "long text")
    box.note(4, "short")
    assert (box.read(3).output, box.read(4).output) == ("", "short")


def test_the_same_number_in_another_chunk_is_another_item(box: BlackBox) -> None:
    box.note(3, "of an earlier job")
    box.begin()
    assert box.read(3).output == ""
    box.note(3, "short")
    assert box.read(3).output == "short"


@pytest.mark.parametrize("length", [1, 7, 4095, 4096, 4097, 10_000])
def test_of_much_text_the_end_is_kept(box: BlackBox, length: int) -> None:
    written = ""
    for number in range(3 * TEXT_BYTES // length + 2):
        piece = f"{number:{length}}"[-length:]
        box.note(1, piece)
        written += piece
    assert box.read(1).output == written[-TEXT_BYTES:]


@pytest.mark.parametrize("text", ["é" * TEXT_BYTES, "x" + "é" * TEXT_BYTES, "\ud800 alone"])
def test_text_that_is_cut_or_no_utf_8_is_read_all_the_same(box: BlackBox, text: str) -> None:
    box.note(1, text)
    assert box.read(1).output in text.encode("utf-8", "backslashreplace").decode()
    assert box.read(1).output
