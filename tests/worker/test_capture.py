from __future__ import annotations

import io
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from parmagic.worker import capture
from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import ITEM
from parmagic.worker.capture import FLUSH_CHARACTERS, LINE_CHARACTERS, Capture, ItemStream, Output


@pytest.fixture
def sent() -> list[Output]:
    return []


@pytest.fixture
def captured(sent: list[Output], monkeypatch: pytest.MonkeyPatch) -> Capture:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 1000)
    return Capture(memoryview(array("q", [7] * 8)), BlackBox(None), sent.append)


@pytest.fixture
def stream(captured: Capture) -> ItemStream:
    return ItemStream("stderr", captured)


def text_of(output: Output) -> str:
    return "".join(text for _, _, text in output)


WAYS = {
    "print": (lambda stream: print("a", file=stream, end=""), "a"),
    "write": (lambda stream: stream.write("ä"), "ä"),
    "bytes": (lambda stream: stream.buffer.write("ä".encode()), "ä"),
    "torn bytes": (lambda stream: stream.buffer.write(b"\xff"), "\\xff"),
    "surrogate": (lambda stream: stream.write("\ud800"), "\ud800"),
    "lines": (lambda stream: stream.writelines(["a\n"]), "a\n"),
}


@pytest.mark.parametrize(("write", "text"), WAYS.values(), ids=WAYS)
def test_text_is_noted_with_the_item_that_runs(
    captured: Capture, stream: ItemStream, write: Callable[[ItemStream], Any], text: str
) -> None:
    write(stream)
    captured._cells[ITEM] = 8
    write(stream)
    assert captured.take() == ((7, "stderr", text), (8, "stderr", text))
    assert captured.take() == ()


def test_a_thread_of_the_item_prints_too(captured: Capture, stream: ItemStream) -> None:
    thread = threading.Thread(target=print, args=("a",), kwargs={"file": stream})
    thread.start()
    thread.join()
    assert text_of(captured.take()) == "a\n"


MUCH = {
    "lines": ["a" * FLUSH_CHARACTERS, "b\n"],
    "carriage return": ["a" * FLUSH_CHARACTERS, "\r"],
    "flushed": ["a" * FLUSH_CHARACTERS + "b"],
    "a very long line": ["a" * LINE_CHARACTERS, "b"],
}


@pytest.mark.parametrize("texts", MUCH.values(), ids=MUCH)
def test_much_text_does_not_wait_for_the_end(
    stream: ItemStream, sent: list[Output], texts: list[str]
) -> None:
    for text in texts:
        assert sent == []
        stream.write(text)
    stream.flush()
    assert text_of(sent.pop()) == "".join(texts)


@pytest.mark.parametrize("end", [lambda stream: stream.write("\n"), ItemStream.flush])
def test_old_text_does_not_wait_for_the_end(
    stream: ItemStream,
    sent: list[Output],
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[ItemStream], Any],
) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0)
    stream.write("a")
    stream.write("b")
    assert sent == []
    end(stream)
    assert text_of(sent.pop()).strip() == "ab"
    stream.flush()
    assert sent == []


@pytest.mark.parametrize("nothing", [b"bytes", None, 1])
def test_what_is_no_text_is_refused_as_by_any_stream(stream: ItemStream, nothing: Any) -> None:
    with pytest.raises(TypeError, match="must be str, not"):
        stream.write(nothing)


@pytest.mark.parametrize(("name", "descriptor"), [("stdout", 1), ("stderr", 2)])
def test_it_is_a_stream_like_others(captured: Capture, name: str, descriptor: int) -> None:
    stream = ItemStream(name, captured)
    assert isinstance(stream, io.TextIOBase)
    assert (stream.name, stream.fileno(), stream.encoding) == (name, descriptor, "utf-8")
    assert (stream.writable(), stream.readable(), stream.isatty()) == (True, False, False)
