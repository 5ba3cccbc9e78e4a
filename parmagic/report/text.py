"""A report as text: the sentence that stays in the notebook, and the line of a terminal."""

from collections.abc import Iterator, Sequence

from parmagic.report.markup import legible
from parmagic.report.output import ItemOutput, Part
from parmagic.report.report import Report
from parmagic.report.units import about, count, duration, rate

# What a terminal, or a saved notebook, can well bear.
_OUTPUT_CHARACTERS = 1_000_000


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


def render_outputs(outputs: Sequence[ItemOutput]) -> str:
    """Write what the items printed and displayed, by index, each beside its label.

    ::

        item 0: first line
                second line
        item 3: [Figure size 640x480 with 1 Axes]
    """
    room = _OUTPUT_CHARACTERS
    lines: list[str] = []
    for number, output in enumerate(outputs):
        if room <= 0:
            return "\n".join([*lines, f"… output of {count(len(outputs) - number, 'more item')} …"])
        lines.append("\n".join(_lines(output, room)))
        room -= len(lines[-1])
    return "\n".join(lines)


def label(output: ItemOutput) -> str:
    """Say which item has written something."""
    return f"item {output.index:,}" if output.index >= 0 else "between items"


def times(part: Part) -> str:
    """Say how often a warning came, if more than once."""
    return f" (\N{MULTIPLICATION SIGN} {part.count:,})" if part.count > 1 else ""


def _lines(output: ItemOutput, room: int) -> Iterator[str]:
    start = f"{label(output)}: "
    for line in _written(output, room).splitlines() or [""]:
        yield f"{start}{line}".rstrip()
        start = " " * len(start)


def _written(output: ItemOutput, room: int) -> str:
    text = "".join(map(_part, output.parts))
    cut = f"{text[:room]} …\n" if len(text) > room else text
    left_out = f"… {count(output.left_out, 'character')} left out …"
    return f"{cut.rstrip()}\n{left_out}" if output.left_out else cut


def _part(part: Part) -> str:
    """Return text as it was written, and what else there was on lines of its own."""
    text = legible(part.text)
    if part.kind not in ("warning", "display"):
        return text
    line = text.strip("\n").rstrip()
    if part.kind == "display" and line.startswith("<") and "\n" not in line:
        line = f"[{line.strip('<>')}]"
    return f"{line}{times(part)}\n"


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
