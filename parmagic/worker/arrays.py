"""How NumPy arrays are pickled that look at memory which other processes can look at, too.

NumPy itself hands out the memory of an array where that is in one piece, and copies it into
the pickle where it is not: a column, every other row. And of a file that is mapped into memory
it sends the content. Here a view of a segment travels as the place of its memory and its
strides, and a view of a mapped file as the name of that file, to be mapped again.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any

from parmagic.worker.loaded import loaded
from parmagic.worker.memory import memory
from parmagic.worker.segment import WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = Any  # of NumPy's, which a type checker need not know
    Reduced = tuple[Callable[..., Any], tuple[Any, ...]]

# Less than this is copied sooner than a file is opened.
_LEAST_BYTES = 64 * 1024


def reducers() -> dict[type, Callable[[Any], Any]]:
    """Return what to call for arrays, by their type; empty while NumPy is not imported."""
    numpy = loaded("numpy")
    if numpy is None:
        return {}
    of_types: dict[type, Callable[[Any], Any]] = {
        numpy.ndarray: _reduce,
        numpy.memmap: _reduce_file,
    }
    shared = loaded("parmagic.worker.shared_array")
    return of_types if shared is None else {**of_types, shared.SharedArray: _reduce_shared}


def is_written_by_all(array: Array) -> bool:
    """Tell whether what a worker writes to ``array`` is seen by the kernel."""
    if not array.flags.writeable or array.base is None:
        return False
    file = _file_under(array)
    if file is not None:
        return _is_still_there(file)
    return memory.writable and memory.access_of(memoryview(_extent_of(array)[0])) == WRITE


def _reduce(array: Array) -> Any:
    if array.dtype.kind in "mM":
        # Of dates and durations NumPy does not hand out the memory.
        return _viewed, (array.view("i8"), array.dtype)
    if array.base is None or array.dtype.hasobject:
        return array.__reduce_ex__(5)
    return _as_view(array) or _as_view_of_file(array) or array.__reduce_ex__(5)


def _reduce_shared(array: Array) -> Any:
    import numpy as np

    return _reduce(array.view(np.ndarray))


def _reduce_file(array: Array) -> Any:
    import numpy as np

    # What is not taken from the file goes as the plain array that it is.
    return _as_view_of_file(array) or np.asarray(array).__reduce_ex__(5)


def _as_view(array: Array) -> Reduced | None:
    """Reduce a view of a segment that is not in one piece, so that nothing is copied."""
    if array.flags.forc or not array.size:
        return None
    extent, offset = _extent_of(array)
    if memory.find(memoryview(extent)) is None:
        return None
    return _strided, (pickle.PickleBuffer(extent), *_form(array, offset))


def _as_view_of_file(array: Array) -> Reduced | None:
    if array.nbytes < _LEAST_BYTES or array.dtype.hasobject:
        return None
    file = _file_under(array)
    if file is None or not _is_still_there(file):
        return None
    extent, offset = _extent_of(array)
    start = _address(extent) - _address(file) + file.offset
    mode = "r" if file.mode == "r" else "r+"
    place = file.filename, mode, start, extent.nbytes
    return _strided_file, (*place, _form(array, offset), array.flags.writeable)


def _file_under(array: Any) -> Any | None:
    """Return the whole of the mapped file that ``array`` is a view of."""
    import numpy as np

    file = None
    while array is not None and not isinstance(array, mmap.mmap):
        if isinstance(array, np.memmap):
            file = array
        array = getattr(array, "base", None)
    # Each view of a memmap has its `offset`, too: that of the lowest is the one of its memory.
    return file if array is not None else None


def _is_still_there(file: Any) -> bool:
    # With mode "c" the array may differ from the file.
    if file.mode == "c" or not isinstance(file.filename, str | os.PathLike):
        return False
    if file.mode != "r":
        file.flush()
    return os.path.isfile(file.filename) and _is_the_same(file)


def _is_the_same(file: Any) -> bool:
    """Tell whether what has the name of ``file`` is what was mapped, and no newer one."""
    if sys.platform != "linux":
        return True
    address, inode = _address(file), os.stat(file.filename).st_ino
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            first, _, rest = line.partition("-")
            last = rest.partition(" ")[0]
            if int(first, 16) <= address < int(last, 16):
                return int(line.split(maxsplit=5)[4]) == inode
    return False


def _extent_of(array: Array) -> tuple[Array, int]:
    """Return the memory from the first to the last byte of ``array``, and where that begins."""
    import numpy as np

    reach = [step * (length - 1) for step, length in zip(array.strides, array.shape, strict=True)]
    before = -sum(step for step in reach if step < 0)
    nbytes = before + sum(step for step in reach if step > 0) + array.itemsize
    return np.asarray(_Memory(array, _address(array) - before, nbytes)), before


class _Memory:
    """Bytes for NumPy to look at, as long as there is the array that they belong to."""

    def __init__(self, array: Array, address: int, nbytes: int) -> None:
        self._array = array
        self.__array_interface__ = {
            "version": 3,
            "data": (address, not array.flags.writeable),
            "shape": (nbytes,),
            "typestr": "|u1",
        }


def _viewed(array: Array, dtype: Any) -> Array:
    return array.view(dtype)


def _form(array: Array, offset: int) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.strides, offset


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _strided(
    memory: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], start: int
) -> Array:
    import numpy as np

    return np.ndarray(shape, dtype, memory, start, strides)


def _strided_file(
    path: Any,
    mode: Any,
    start: int,
    nbytes: int,
    form: tuple[Any, ...],
    writeable: bool,
) -> Array:
    import numpy as np

    array = _strided(np.memmap(path, np.uint8, mode, start, (nbytes,)), *form)
    array.flags.writeable = writeable
    return array
