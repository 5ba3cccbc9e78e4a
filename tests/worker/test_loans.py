from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from parmagic.worker import loans as module
from parmagic.worker.arrival import LostSegment
from parmagic.worker.loans import Loans
from parmagic.worker.messages import Released
from parmagic.worker.segment import PRIVATE, READ, WRITE, Segment, Shipped

K = 1024


@pytest.fixture
def loans() -> Iterator[Loans]:
    loans = Loans()
    yield loans
    loans.sort_in()
    for _, segment in loans._kept.values():
        segment.close()


def received(nbytes: int = 64 * K) -> Segment:
    """Return a segment as a worker has it that the kernel has made."""
    segment = Segment.make(nbytes)
    segment.known_there = True
    return segment


def again(segment: Segment) -> Shipped:
    """Describe ``segment`` as the kernel does that sends it again."""
    return Shipped(segment.number, segment.nbytes, segment.filled, PRIVATE, None)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("wanted", "enough"), [(1, True), (64 * K, True), (64 * K + 1, False), (0, True)]
)
def test_the_loan_is_taken_if_it_is_large_enough(loans: Loans, wanted: int, enough: bool) -> None:
    loans.loan = loan = received()
    assert loans.take(wanted) is (loan if enough else None)
    assert loans.loan is (None if enough else loan)
    loan.close()


def test_it_is_taken_once(loans: Loans) -> None:
    loans.loan = loan = received()
    assert loans.take(1) is loan
    assert loans.take(1) is None
    loan.close()


def test_without_a_loan_there_is_none(loans: Loans) -> None:
    assert loans.take(1) is None


def test_a_loan_that_did_not_arrive_is_none(loans: Loans) -> None:
    loans.loan = LostSegment(Shipped(1, 64 * K, 0, PRIVATE, None))
    assert loans.take(1) is None


def test_what_is_let_go_is_reported_once(loans: Loans) -> None:
    assert not loans
    segments = [received(), received()]
    for segment in segments:
        loans.put(segment, clean=True)
    assert loans
    assert loans.take_released().released == tuple(segment.number for segment in segments)
    assert not loans
    assert loans.take_released() == Released(())


def test_what_was_sent_twice_is_reported_twice(loans: Loans) -> None:
    segment = received()
    twin = Segment.arrived(again(segment), os.dup(segment.descriptor))
    twin.known_there = True
    loans.put(segment, clean=True)
    loans.put(twin, clean=True)
    assert loans.take_released() == Released((segment.number,) * 2)
    loans.drop_old()
    assert sum(each.descriptor >= 0 for each in (segment, twin)) == 1


def test_what_a_fork_may_look_at_is_told_apart(loans: Loans) -> None:
    segment = received()
    loans.put(segment, clean=False)
    assert segment.descriptor < 0
    assert loans
    assert loans.take_released() == Released((), (segment.number,))
    assert not loans
    assert loans.recall(again(segment), None) is None


def test_what_the_worker_has_made_is_closed(loans: Loans) -> None:
    segment = Segment.make(64 * K)
    loans.put(segment, clean=True)
    assert segment.descriptor < 0
    assert not loans


def test_a_segment_that_comes_again_is_the_one_that_was_here(loans: Loans) -> None:
    segment = received()
    loans.put(segment, clean=True)
    assert loans.keeps_any
    before, descriptor = descriptors(), os.dup(segment.descriptor)
    shipped = Shipped(segment.number, segment.nbytes, 123, READ, None)
    assert loans.recall(shipped, descriptor) is segment
    assert descriptors() == before
    assert (segment.access, segment.filled) == (READ, 123)
    assert not loans.keeps_any
    assert loans.recall(shipped, None) is None
    segment.close()


def test_another_is_not_recalled(loans: Loans) -> None:
    segment, other = received(), received()
    loans.put(segment, clean=True)
    assert loans.recall(again(other), None) is None
    other.close()


@pytest.mark.parametrize("written", [False, True])
def test_what_was_written_in_private_is_not_seen_the_next_time(loans: Loans, written: bool) -> None:
    segment = received()
    segment.write(memoryview(b"first"), 0)
    window = segment.window(PRIVATE).mapping
    assert window[:5] == b"first"
    if written:
        window[:5] = b"mine!"
    loans.put(segment, clean=True)
    del window
    segment.write(memoryview(b"other"), 0)  # as the kernel does, which was told
    assert loans.recall(again(segment), None) is segment
    assert segment.window(PRIVATE).mapping[:5] == b"other"
    segment.close()


def test_what_does_not_come_again_is_dropped(loans: Loans, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = received()
    loans.put(segment, clean=True)
    loans.drop_old()
    assert segment.descriptor >= 0
    monkeypatch.setattr(module, "KEPT_SECONDS", -1.0)
    loans.drop_old()
    assert segment.descriptor < 0
    assert not loans.keeps_any


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory lasts until all let go")
def test_what_the_kernel_gives_back_is_freed_here_too(loans: Loans) -> None:
    segment = received()
    segment.write(memoryview(b"x" * 64 * K), 0)
    window = segment.window(WRITE)
    kernels = os.dup(segment.descriptor)
    loans.put(segment, clean=True)
    loans.drop_old()
    assert segment.descriptor >= 0
    Segment(segment.nbytes, kernels).discard()
    assert os.fstat(segment.descriptor).st_blocks == 0
    loans.drop_old()
    assert segment.descriptor < 0
    assert not loans.keeps_any
    del window


def test_there_are_not_too_many(loans: Loans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    segments = [received() for _ in range(8)]
    for segment in segments:
        loans.put(segment, clean=True)
    assert loans.recall(again(segments[0]), None) is None
    assert [segment.descriptor >= 0 for segment in segments] == [False] * 5 + [True] * 3


def test_one_that_did_not_arrive_is_let_go_but_not_kept(loans: Loans) -> None:
    lost = LostSegment(Shipped(7, 64 * K, 0, PRIVATE, None))
    lost.known_there = True
    loans.put(lost, clean=True)
    assert loans.take_released() == Released((7,))
    assert loans.recall(Shipped(7, 64 * K, 0, PRIVATE, None), None) is None
