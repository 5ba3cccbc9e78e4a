"""Why a job that is done gained little, in one sentence that says what would help."""

from __future__ import annotations

from parmagic.report.lane import Bar, Lane
from parmagic.report.report import Report, TimeSpent
from parmagic.report.units import count, duration, percent, size

# Where an item takes longer than this from end to end, sending it is not what takes the time.
_SHORT_ITEM_SECONDS = 0.01
# A job shorter than this is not worth a word.
_SHORT_JOB_SECONDS = 0.1
_LARGE_BYTES = 10_000_000
# The part of the time from which on something counts as the cause.
_LARGE_PART = 0.25


def remark(report: Report) -> str:
    """Say in one sentence why a job that is done gained little; nothing if it gained."""
    if report.state != "done" or report.speedup is None:
        return ""
    if _items_are_too_short(report):
        return _short_items(report)
    if report.start_seconds >= report.wall_seconds * _LARGE_PART:
        return _start(report)
    if not _paid_badly(report, report.speedup):
        return ""
    causes = (_loading, _few_items, _last_item, _bytes, _sending, _waits)
    return next(filter(None, (cause(report) for cause in causes)), _overhead(report))


def _paid_badly(report: Report, speedup: float) -> bool:
    if report.workers == 1 or report.wall_seconds < _SHORT_JOB_SECONDS:
        return speedup < 0.5
    return speedup < 0.5 * report.workers


def _items_are_too_short(report: Report) -> bool:
    longest = report.ran * _SHORT_ITEM_SECONDS
    return report.ran > 1 and report.item_seconds < report.warm_seconds < longest


def _short_items(report: Report) -> str:
    each = duration(report.item_seconds / report.ran, digits=2)
    serial = duration(report.item_seconds, digits=2)
    # Less than that is soon done, whatever one does.
    larger = "; fewer, larger items would gain" if report.item_seconds >= 1 else ""
    return (
        f"The items are too short to gain from processes: {each} each; "
        f"a serial loop would have taken {serial}{larger}."
    )


def _start(report: Report) -> str:
    start = duration(report.start_seconds, digits=2)
    return f"{start} of this was the start of the workers: the next cell will not pay it."


def _loading(report: Report) -> str:
    if report.time is None or report.time.load < _all(report.time) * _LARGE_PART:
        return ""
    part = percent(report.time.load, _all(report.time))
    return (
        f"{part} of the time went into importing what the function uses: the next cell will not"
        " import it again."
    )


def _few_items(report: Report) -> str:
    if report.ran >= report.workers or report.item_seconds < report.warm_seconds / 2:
        return ""
    workers = count(report.ran, "worker", of=report.workers)
    return f"Only {workers} had an item: smaller items, and more of them, would use the others."


def _last_item(report: Report) -> str:
    """Blame what the last worker did when the others had nothing left."""
    alone, last = _alone(report.lanes)
    if last is None or alone < report.wall_seconds * _LARGE_PART:
        return ""
    took = duration(last.seconds, digits=2)
    what = f"The last worker worked alone for {duration(alone, digits=2)} of this"
    if last.count == 1:
        return f"{what}: item {last.first} took {took}; start the long items first."
    return f"{what}, with {last.count:,} items: a smaller chunksize would share them."


def _alone(lanes: tuple[Lane, ...]) -> tuple[float, Bar | None]:
    """Return how long the last worker ran alone, and what it ran."""
    if len(lanes) < 2:
        return 0.0, None
    second, last = sorted(lanes, key=lambda lane: lane.end)[-2:]
    return last.end - second.end, last.bars[-1] if last.bars else None


def _bytes(report: Report) -> str:
    sending = 0.0 if report.time is None else report.time.serialise + report.time.transfer
    if report.nbytes < _LARGE_BYTES or sending < _all(report.time) * _LARGE_PART:
        return ""
    return (
        f"{size(report.nbytes)} travelled between the kernel and the workers, "
        f"{percent(sending, _all(report.time))} of the time: send and return less."
    )


def _waits(report: Report) -> str:
    """Blame the kernel for what the workers waited while there were items to come."""
    if report.time is None or not report.lanes:
        return ""
    waited = report.time.wait - _idle_at_the_end(report)
    if waited < _all(report.time) * _LARGE_PART:
        return ""
    part = percent(waited, _all(report.time))
    return (
        f"The workers waited {part} of the time for the kernel, which makes the items "
        "one after the other: let the function do that work."
    )


def _idle_at_the_end(report: Report) -> float:
    """Sum the time after the last item of each worker; all of it where it had none."""
    ran = sum(max(lane.end - report.start_seconds, 0.0) for lane in report.lanes)
    return max(report.workers * report.warm_seconds - ran, 0.0)


def _sending(report: Report) -> str:
    if report.time is None or not report.ran:
        return ""
    sending = report.time.serialise + report.time.transfer
    if sending < max(report.time.compute, report.time.wait):
        return ""
    each, sent = (duration(part / report.ran, digits=2) for part in (report.item_seconds, sending))
    return (
        f"Sending an item took longer than running it ({sent}, and {each}): "
        "fewer, larger items would gain."
    )


def _overhead(report: Report) -> str:
    if report.speedup is None or report.speedup >= 0.5:
        return ""
    work = duration(report.item_seconds, digits=2)
    return f"Only {work} of this was the work itself: the rest was making and sending items."


def _all(time: TimeSpent | None) -> float:
    if time is None:
        return 0.0
    working = time.compute + time.serialise + time.transfer + time.load
    return working + time.start + time.wait
