from __future__ import annotations

import io
import os
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from one_worker import OneWorker
from support import Script

from parmagic.pool import output as pool_output
from parmagic.worker import allowance, capture
from parmagic.worker.alarm import Alarm
from parmagic.worker.allowance import ITEM_DISPLAYS
from parmagic.worker.blackbox import BlackBox
from parmagic.worker.board import ITEM
from parmagic.worker.capture import FLUSH_CHARACTERS, LINE_CHARACTERS, Capture, ItemStream, Output


@pytest.fixture
def sent() -> list[Output]:
    return []


@pytest.fixture
def captured(sent: list[Output], monkeypatch: pytest.MonkeyPatch) -> Capture:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", float("inf"))
    monkeypatch.setattr(Alarm, "set", lambda *_: None)

    def send(output: Output) -> bool:
        sent.append(output)
        return True

    return Capture(memoryview(array("q", [7] * 8)), BlackBox(None), send)


@pytest.fixture
def stream(captured: Capture) -> ItemStream:
    return ItemStream("stderr", captured)


def text_of(output: Output) -> str:
    return "".join(text for _, _, text in output)


def parts_of(output: Output) -> tuple[str, int, str]:
    """Return what was sent before characters were left out, how many, and what came after."""
    kinds = [kind for _, kind, _ in output]
    if "left_out" not in kinds:
        return (
            text_of(output)[: allowance.ITEM_CHARACTERS],
            0,
            text_of(output)[allowance.ITEM_CHARACTERS :],
        )
    at = kinds.index("left_out")
    return text_of(output[:at]), output[at][2], text_of(output[at + 1 :])


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


# Of a flood, the beginning and the end are sent.


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow little."""
    monkeypatch.setattr(allowance, "ITEM_CHARACTERS", 100)
    monkeypatch.setattr(capture, "TAIL_CHARACTERS", 20)
    monkeypatch.setattr(allowance, "TAIL_CHARACTERS", 20)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [0, 10, 11, 12, 13, 1000])
def test_of_a_flood_the_two_ends_are_sent(
    captured: Capture, stream: ItemStream, count: int
) -> None:
    written = "".join(f"line {n:04}\n" for n in range(count))
    for line in written.splitlines(keepends=True):
        stream.write(line)
    head, left_out, tail = parts_of(captured.take())
    assert (head, len(head) + left_out + len(tail)) == (written[: len(head)], len(written))
    assert tail == written[len(written) - len(tail) :]
    assert len(head) == min(100, len(written))
    assert len(tail) == min(20, len(written) - len(head))


@pytest.mark.usefixtures("small")
def test_of_a_long_piece_too(captured: Capture, stream: ItemStream) -> None:
    written = "0123456789" * 100
    stream.write(written)
    assert parts_of(captured.take()) == (written[:100], 1000 - 120, written[-20:])


@pytest.mark.usefixtures("small")
def test_each_item_has_its_own_allowance(captured: Capture, stream: ItemStream) -> None:
    for item in (1, 2, 1):
        captured._cells[ITEM] = item
        stream.write("x" * 200)
    output = captured.take()
    assert [(item, content) for item, kind, content in output if kind == "left_out"] == [
        (1, 80), (2, 80), (1, 80),
    ]  # fmt: skip


@pytest.mark.usefixtures("small")
def test_streams_keep_their_order_in_the_end(captured: Capture) -> None:
    captured.streams[0].write("x" * 100)
    captured.streams[0].write("on stdout")
    captured.streams[1].write("on stderr")
    stdout, stderr = captured.take()
    assert stdout == (7, "stdout", "x" * 100 + "on stdout")
    assert stderr == (7, "stderr", "on stderr")


@pytest.mark.usefixtures("small")
def test_a_job_has_an_allowance_that_its_items_share(
    captured: Capture, stream: ItemStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "JOB_CHARACTERS", 150)
    for job in (1, 2, 1):
        captured.begin(job)
        for item in range(3):
            captured._cells[ITEM] = item
            stream.write("x" * 90)
    output = captured.take()
    assert sum(len(content) for _, kind, content in output if kind == "stderr") <= 2 * (150 + 20)
    last = [(item, kind, content) for item, kind, content in output if kind == "left_out"][-3:]
    assert last == [(0, "left_out", 90), (1, "left_out", 90), (2, "left_out", 90)]


def test_displays_are_counted_and_weighed(
    captured: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured.begin(1)
    for number in range(ITEM_DISPLAYS + 2):
        captured.put("display", number, 1)
    output = captured.take()
    assert output == (
        *((7, "display", number) for number in range(ITEM_DISPLAYS)),
        (7, "left_out", 2),
    )
    captured.put("display", "large", allowance.JOB_DISPLAY_BYTES)
    captured.put("display", "small", 10)
    assert captured.take() == (
        (7, "display", "small"),
        (7, "left_out", allowance.JOB_DISPLAY_BYTES),
    )


# What replaces what was there before is sent in its latest state.


def test_of_a_bar_the_latest_state_is_sent(captured: Capture, stream: ItemStream) -> None:
    for n in range(10_000):
        stream.write(f"\r{n}")
    stream.write("\n")
    assert captured.take() == ((7, "stderr", "\r9999\n"),)


def test_a_bar_costs_nothing_of_the_allowance(
    captured: Capture, stream: ItemStream, sent: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0)
    for _ in range(100):
        stream.write("\r" + "x" * (allowance.ITEM_CHARACTERS // 10))
    output = [piece for each in [*sent, captured.take()] for piece in each]
    assert {kind for _, kind, _ in output} == {"stderr"}
    assert len(text_of(tuple(output))) > 5 * allowance.ITEM_CHARACTERS


NO_BARS = {
    "after a line": ["\ra\n", "\rb"],
    "after text": ["a", "\rb"],
    "text after it": ["\ra", "b"],
    "only the return": ["\ra", "\r"],
    "two lines": ["\ra", "\rb\nc"],
}


@pytest.mark.parametrize("texts", NO_BARS.values(), ids=NO_BARS)
def test_what_is_no_bar_is_kept(captured: Capture, stream: ItemStream, texts: list[str]) -> None:
    for text in texts:
        stream.write(text)
    assert text_of(captured.take()) == "".join(texts)


def test_bars_of_two_streams_are_two(captured: Capture) -> None:
    for stream in captured.streams * 2:
        stream.write("\ra")
    assert {kind for _, kind, _ in captured.take()} == {"stdout", "stderr"}


@pytest.mark.parametrize("kind", ["progress", "update"])
def test_of_what_is_replaced_the_latest_is_sent(captured: Capture, kind: str) -> None:
    for item in (1, 2):
        captured._cells[ITEM] = item
        for number in range(3):
            captured.put(kind, {"display_id": "x", "number": number}, 10)
    assert captured.take() == tuple(
        (item, kind, {"display_id": "x", "number": 2}) for item in (1, 2)
    )


def test_updates_are_weighed_by_the_last(
    captured: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured.begin(1)
    half = allowance.JOB_DISPLAY_BYTES // 2
    for _ in range(5):
        captured.put("update", {"display_id": "x"}, half)
    captured.put("update", {"display_id": "y"}, half + 1)
    assert captured.take() == ((7, "left_out", half + 1), (7, "update", {"display_id": "x"}))


def test_what_is_cleared_is_forgotten_with_its_flood(captured: Capture, stream: ItemStream) -> None:
    captured._cells[ITEM] = 6
    stream.write("of another item")
    captured._cells[ITEM] = 7
    stream.write("x" * 2 * allowance.ITEM_CHARACTERS)
    captured.put("display", {}, 10)
    captured.put("update", {"display_id": "x"}, 10)
    captured.put("clear", None, 0)
    stream.write("after")
    assert captured.take() == (
        (6, "stderr", "of another item"), (7, "clear", None), (7, "stderr", "after"),
    )  # fmt: skip


def test_warnings_are_pieces_of_their_own(captured: Capture, stream: ItemStream) -> None:
    for _ in range(2):
        captured.put("warning", "take care\n", 10)
        stream.write("text\n")
    assert captured.take() == ((7, "warning", "take care\n"), (7, "stderr", "text\n")) * 2


def test_text_of_a_class_of_the_notebook_becomes_plain(
    captured: Capture, stream: ItemStream
) -> None:
    class Text(str):
        __slots__ = ()

    stream.write(Text("a"))
    ((_, _, text),) = captured.take()
    assert type(text) is str


def test_outside_of_workers_nothing_is_noted() -> None:
    assert capture.put("display", {}, 0) is False


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut floods, as in a notebook."""
    monkeypatch.setattr(pool_output, "bounded", True)


def test_in_a_script_all_is_sent(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        for _ in range(10):
            print("x" * allowance.ITEM_CHARACTERS)

    output = same_worker.run(fn).output
    assert len(text_of(output)) == 10 * (allowance.ITEM_CHARACTERS + 1)


@pytest.mark.usefixtures("bounded")
def test_a_million_lines_of_an_item_are_few_in_the_kernel(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        for n in range(100_000):
            print("line", n)

    head, left_out, tail = parts_of(same_worker.run(fn).output)
    whole = "".join(f"line {n}\n" for n in range(100_000))
    assert head == whole[: len(head)]
    assert tail == whole[-len(tail) :]
    assert len(head) + left_out + len(tail) == len(whole)
    assert len(head) + len(tail) <= allowance.ITEM_CHARACTERS + allowance.TAIL_CHARACTERS


@pytest.mark.usefixtures("bounded")
def test_the_items_of_a_job_share_an_allowance_over_its_chunks(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        print("x" * allowance.ITEM_CHARACTERS)

    job = same_worker.job(fn)
    items = range(allowance.JOB_CHARACTERS // allowance.ITEM_CHARACTERS)
    assert same_worker.run(fn, items, job=job).of("left_out") == []
    after = same_worker.run(fn, items, job=job)
    same_worker.forget(job)
    assert len(after.of("left_out")) == len(items)
    assert after.text("stdout") == ""
    assert same_worker.run(fn).of("left_out") == []


def test_a_fork_of_an_item_prints_past_the_kernel(same_worker: OneWorker) -> None:
    def fn(x: int) -> int:
        pid = os.fork()
        if pid == 0:
            capture.put("display", {}, 0)
            os._exit(capture.put("display", {}, 0))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    ran = same_worker.run(fn)
    assert (ran.values, ran.output) == ([0], ())


NOTED = {
    "warning": ("warnings.warn('take care')", "UserWarning: take care\n"),
    "own class": ("warnings.warn('x', Own)", "Own: x\n"),
    "recorded": (
        "with warnings.catch_warnings(record=True) as seen: warnings.warn('x')\n"
        "assert len(seen) == 1", "",
    ),
    "shown elsewhere": (
        "import io\nwarnings.showwarning('x', UserWarning, 'f', 1, io.StringIO())", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_warnings_reach_the_kernel_as_such(same_worker: OneWorker, name: str) -> None:
    code, text = NOTED[name]

    def fn(x: int) -> None:
        import warnings

        class Own(UserWarning):
            pass

        warnings.simplefilter("always")
        exec(code, {"warnings": warnings, "Own": Own})

    ran = same_worker.run(fn)
    assert ran.failures == 0
    assert text in ran.text("warning")
    assert bool(ran.output) is bool(text)


PRINTING = """
import itertools, signal
import parmagic

def interrupted(_):
    import signal
    signal.signal(signal.SIGALRM, lambda *_: print("tick"))
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    return 0

pool = parmagic.ProcessPoolExecutor(1)
pool.submit(interrupted, 0).result()
print("over", sum(pool.map(lambda x: 1, range(6_000), chunksize=1)))
pool.kill_workers()
"""


def test_a_signal_may_print_while_a_message_is_sent(script: Callable[..., Script]) -> None:
    ended = script(PRINTING).end()
    assert "over 6000" in ended.output, ended.errors
