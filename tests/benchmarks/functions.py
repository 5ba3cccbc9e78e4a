"""What the workers call; in a module, since the standard library's spawned pools must import it."""

from __future__ import annotations

from time import perf_counter, sleep

# sleep() oversleeps by 60 us and more: the end of a nap is spun.
SPUN_SECONDS = 0.0003


def increment(number: int) -> int:
    return number + 1


def dicts(number: int) -> list[dict[str, object]]:
    return [{"a": each, "b": str(each)} for each in range(number, number + 1000)]


def nap(seconds: float) -> float:
    """Take ``seconds``, exactly, and little CPU: a busy machine disturbs it least."""
    deadline = perf_counter() + seconds
    if seconds > SPUN_SECONDS:
        sleep(seconds - SPUN_SECONDS)
    while perf_counter() < deadline:
        pass
    return seconds
