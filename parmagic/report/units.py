"""Numbers as people read them: durations, sizes, rates and counts."""

from itertools import pairwise

_SECOND_UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LONG_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SIZE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
_RATE_UNITS = ((1, "s"), (60, "min"), (3_600, "h"), (86_400, "d"))


def duration(seconds: float, *, digits: int = 3) -> str:
    """Write a duration in the unit that suits it: ``180 µs``, ``3.21 s``, ``2 min 5 s``."""
    # Round first: 59.96 s is "1 min", and 0.9996 s is "1 s", not "1000 ms".
    rounded = _significant(max(seconds, 0), digits)
    return _short(rounded) if rounded < 60 else _long(round(seconds))


def about(seconds: float) -> str:
    """Write a duration that is a guess, in whole seconds and two digits: ``about 40 min``."""
    return f"about {duration(max(_significant(round(seconds), 2), 1))}"


def size(nbytes: int) -> str:
    """Write a number of bytes in two digits: ``740 B``, ``1.2 GB``."""
    rounded = _significant(nbytes, 2)
    for bytes_each, unit in _SIZE_UNITS:
        if rounded >= bytes_each:
            return f"{_two_digits(rounded / bytes_each)} {unit}"
    return "0 B"


def percent(part: float, whole: float) -> str:
    """Write a part of a whole: ``94 %``."""
    return f"{100 * part / whole:.0f} %"


def rate(per_second: float) -> str:
    """Write a rate in two digits, per second or, when slow, per minute: ``12,000 items/s``."""
    in_units = [(_significant(per_second * seconds, 2), unit) for seconds, unit in _RATE_UNITS]
    rounded, unit = next((pair for pair in in_units if pair[0] >= 1), in_units[-1])
    return f"{_two_digits(rounded)} {_noun(rounded, 'item')}/{unit}"


def count(number: int, noun: str, *, of: int | None = None) -> str:
    """Write a number with its noun: ``1 item``, ``2,000 items``, ``134 of 200 items``."""
    if of is None or of == number:
        return f"{number:,} {_noun(number, noun)}"
    return f"{number:,} of {of:,} {_noun(of, noun)}"


def _significant(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")


def _two_digits(rounded: float) -> str:
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _short(seconds: float) -> str:
    for size, unit in _SECOND_UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return "0 s"


def _long(seconds: int) -> str:
    """Write the two largest units of a duration; the second one only when it is not zero."""
    for (size, unit), (next_size, next_unit) in pairwise(_LONG_UNITS):
        if seconds >= size:
            rest = seconds % size // next_size
            return f"{seconds // size:,} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{seconds} s"


def _noun(number: float, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
