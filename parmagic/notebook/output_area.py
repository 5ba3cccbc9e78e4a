"""What the items show, below a cell that runs: blocks that grow, each under a display id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parmagic.notebook.bundles import NOTHING, block_bundle, foreign_bundles
from parmagic.notebook.spot import Spot
from parmagic.report.output import ItemOutput

# A block is sent anew with each change, so it may not grow for ever.
BLOCK_BYTES = 64 * 1024


class Block:
    """The output of some items in one place."""

    def __init__(self, spot: Spot) -> None:
        self.indices: set[int] = set()
        self._size = 0
        self._drawn: Sequence[ItemOutput] = ()
        self._spot = spot

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another item."""
        return self._size > BLOCK_BYTES

    def add(self, output: ItemOutput) -> None:
        """Give an item its place here; it is drawn with the others."""
        self.indices.add(output.index)
        self._size += sum(len(part.text) + _size(part.bundle or {}) for part in output.parts)

    def draw(self, outputs: Sequence[ItemOutput]) -> None:
        """Show ``outputs``, if that is not what it shows already."""
        if outputs == self._drawn:
            return
        self._drawn = outputs
        bundle = block_bundle(outputs)
        self._size = _size(bundle)
        self._spot.show(bundle)


class OutputArea:
    """Show output as it comes, and in the order of the items in the end."""

    def __init__(self) -> None:
        self._spot = Spot()
        self._blocks: list[Block] = []
        self._placed: set[int] = set()

    def reserve(self) -> None:
        """Have a place in the cell that runs now, for what comes when others run."""
        self._spot.show(NOTHING)

    def draw(self, outputs: Sequence[ItemOutput]) -> None:
        """Show what is new; who came first stays where it is."""
        for output in outputs:
            if output.index not in self._placed:
                self._place(output)
        for block in self._blocks:
            block.draw([each for each in outputs if each.index in block.indices])

    def finish(self, outputs: Sequence[ItemOutput]) -> None:
        """Show all, in the order of the items."""
        rest = list(outputs)
        if rest and not self._blocks:
            self._add_block()
        for block in self._blocks:
            count = len(rest) if block is self._blocks[-1] else len(block.indices)
            block.draw(rest[:count])
            rest = rest[count:]
        for bundle in foreign_bundles(outputs):
            self._spot.another().show(bundle)

    def _place(self, output: ItemOutput) -> None:
        if not self._blocks or self._blocks[-1].is_full:
            self._add_block()
        self._blocks[-1].add(output)
        self._placed.add(output.index)

    def _add_block(self) -> None:
        self._blocks.append(Block(self._spot.another() if self._blocks else self._spot))


def _size(bundle: Mapping[str, Any]) -> int:
    return sum(len(content) for content in bundle.values() if isinstance(content, str))
