"""Where other libraries find our pool by its name; they are imported by those who use them."""

from __future__ import annotations

import sys

from parmagic.worker.hooks import ImportHooks


def register_joblib() -> None:
    """Let joblib, and with it scikit-learn, run on the shared pool: ``backend="parmagic"``.

    ::

        parmagic.register_joblib()
        with joblib.parallel_config(backend="parmagic"):
            search.fit(X, y)

    In a notebook ``%load_ext parmagic`` does this. It needs joblib 1.3 or newer.
    """
    from joblib import register_parallel_backend

    from parmagic.pool.joblib import ParmagicBackend

    register_parallel_backend("parmagic", ParmagicBackend)


_hooks = ImportHooks({"joblib": lambda _: register_joblib()})


def watch() -> None:
    """Do `register_joblib` as soon as somebody imports joblib, or now if that is done."""
    if _hooks not in sys.meta_path:
        _hooks.install()


def unwatch() -> None:
    """Wait for nobody any more."""
    if _hooks in sys.meta_path:
        _hooks.uninstall()
