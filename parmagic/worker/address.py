"""Where a buffer lies in this process, and whether two hold the same bytes."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Any


class _Buffer(ctypes.Structure):
    """What CPython's C API calls ``Py_buffer``."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes = (ctypes.POINTER(_Buffer),)
_release.restype = None

# Unlike the functions of `ctypes.pythonapi`, this one is called without the GIL.
_compare = (ctypes.CDLL("msvcrt") if sys.platform == "win32" else ctypes.CDLL(None)).memcmp
_compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

# More threads than these wait for memory only; for less than that they do not begin in time.
_THREADS = 4
_WORTH_THREADS_BYTES = 16 * 1024 * 1024


def address_of(buffer: Any) -> int:
    """Return where the bytes of a contiguous ``buffer`` begin (3 µs)."""
    view = _Buffer()
    _get(buffer, ctypes.byref(view), 0)
    try:
        return view.buf or 0
    finally:
        _release(ctypes.byref(view))


def same_bytes(one: memoryview, other: memoryview) -> bool:
    """Tell whether two buffers of one length hold the same bytes (40 ms for 1 GB, on two cores)."""
    places = address_of(one), address_of(other)
    if one.nbytes >= _WORTH_THREADS_BYTES:
        with suppress(RuntimeError):  # while Python ends, no thread can begin
            return _same_in_threads(*places, one.nbytes)
    return not _compare(*places, one.nbytes)


def _same_in_threads(one: int, other: int, nbytes: int) -> bool:
    from concurrent.futures import ThreadPoolExecutor

    part = -(-nbytes // _THREADS)
    starts = range(0, nbytes, part)
    with ThreadPoolExecutor(_THREADS) as threads:
        compared = [
            threads.submit(_compare, one + start, other + start, min(part, nbytes - start))
            for start in starts
        ]
        return not any(each.result() for each in compared)
