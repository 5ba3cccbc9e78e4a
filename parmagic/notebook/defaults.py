"""What the magics do where a line does not say: ``%config ParMagic.workers = 4``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from IPython.core.magic import Magics
from traitlets import Bool, Float, Integer

from parmagic.backends.use import backend_name
from parmagic.mapping.options import Options
from parmagic.notebook.memory_size import MemorySize


class Defaults(Magics):
    """Traits that the user sets once for all cells."""

    shell: Any

    workers = Integer(
        None, allow_none=True, min=1, help="How many workers; by default one a processor."
    ).tag(config=True)
    chunksize = Integer(
        None, allow_none=True, min=1, help="Items sent together; by default what takes 50 ms."
    ).tag(config=True)
    timeout = Float(
        None, allow_none=True, min=0.001, help="Seconds that an item may take; by default any."
    ).tag(config=True)
    retries = Integer(0, min=0, help="How often an item that failed is tried again.").tag(
        config=True
    )
    worker_memory_limit = MemorySize(
        None, allow_none=True, help='A worker that uses more is replaced after its item: "2 GB".'
    ).tag(config=True)
    memory_limit = MemorySize(
        None,
        allow_none=True,
        help="What the workers may use together, by default what is free: where items are too"
        " large to run beside each other, fewer do.",
    ).tag(config=True)
    return_exceptions = Bool(False, help="Put exceptions in their places, and go on.").tag(
        config=True
    )
    quiet = Bool(False, help="Show no progress and no report.").tag(config=True)
    progress_after = Float(0.5, help="Seconds until a running cell shows its line.").tag(
        config=True
    )
    live = Bool(
        None,
        allow_none=True,
        help="Whether a running cell repaints its line; by default, where a front end looks on.",
    ).tag(config=True)

    all_frames = Bool(False, help="Show the frames of parmagic itself in tracebacks, too.").tag(
        config=True
    )

    def is_quiet(self, given: Mapping[str, Any]) -> bool:
        """Tell whether no progress and no report are to be shown."""
        return bool(given.get("quiet", self.quiet))

    def options(self, given: Mapping[str, Any], star: bool) -> Options:
        """Return how to run a job, by the options that are given and the defaults."""
        serial = given.get("serial", False)
        # That default is one of our own pool.
        elsewhere = not serial and backend_name(given.get("on")) is not None
        return Options(
            workers=given.get("workers", None if elsewhere else self.workers),
            chunksize=given.get("chunksize", self.chunksize),
            timeout=None if serial else given.get("timeout", self.timeout),
            retries=given.get("retries", self.retries),
            star=star,
            return_exceptions=given.get("return_exceptions", self.return_exceptions),
            resume=given.get("resume", False),
            checkpoint=given.get("checkpoint"),
            serial=serial,
            seed=given.get("seed"),
            on=given.get("on"),
            worker_memory_limit=self.worker_memory_limit,
            memory_limit=self.memory_limit,
        )
