"""How large an object is on its way to the workers, found out without sending or copying it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pickle import MEMOIZE, STACK_GLOBAL, STOP, PickleBuffer
from typing import Any

from parmagic.worker.cancel import Cancelled
from parmagic.worker.inheritance import Inherited, inheritable, may_wait
from parmagic.worker.memory import memory
from parmagic.worker.pickling import goes_out_of_band

# How the pickle of what is found by its name in a module ends.
_BY_NAME = (STACK_GLOBAL + STOP, STACK_GLOBAL + MEMOIZE + STOP)


@dataclass
class Weight:
    """What is pickled of an object.

    Attributes
    ----------
    body_bytes
        The pickle itself, with buffers too small for shared memory.
    buffers
        The memory that would be sent beside it, where it lies.
    by_name
        Whether a callable is only named in the pickle.
    may_wait
        Whether it holds what items can wait for each other with, such as a queue.
    error
        What the object raised instead.
    """

    body_bytes: int = 0
    buffers: list[memoryview] = field(default_factory=list)
    by_name: bool = False
    may_wait: bool = False
    error: BaseException | None = None

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return self.body_bytes + sum(buffer.nbytes for buffer in self.buffers)

    @property
    def homeless(self) -> list[memoryview]:
        """The buffers that lie in no shared memory yet."""
        return [buffer for buffer in self.buffers if memory.find(buffer) is None]


def weigh(value: object, apart: AbstractSet[int] = frozenset()) -> Weight:
    """Pickle ``value`` as a function's payload is, and keep nothing of it.

    Parameters
    ----------
    apart
        By ``id()``, the objects that do not count, because they are weighed by themselves.
    """
    scales = _Scales()
    try:
        with inheritable():
            scales.pickler(apart - {id(value)}).dump(value)
    except (KeyboardInterrupt, Cancelled):
        raise
    except BaseException as error:  # objects may raise anything, SystemExit too
        return Weight(error=error)
    buffers = [buffer for buffer in scales.buffers if id(buffer.obj) not in apart - {id(value)}]
    by_name = callable(value) and scales.end.endswith(_BY_NAME)
    return Weight(scales.body_bytes, buffers, by_name, scales.may_wait)


class _Scales:
    """A file that counts, and remembers its last bytes only."""

    def __init__(self) -> None:
        self.body_bytes = 0
        self.buffers: list[memoryview] = []
        self.end = b""
        self.may_wait = False

    def pickler(self, apart: AbstractSet[int]) -> Any:
        from parmagic.worker.by_value import Pickler  # cloudpickle, 55 ms

        pickler = Pickler(self, protocol=5, buffer_callback=self._take)
        if apart:
            pickler.persistent_id = lambda value: 0 if id(value) in apart else None
        return pickler

    def write(self, part: bytes) -> int:
        self.body_bytes += len(part)
        self.end = bytes(part[-3:])
        self.may_wait = self.may_wait or may_wait(bytes(part))
        return len(part)

    def _take(self, buffer: PickleBuffer) -> None:
        # Not even small ones are copied: they only count as if they were.
        raw = buffer.raw()
        if isinstance(raw.obj, Inherited):
            return
        if goes_out_of_band(raw):
            self.buffers.append(raw)
        else:
            self.body_bytes += raw.nbytes
