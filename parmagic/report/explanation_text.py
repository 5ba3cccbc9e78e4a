"""An explanation as text: facts, then a table of what the function uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parmagic.report.explanation import Captured, Explanation
from parmagic.report.units import size

COLUMNS = ("name", "type", "size", "how it gets there", "used")
SHOWN = 100
CHARACTERS = 600
NO_VARIABLES = "the function uses no variables"

_SIZE = COLUMNS.index("size")
_NAME_CHARACTERS = 40
_FACT_CHARACTERS = 120


def render(explanation: Explanation) -> str:
    """Write what would be sent, one fact a line."""
    blocks = [_facts(explanation), _table(explanation.captured)]
    if explanation.problem:
        blocks.append(problem(explanation))
    return "\n\n".join([headline(explanation), *blocks])


def headline(explanation: Explanation) -> str:
    """Say what it is about, and that nothing has happened."""
    return f"{one_line(explanation.what, _FACT_CHARACTERS)}: nothing was run or sent"


def problem(explanation: Explanation) -> str:
    """Say why it cannot be sent."""
    return one_line(explanation.problem, CHARACTERS)


def facts(explanation: Explanation) -> list[tuple[str, str]]:
    """Return pairs of a word and what there is to say of it."""
    found = [
        ("items", _items(explanation)),
        ("workers", _workers(explanation)),
        ("backend", explanation.backend),
        ("chunks", explanation.chunks),
        ("function", _function(explanation)),
    ]
    return [(word, one_line(fact, _FACT_CHARACTERS)) for word, fact in found]


def cells(captured: Captured) -> tuple[str, ...]:
    """Return what stands in the columns."""
    through = f"in {captured.through}" if captured.through else ""
    return (
        one_line(captured.name, _NAME_CHARACTERS),
        one_line(captured.kind, _NAME_CHARACTERS),
        "" if captured.nbytes is None else size(captured.nbytes),
        captured.route,
        one_line(", ".join(filter(None, [captured.used, through])), _FACT_CHARACTERS),
    )


def more(captured: Sequence[Captured]) -> str:
    """Say how many rows are not shown; empty if all are."""
    return f"and {len(captured) - SHOWN:,} more" if len(captured) > SHOWN else ""


def one_line(string: str, length: int) -> str:
    """Spell out what cannot be seen, and cut the string to so many characters."""
    line = "".join(map(_visible, " ".join(string.split())))
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _items(explanation: Explanation) -> str:
    number = "not counted" if explanation.items is None else f"{explanation.items:,}"
    first = [f"the first is {explanation.first_item}"] if explanation.first_item else []
    star = ["each called as fn(*item)"] if explanation.star else []
    return ", ".join([f"{number} ({explanation.item_kind})", *star, *first])


def _workers(explanation: Explanation) -> str:
    running = f"{explanation.running} running" if explanation.running else "none running"
    too_many = explanation.running - explanation.workers
    to_start = [f"{explanation.to_start} to start"] if explanation.to_start else []
    to_end = [f"{too_many} to end"] if too_many > 0 else []
    return ", ".join([running, *to_start, *to_end])


def _function(explanation: Explanation) -> str:
    if explanation.function_bytes is None:
        return "cannot be sent"
    if explanation.function_bytes == 0:
        return "not sent: it is used as it is"
    shared = explanation.shared_bytes
    in_memory = f", and {size(shared)} in shared memory" if shared else ""
    return f"{size(explanation.function_bytes)}, once to each worker{in_memory}"


def _facts(explanation: Explanation) -> str:
    return "\n".join(f"{word:<8}  {fact}" for word, fact in facts(explanation))


def _table(captured: Sequence[Captured]) -> str:
    if not captured:
        return NO_VARIABLES
    rows = [COLUMNS, *map(_indented, captured[:SHOWN])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join([*(_row(row, widths) for row in rows), *filter(None, [more(captured)])])


def _indented(captured: Captured) -> tuple[str, ...]:
    name, *others = cells(captured)
    return ("  " * bool(captured.through) + name, *others)


def _row(row: Iterable[str], widths: Iterable[int]) -> str:
    columns = enumerate(zip(row, widths, strict=True))
    aligned = (
        cell.rjust(width) if number == _SIZE else cell.ljust(width)
        for number, (cell, width) in columns
    )
    return "  ".join(aligned).rstrip()
