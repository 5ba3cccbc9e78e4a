"""What each worker of a pool calls first, on its way to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from parmagic.worker.bequest import Bequest
from parmagic.worker.culprit import blame_value


def pickled_initializer(
    initializer: Callable[..., object] | None, initargs: Iterable[Any]
) -> bytes | None:
    """Pickle a call of ``initializer``, if there is one.

    Raises
    ------
    TypeError
        It cannot be called.
    PayloadError
        It or one of its arguments cannot be pickled.
    """
    if initializer is None:
        return None
    if not callable(initializer):
        raise TypeError("initializer must be a callable")
    bound = partial(initializer, *initargs)
    try:
        # For as long as the pool lives, and for workers to come: nothing is lent to them.
        return Bequest.of(bound)
    except Exception as error:
        raise blame_value(bound, error, "the initializer") from error
