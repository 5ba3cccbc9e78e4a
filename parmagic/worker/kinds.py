"""Where shared memory comes from, on the systems that there are.

======== ================================================================ ===============
kind     what it is                                                       the default on
======== ================================================================ ===============
memfd    anonymous memory; not bound by the size of /dev/shm, which is    Linux
         64 MB in most containers
shm      POSIX shared memory, whose name is taken away at once            macOS and others
named    memory with a name: a mapping of Windows, a file in /dev/shm     Windows
file     a temporary file without a name; where memory is full
======== ================================================================ ===============

The environment variable ``PARMAGIC_MEMORY`` chooses another kind.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

NOWHERE = -1


class Block(NamedTuple):
    """New memory: its descriptor, `NOWHERE` on Windows, and the name that others open it by."""

    descriptor: int
    name: str | None = None


def make_memory() -> Block:
    """Make an empty block, of the kind that was chosen.

    Raises
    ------
    OSError
        There are no descriptors, or there is no memory.
    """
    return MAKERS[KIND]()


def make_file() -> Block:
    """Make an empty block that is a temporary file without a name.

    Raises
    ------
    OSError
        There are no descriptors; and on Windows, where they do not travel.
    """
    if sys.platform == "win32":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    import tempfile  # 4 ms

    with tempfile.TemporaryFile(buffering=0) as file:
        return Block(os.dup(file.fileno()))


def _make_memfd() -> Block:
    return Block(os.memfd_create("parmagic", os.MFD_CLOEXEC))


def _make_shm() -> Block:
    # What multiprocessing.shared_memory is made of. That one keeps the name, which needs a
    # tracker to be taken away, and takes all memory at once.
    from _posixshmem import shm_open, shm_unlink  # type: ignore[import-not-found]

    name = f"/{_new_name()}"
    descriptor = shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
    shm_unlink(name)
    return Block(descriptor)


def _make_named() -> Block:
    if sys.platform == "win32":
        return Block(NOWHERE, _new_name())
    name = f"/dev/shm/{_new_name()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return Block(os.open(name, flags, mode=0o600), name)


_counter = itertools.count()


def _new_name() -> str:
    return f"parmagic-{os.getpid()}-{next(_counter)}-{os.urandom(8).hex()}"


MAKERS: dict[str, Callable[[], Block]] = {
    "memfd": _make_memfd,
    "shm": _make_shm,
    "named": _make_named,
    "file": make_file,
}


def _chosen() -> str:
    chosen = os.environ.get("PARMAGIC_MEMORY", "")
    if chosen in MAKERS:
        return chosen
    if sys.platform == "win32":
        return "named"
    return "memfd" if hasattr(os, "memfd_create") else "shm"


KIND = _chosen()
