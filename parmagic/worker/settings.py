"""The kernel's options of packages in a worker: how NumPy and pandas print, how figures look.

They are described where a package is loaded, and set where it is loaded too: at once, or as
soon as an item imports it. Nothing is imported for it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from parmagic.worker.loaded import loaded

Options = Mapping[str, Any]
# The package in the worker, and its options, pickled.
Settings = tuple[tuple[str, bytes], ...]


class _Package(NamedTuple):
    """How to read the options of a package, and how to set them in a module of the worker."""

    read: Callable[[Any], Options]
    set: Callable[[Any, Options], object]
    there: str


# Where figures are drawn is the worker's own affair.
_OF_BACKENDS = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})

_known: dict[str, tuple[Options, bytes]] = {}
_applied: Settings = ()


def settings_here() -> Settings:
    """Describe this process (20 µs with all three packages, if they are as they were)."""
    packages = [(name, loaded(name)) for name in _PACKAGES]
    return tuple(_described(name, module) for name, module in packages if module is not None)


def apply_settings(settings: Settings) -> None:
    """Set the options of the packages that are loaded, unless it had been told so already."""
    global _applied
    if settings != _applied:
        _applied = settings
        for name, _ in settings:
            if name in sys.modules:
                apply_to(sys.modules[name])


def apply_to(module: ModuleType) -> None:
    """Set the options of one package; those that fail stay as they are."""
    import pickle

    options = dict(_applied).get(module.__name__)
    if options:
        with contextlib.suppress(Exception):  # another version knows other options
            _SETTERS[module.__name__](module, pickle.loads(options))


def _described(name: str, module: ModuleType) -> tuple[str, bytes]:
    package = _PACKAGES[name]
    options, data = _known.get(name, ({}, b""))
    here = package.read(module)
    if options != here:
        options, data = _copy(here), _pickled(here)
        _known[name] = options, data
    return package.there, data


def _copy(value: Any) -> Any:
    # Also of the lists, which people change in place: rcParams["font.serif"].insert(0, ...).
    if isinstance(value, dict):
        return {key: _copy(dict.__getitem__(value, key)) for key in dict.keys(value)}
    return value.copy() if isinstance(value, list) else value


def _pickled(options: Options) -> bytes:
    from parmagic.worker.by_value import dumps  # NumPy's formatters are functions, perhaps

    with contextlib.suppress(Exception):
        return dumps({name: each for name, each in _copy(options).items() if _is_sent(name)})
    return b""


def _is_sent(name: str) -> bool:
    return name not in _OF_BACKENDS


def _of_numpy(numpy: Any) -> Options:
    return {"print": numpy.get_printoptions(), "errors": numpy.geterr()}


def _set_numpy(numpy: Any, options: Options) -> None:
    numpy.set_printoptions(**options["print"])
    numpy.seterr(**options["errors"])


def _of_pandas(pandas: Any) -> Options:
    options: Options = pandas.options.d
    return options


def _set_pandas(pandas: Any, options: Options) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated, and as they were
        for name, value in _leaves(options):
            if pandas.get_option(name) != value:
                pandas.set_option(name, value)


def _leaves(options: Options, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _of_matplotlib(matplotlib: Any) -> Options:
    options: Options = matplotlib.rcParams
    return options


def _set_matplotlib(matplotlib: Any, options: Options) -> None:
    dict.update(matplotlib.rcParams, options)  # they are valid, and some of them deprecated


def _of_inline_figures(config: Any) -> Options:
    if not config.InlineBackend.initialized():
        return {}
    backend = config.InlineBackend.instance()
    return {"formats": list(backend.figure_formats), "print": backend.print_figure_kwargs}


def _set_drawing(drawing: Any, options: Options) -> None:
    if options:
        drawing.use(options["formats"], options["print"])


_PACKAGES = {
    "numpy": _Package(_of_numpy, _set_numpy, "numpy"),
    "pandas": _Package(_of_pandas, _set_pandas, "pandas"),
    "matplotlib": _Package(_of_matplotlib, _set_matplotlib, "matplotlib"),
    "matplotlib_inline.config": _Package(
        _of_inline_figures, _set_drawing, "parmagic.worker.drawing"
    ),
}
_SETTERS = {package.there: package.set for package in _PACKAGES.values()}
