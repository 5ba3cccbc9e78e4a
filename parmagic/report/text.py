"""A report as text: the sentence that stays in the notebook, and the line of a terminal."""

from parmagic.report.report import Report
from parmagic.report.units import about, count, duration, rate


def render(report: Report) -> str:
    """Say what became of the items: ``197 of 200 items done, 1 failed, 2 pending``.

    Two runs of a notebook give the same text: no seconds, and nothing about the workers.
    """
    interrupted = ["interrupted"] if report.state == "interrupted" else []
    return ", ".join([*tally(report), *interrupted])


def render_line(report: Report) -> str:
    """Say how far a running job is: ``134/200 · 41 items/s · about 2 s left``."""
    known = report.items is not None
    facts = [f"{report.done:,}/{report.items:,}" if known else count(report.done, "item")]
    facts += pace(report)
    facts += [f"{report.failed:,} failed"] if report.failed else []
    return " · ".join(facts)


def tally(report: Report) -> list[str]:
    """Count the items: done, and failed and pending if there are any."""
    if report.items == 0:
        return ["no items"]
    kept = f" ({report.kept:,} of them kept from before)" if report.kept else ""
    facts = [f"{count(report.done, 'item', of=report.items)} done{kept}"]
    facts += [f"{report.failed:,} failed"] if report.failed else []
    facts += [f"{report.pending:,} pending"] if report.pending else []
    return facts


def pace(report: Report) -> list[str]:
    """Say how fast the items run, and how long the rest or, if unknown, the whole takes."""
    if report.starting:
        return [f"starting {count(report.workers, 'worker')}"]
    facts = [] if report.rate is None else [rate(report.rate)]
    return [*facts, _clock(report)]


def _clock(report: Report) -> str:
    if report.remaining_seconds:
        return f"{about(report.remaining_seconds)} left"
    elapsed = duration(report.wall_seconds)
    return f"{elapsed} so far" if report.state == "running" else elapsed
