"""What multiprocessing hands to a process that is being started, and here to a worker that runs.

Its locks, queues, pipes and shared values are no bytes. A semaphore has a name that lasts as
long as its object; a pipe and the memory of a value are descriptors. So the standard library
pickles them while it starts a process, and refuses at any other time. `inheritable` lifts that
for one pickling of ours, and only in its thread::

    Queue ──reduce──▶ pickle + Inherited ──wrap──▶ Attached + a descriptor
                                                         ═ channel ═
    Queue ◀──loads─── pickle + Handle ◀───unwrap─────────┘
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import context
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from parmagic.worker.loaded import loaded

Reducer = Callable[[Any], Any]

# What a pickle speaks of that can make an item wait until another one has done something. A
# proxy of a manager may stand for anything. Locks do not count: who has one runs.
_WAITING = (b"multiprocessing.connection", b"multiprocessing.managers", b"Semaphore")


class Inherited(bytearray):
    """What stands among a pickle's buffers for something that is no bytes.

    Attributes
    ----------
    descriptor
        Ours, to be sent; None if it is found by its name.
    owner
        What that name lasts as long as.
    """

    def __init__(self, descriptor: int | None = None, owner: object = None) -> None:
        super().__init__()
        self.descriptor = None if descriptor is None else os.dup(descriptor)
        self.owner = owner

    def __del__(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


class Attached(NamedTuple):
    """In a parcel: the descriptor with this number that comes beside it; None for none."""

    number: int | None


class Handle:
    """In the receiver: what multiprocessing takes a descriptor from."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def detach(self) -> int:
        """Return a descriptor that is the caller's.

        Raises
        ------
        OSError
            It did not arrive.
        """
        if self._descriptor is None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return os.dup(self._descriptor)


def attach(raw: Sequence[memoryview]) -> tuple[list[memoryview], list[Inherited]]:
    """Tell the buffers that are bytes from those that are not."""
    inherited = [part.obj for part in raw if isinstance(part.obj, Inherited)]
    return [part for part in raw if not isinstance(part.obj, Inherited)], inherited


def numbered(raw: Sequence[memoryview], sent: Sequence[Any]) -> Iterator[Any]:
    """Yield what is ``sent`` for all of ``raw``: `Attached` for what is not bytes.

    Parameters
    ----------
    sent
        What is sent for the others; perhaps with the pickle itself before them.
    """
    rest, number = iter(sent), 0
    inherited = sum(isinstance(part.obj, Inherited) for part in raw)
    for _ in range(len(sent) + inherited - len(raw)):
        yield next(rest)
    for part in raw:
        if not isinstance(part.obj, Inherited):
            yield next(rest)
        elif part.obj.descriptor is None:
            yield Attached(None)
        else:
            yield Attached(number)
            number += 1


def may_wait(body: bytes) -> bool:
    """Tell whether a pickle speaks of queues, pipes, events or others that items wait with."""
    return b"multiprocessing." in body and any(each in body for each in _WAITING)


def is_seen_by_all(value: object) -> bool:
    """Tell whether what one process changes in ``value`` is seen by the others that have it."""
    if any(kind.__module__.startswith("multiprocessing.") for kind in type(value).__mro__):
        return True
    sharedctypes = loaded("multiprocessing.sharedctypes")
    if sharedctypes is None or not isinstance(value, _ctypes_kinds(sharedctypes.ctypes)):
        return False
    return "_wrapper" in vars(value)


def _ctypes_kinds(ctypes: Any) -> tuple[type, ...]:
    return ctypes._SimpleCData, ctypes.Array, ctypes.Structure  # noqa: SLF001  # it has no other name


class _Spawning:
    """What multiprocessing takes for a process that is being started."""

    def duplicate_for_child(self, descriptor: int) -> int:
        return descriptor

    def DupFd(self, descriptor: int) -> pickle.PickleBuffer:  # noqa: N802  # it is asked for
        return pickle.PickleBuffer(Inherited(descriptor))


@contextlib.contextmanager
def inheritable() -> Iterator[None]:
    """Let multiprocessing's objects be pickled in this thread, by the `reducers`."""
    if sys.platform == "win32":  # where handles are given to one process, known beforehand
        yield
        return
    before = context.get_spawning_popen()
    context.set_spawning_popen(_Spawning())  # type: ignore[arg-type]  # it acts as one
    try:
        yield
    finally:
        context.set_spawning_popen(before)


def reducers() -> dict[type, Reducer]:
    """Return what to call for multiprocessing's objects, by their type.

    Outside of `inheritable` it raises what multiprocessing does.
    """
    of_types: dict[type, Reducer] = {Connection: _reduce_connection}
    for name, add in _OF_MODULES.items():
        module = loaded(name)
        if module is not None:
            of_types |= add(module)
    return of_types


def _of_synchronize(module: Any) -> dict[type, Reducer]:
    kinds = module.Lock, module.RLock, module.Semaphore, module.BoundedSemaphore
    return dict.fromkeys(kinds, _reduce_semaphore)


def _of_heap(module: Any) -> dict[type, Reducer]:
    # A block of memory is free for another value as soon as its wrapper is gone.
    return {module.Arena: _reduce_arena, module.BufferWrapper: _reduce_kept}


def _of_sharedctypes(module: Any) -> dict[type, Reducer]:
    # One for each type of ctypes that a shared value was made of. Theirs are not to be sent.
    registered = getattr(ForkingPickler, "_extra_reducers", {})
    kinds = [kind for kind, reduce in registered.items() if reduce is module.reduce_ctype]
    return dict.fromkeys(kinds, _reduce_ctype)


def _of_shared_memory(module: Any) -> dict[type, Reducer]:
    return {module.SharedMemory: _reduce_shared_memory} if _CAN_TRACK else {}


_OF_MODULES: dict[str, Callable[[Any], dict[type, Reducer]]] = {
    "multiprocessing.synchronize": _of_synchronize,
    "multiprocessing.heap": _of_heap,
    "multiprocessing.sharedctypes": _of_sharedctypes,
    "multiprocessing.shared_memory": _of_shared_memory,
}
# Before, whoever attaches to shared memory has it tracked.
_CAN_TRACK = sys.version_info >= (3, 13)


def _reduce_connection(connection: Connection) -> Any:
    # Without this it would pickle, as the number of a descriptor that no other process has.
    context.assert_spawning(connection)
    from multiprocessing.connection import reduce_connection  # type: ignore[attr-defined]

    return reduce_connection(connection)


def _reduce_semaphore(semaphore: Any) -> Any:
    context.assert_spawning(semaphore)
    if semaphore._semlock.name is None:  # noqa: SLF001  # CPython looks at it from 3.11.5 on
        raise RuntimeError("a semaphore for forked processes has no name to be found by")
    return _reduce_kept(semaphore)


def _reduce_kept(value: Any) -> Any:
    owned = pickle.PickleBuffer(Inherited(owner=value))
    return _made, (type(value), owned), value.__getstate__()


def _made(kind: Any, _owned: Handle) -> Any:
    return kind.__new__(kind)


def _reduce_arena(arena: Any) -> Any:
    context.assert_spawning(arena)
    return _arena, (arena.size, pickle.PickleBuffer(Inherited(arena.fd)))


def _arena(size: int, handle: Handle) -> Any:
    from multiprocessing.heap import Arena

    descriptor = handle.detach()
    arena = Arena(size, descriptor)
    # Of an arena that has come from elsewhere, multiprocessing never closes the descriptor.
    weakref.finalize(arena, os.close, descriptor).atexit = False
    return arena


def _reduce_ctype(value: Any) -> Any:
    if not hasattr(value, "_wrapper"):  # in memory of its own, like any other number
        return value.__reduce_ex__(5)
    return sys.modules["multiprocessing.sharedctypes"].reduce_ctype(value)


def _reduce_shared_memory(block: Any) -> Any:
    return _attached, (block.name, getattr(block, "_track", True))


def _attached(name: str, track: bool) -> Any:
    from multiprocessing.shared_memory import SharedMemory

    # What is not tracked lasts until somebody unlinks it: nor may the receiver's tracker do so.
    return SharedMemory(name, track=track)  # type: ignore[call-arg]  # from Python 3.13 on
