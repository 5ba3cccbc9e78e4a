"""How far an item is, said by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parmagic.worker import capture

#: Told of the progress where this process is no worker; None where nobody wants to know.
listener: Callable[[float, float | None, str], None] | None = None


def progress(done: float, total: float | None = None, text: str = "") -> None:
    """Say how far the item that runs is; its report shows a bar.

    Call it as often as you like (1 µs): it is shown ten times a second at most. ::

        %%parmap path in paths -> fits
        for epoch in range(100):
            parmagic.progress(epoch + 1, 100, f"loss {train(path):.3g}")

    Parameters
    ----------
    done
        How much is done.
    total
        How much there is to do, in the same unit; None where that is not known.
    text
        Anything more, in a few words.

    Raises
    ------
    TypeError
        ``done`` or ``total`` is no number.
    """
    most = None if total is None else _number("total", total)
    content = _number("done", done), most, str.__str__(str(text))
    if not capture.put("progress", content, 0) and listener is not None:
        listener(*content)


def _number(name: str, value: Any) -> float:
    if type(value) in {int, float}:
        return value  # type: ignore[no-any-return]
    # float() takes texts as well.
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"progress() takes a number as {name!r}, not {type(value).__name__!r}")
    return float(value)
