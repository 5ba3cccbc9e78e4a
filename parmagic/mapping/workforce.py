"""Who runs a job."""

from __future__ import annotations

from parmagic.backends.use import described, workforce_in_use
from parmagic.mapping.options import Options
from parmagic.pool.default import default_pool
from parmagic.pool.payload import Way
from parmagic.pool.workforce import Workforce
from parmagic.worker.errors import BackendError

# What only our own workers do.
_OURS_ONLY = {
    "workers": "workers: it has those that it has",
    "timeout": "a timeout: it cannot stop an item that runs, whatever that does",
    "worker_memory_limit": "worker_memory_limit: it does not measure its workers",
    "memory_limit": "memory_limit: it does not measure its workers",
}


def workforce_for(options: Options) -> Workforce:
    """Return those who run a job with these options: a backend, or our own pool.

    Raises
    ------
    BackendError
        The backend cannot do what is asked, or cannot be used.
    """
    workforce = workforce_in_use(options.on)
    if workforce is None:
        return default_pool(options.workers).dispatcher
    check(options, workforce)
    return workforce


def check(options: Options, workforce: Workforce) -> None:
    """Refuse what a backend does not do."""
    if workforce.way is Way.DIRECT and options.seed is not None:
        raise BackendError(
            f"{described(workforce)} does not take a seed: its threads share the generators of"
            " random numbers. Leave it out, or run the job in processes"
        )
    for field, why in _OURS_ONLY.items():
        if workforce.name and getattr(options, field) is not None:
            raise BackendError(
                f"{described(workforce)} does not take {why}. Leave it out, or run the job on"
                " the pool of this machine (on 'local')"
            )
