"""Memory that is kept for the next job, and given back when none comes."""

from __future__ import annotations

from parmagic.pool.broadcast import broadcasts
from parmagic.pool.stock import stock
from parmagic.worker.memory import memory

LOOK_SECONDS = 2.0


def there_is_any() -> bool:
    """Tell whether there is something to give back, or may be later."""
    return memory.busy or stock.free_bytes > 0 or broadcasts.kept_bytes > 0


def trim() -> None:
    """Give back what was not needed for a while."""
    memory.settle()
    stock.trim()
    broadcasts.trim()


def close() -> None:
    """Keep nothing for a pool that has ended."""
    stock.close()
    if not stock.is_open:
        broadcasts.clear()
