"""The pool cannot do its work, or has lost a part of it.

The standard library knows one error for all of this, so that is what these are, too.
"""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

from parmagic.worker.errors import ParmagicError, WorkerDied


class CallLost(WorkerDied, BrokenProcessPool):
    """A worker died while it ran a call. Other calls are not touched, nor is the pool."""


class PoolBroken(ParmagicError, BrokenProcessPool):
    """No worker can be started, or all were stopped. The next use of the pool tries again."""

    @classmethod
    def no_start(cls, attempts: int, exitcode: int | None) -> PoolBroken:
        """Say that workers end before they are ready."""
        return cls(
            f"{attempts} workers in a row ended before they were ready, the last with exit code"
            f" {exitcode}. What they wrote to the terminal, or to the log of Jupyter, says why;"
            " often a package of this environment is broken."
        )

    @classmethod
    def refused(cls, error: OSError) -> PoolBroken:
        """Say that the system starts no more processes."""
        broken = cls(f"the system refuses to start a worker: {error}")
        broken.__cause__ = error
        return broken

    @classmethod
    def stopped(cls) -> PoolBroken:
        """Say that the pool was ended while something ran, or waited to."""
        return cls("the pool was stopped before all was done")

    @classmethod
    def bad_initializer(cls, error: BaseException) -> PoolBroken:
        """Say that the initializer failed."""
        broken = cls(f"the initializer failed in a worker: {type(error).__name__}: {error}")
        broken.__cause__ = error
        return broken
