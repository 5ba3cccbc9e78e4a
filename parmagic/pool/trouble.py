"""Say once that shared memory is not to be had."""

from __future__ import annotations

from parmagic.pool.warning import warn_user

_told = False


def tell_once(trouble: str) -> None:
    """Warn that large values travel in another way, and why, unless that was said before."""
    global _told
    if trouble and not _told:
        _told = True
        warn_user(
            f"there is no shared memory to be had ({trouble}): large values travel through files"
            " and pipes for now, which is slower"
        )
