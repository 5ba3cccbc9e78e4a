"""A pickle for a process that is being started, with the descriptors that go along."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from multiprocessing import reduction
from typing import Any

from parmagic.worker.inheritance import Handle, Inherited


class Bequest(bytes):
    """A pickle that a new process is given, such as that of its initializer.

    It is known as the bytes that it is to all who only pass it on, and may be given to one
    process after the other.

    Attributes
    ----------
    parts
        What the pickle takes its buffers from: for a process that was given it, once.
    """

    parts: Sequence[Any] = ()

    @classmethod
    def of(cls, value: Any) -> Bequest:
        """Pickle ``value``, whatever the notebook has defined, with queues and locks."""
        from parmagic.worker.by_value import dumps  # cloudpickle, 55 ms

        parts: list[Inherited] = []

        def stays_in(buffer: pickle.PickleBuffer) -> bool:
            owner = buffer.raw().obj
            if isinstance(owner, Inherited):
                parts.append(owner)
            return not isinstance(owner, Inherited)

        return cls.with_parts(dumps(value, stays_in, inherits=True), parts)

    @classmethod
    def with_parts(cls, body: bytes, parts: Sequence[Any]) -> Bequest:
        """Put together what has come apart."""
        whole = cls(body)
        whole.parts = parts
        return whole

    def load(self) -> Any:
        """Unpickle it, in the process that it was given to, once."""
        return pickle.loads(self, buffers=self.parts)

    def __reduce__(self) -> tuple[Any, ...]:
        # multiprocessing knows which process is being started, and lets it inherit these.
        parts = [
            Handle(None) if part.descriptor is None else reduction.DupFd(part.descriptor)
            for part in self.parts
        ]
        return Bequest.with_parts, (bytes(self), parts)
