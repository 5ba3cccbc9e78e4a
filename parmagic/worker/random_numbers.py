"""Random numbers of an item that are the same in every run, wherever and whenever it runs.

::

    (seed, index) ──▶ random, numpy.random, torch, and every np.random.default_rng()

Nothing is imported for it: a package that an item imports is seeded when it comes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from hashlib import shake_256
from types import ModuleType, TracebackType
from typing import Any, Protocol, Self

from parmagic.worker.board import ITEM
from parmagic.worker.hooks import ImportHooks

_SEED_BITS = 256
_WORD_BITS = 32


# Asks a package for its state, or does not.
Ask = Callable[[Callable[[], Any]], Any]


class Generator(Protocol):
    """The generator that a package has for all."""

    def seed(self, number: int) -> None:
        """Begin anew, with a number of `_SEED_BITS` bits."""

    def put_back(self) -> None:
        """Go on as if nothing had been."""


class RandomNumbers:
    """Seed the generators of this process for each item; in the end they are as before.

    Parameters
    ----------
    seed
        Of the job.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._index: int | None = None
        self._drawn = 0
        self._were_there = True
        self._generators: dict[str, Generator] = {}
        self._hooks = ImportHooks(
            {
                "random": lambda module: self._adopt("random", _OfPython(module, self._state)),
                "numpy.random": lambda module: self._adopt(
                    "numpy", _OfNumPy(module, self._state, self._draw)
                ),
                "torch": lambda module: self._adopt("torch", _OfTorch(module, self._state)),
            }
        )

    def __enter__(self) -> Self:
        self._hooks.install()
        self._were_there = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hooks.uninstall()
        for generator in self._generators.values():
            generator.put_back()

    def begin(self, index: int) -> None:
        """From now on the item of this index runs (8 µs, with NumPy 30)."""
        self._index = index
        for name, generator in self._generators.items():
            generator.seed(self._bits(name, _SEED_BITS))
        self._drawn = 0  # to seed a generator may draw, too

    def given_to(self, call: Callable[[Any], Any], cells: memoryview) -> Callable[[Any], Any]:
        """Return ``call``, such that each item, whose index is on the board, has its own."""

        def seeded_call(item: Any) -> Any:
            self.begin(cells[ITEM])
            return call(item)

        return seeded_call

    def _adopt(self, name: str, generator: Generator) -> None:
        self._generators[name] = generator
        if self._index is not None:
            generator.seed(self._bits(name, _SEED_BITS))

    def _state(self, ask: Callable[[], Any]) -> Any:
        """Return what to go back to: for what an item has imported there is nothing."""
        return ask() if self._were_there else None

    def _draw(self, bits: int) -> int:
        """Give entropy to a generator that an item makes without a seed."""
        self._drawn += 1
        return self._bits(f"drawn {self._drawn}", bits)

    def _bits(self, what: str, bits: int) -> int:
        text = f"{self._seed} {self._index} {what}".encode()
        return int.from_bytes(shake_256(text).digest(-(-bits // 8)), "big") >> (-bits % 8)


class _OfPython:
    def __init__(self, module: ModuleType, ask: Ask) -> None:
        self._module: Any = module
        self._before = ask(self._module.getstate)

    def seed(self, number: int) -> None:
        self._module.seed(number)

    def put_back(self) -> None:
        if self._before is None:
            self._module.seed()
        else:
            self._module.setstate(self._before)


class _OfNumPy:
    """The one that ``np.random.seed`` seeds, and the entropy of all others."""

    def __init__(self, module: ModuleType, ask: Ask, draw: Callable[[int], int]) -> None:
        self._module: Any = module
        self._before = ask(lambda: self._module.get_state(legacy=False))
        # Where NumPy takes what a default_rng(), PCG64() or RandomState() begins with.
        self._entropy = module.bit_generator
        self._randbits = self._entropy.randbits
        self._entropy.randbits = draw

    def seed(self, number: int) -> None:
        words = [number >> shift & 0xFFFFFFFF for shift in range(0, _SEED_BITS, _WORD_BITS)]
        with contextlib.suppress(TypeError):  # the notebook has set another kind of generator
            self._module.seed(words)

    def put_back(self) -> None:
        self._entropy.randbits = self._randbits
        if self._before is None:
            self._module.seed()
        else:
            self._module.set_state(self._before)


class _OfTorch:
    def __init__(self, module: ModuleType, ask: Ask) -> None:
        self._module: Any = module
        self._before = ask(self._module.get_rng_state)

    def seed(self, number: int) -> None:
        self._module.manual_seed(number >> (_SEED_BITS - 63))

    def put_back(self) -> None:
        if self._before is None:
            self._module.seed()
        else:
            self._module.set_rng_state(self._before)


def seeded(call: Callable[[Any], Any], seed: int | None, index: int) -> Callable[[Any], Any]:
    """Return ``call``, for one item in this process, whose own random numbers are left alone."""
    if seed is None:
        return call

    def seeded_call(item: Any) -> Any:
        with RandomNumbers(seed) as numbers:
            numbers.begin(index)
            return call(item)

    return seeded_call
