"""The kernel's configuration of `logging` in a worker, as far as it shows on its streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import logging

# What a Jupyter kernel configures for itself.
_OF_THE_KERNEL = ("IPKernelApp", "traitlets", "tornado")
_ROOT_LEVEL = 30  # WARNING, as Python has it
_STREAMS = ("stdout", "stderr")
_STYLES = {"StrFormatStyle": "{", "StringTemplateStyle": "$"}
_BASIC = "%(levelname)s:%(name)s:%(message)s"  # logging.BASIC_FORMAT


class Console(NamedTuple):
    """A handler that writes to a stream: to which, from which level on, and how."""

    stream: str
    level: int
    pattern: str
    dates: str | None
    style: str


class Log(NamedTuple):
    """A logger that is configured; the root's name is empty."""

    name: str
    level: int
    propagates: bool
    consoles: tuple[Console, ...]


class Logs(NamedTuple):
    """The loggers that are configured, and the level up to which all of them are silent."""

    silent: int
    logs: tuple[Log, ...]


_Loggers = list[tuple[str, "logging.Logger"]]

_MARK = "seen by parmagic"
_NOTHING = Logs(0, ())
_applied = _NOTHING
_known: tuple[tuple[int, int], _Loggers] = (-1, -1), []


def logs_here() -> Logs | None:
    """Describe this process's loggers; None if none is configured (1 µs)."""
    logging = sys.modules.get("logging")
    if logging is None:
        return None
    logs = Logs(logging.root.manager.disable, tuple(_logs(logging)))
    return None if logs == _NOTHING else logs


def apply_logs(logs: Logs | None) -> None:
    """Configure this process's loggers alike, unless it had been told so already."""
    global _applied
    logs = logs or _NOTHING
    if logs != _applied:
        import logging

        for log in _applied.logs:
            _configure(Log(log.name, 0 if log.name else _ROOT_LEVEL, True, ()))
        for log in logs.logs:
            _configure(log)
        logging.disable(logs.silent)
        _applied = logs


def _logs(logging: ModuleType) -> Iterator[Log]:
    root = _described("", logging.root)
    if root.consoles or root.level != _ROOT_LEVEL:
        yield root
    for name, logger in _touched(logging):
        log = _described(name, logger)
        if log.level or log.consoles:
            yield log


def _touched(logging: ModuleType) -> _Loggers:
    """Return the named loggers that may be configured; look at all only after a change."""
    global _known
    loggers = logging.root.manager.loggerDict
    # A new level of any logger empties the root's cache, and each new handler is in that list.
    levels = vars(logging.root).get("_cache", {})
    state = len(loggers), len(vars(logging).get("_handlerList", ()))
    if _MARK not in levels or state != _known[0]:
        levels[_MARK] = True
        _known = state, [pair for pair in list(loggers.items()) if _may_be_configured(*pair)]
    return _known[1]


def _may_be_configured(name: str, logger: Any) -> bool:
    # The dict has placeholders, too, which are no loggers.
    handlers = [type(each).__name__ for each in getattr(logger, "handlers", ())]
    touched = getattr(logger, "level", 0) or any(each != "NullHandler" for each in handlers)
    return bool(touched) and not name.startswith(_OF_THE_KERNEL)


def _described(name: str, logger: logging.Logger) -> Log:
    consoles = [console for handler in logger.handlers for console in _consoles(handler)]
    return Log(name, logger.level, logger.propagate, tuple(consoles))


def _consoles(handler: logging.Handler) -> Iterator[Console]:
    stream = _stream_name(getattr(handler, "stream", None))
    if stream is not None:
        yield Console(stream, handler.level, *_form(handler.formatter))


def _stream_name(stream: object) -> str | None:
    for name in _STREAMS if stream is not None else ():
        ours = getattr(sys, name), getattr(sys, f"__{name}__")
        if any(stream is each for each in ours) or getattr(stream, "name", None) == name:
            return name
    return None


def _form(formatter: Any) -> tuple[str, str | None, str]:
    if formatter is None:
        return "%(message)s", None, "%"
    # A class of its own may know more fields than ours, such as colours.
    if type(formatter).__module__ != "logging" or getattr(formatter._style, "_defaults", None):  # noqa: SLF001
        return _BASIC, None, "%"
    style = _STYLES.get(type(formatter._style).__name__, "%")  # noqa: SLF001  # nothing public tells
    return formatter._fmt, formatter.datefmt, style  # noqa: SLF001


def _configure(log: Log) -> None:
    import logging

    from parmagic.worker.console_handler import ConsoleHandler

    logger = logging.getLogger(log.name or None)
    logger.setLevel(log.level)
    logger.propagate = log.propagates
    for handler in list(logger.handlers):
        if isinstance(handler, ConsoleHandler):
            logger.removeHandler(handler)
    for console in log.consoles:
        logger.addHandler(ConsoleHandler(logger, *console))
