from __future__ import annotations

import io
import logging
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from one_worker import OneWorker

from parmagic.worker import logs
from parmagic.worker.logs import apply_logs, logs_here


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have loggers as a new process has them."""
    monkeypatch.setattr(logs, "_applied", logs._NOTHING)
    monkeypatch.setattr(logging.root.manager, "loggerDict", {})
    kept, level = list(logging.root.handlers), logging.root.level
    reset()
    yield
    reset()
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)


def reset() -> None:
    logging.disable(logging.NOTSET)
    logging.root.manager.loggerDict.clear()
    logging.root.handlers[:] = []
    logging.root.setLevel(logging.WARNING)


def on_stdout() -> None:
    logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s!")


def with_a_library_silent() -> None:
    logging.basicConfig(level="DEBUG", format="{name} {message}", style="{")
    logging.getLogger("mine").setLevel("ERROR")


def a_logger_of_its_own() -> None:
    logger = logging.getLogger("mine")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel("DEBUG")
    logger.propagate = False


def at_a_level_of_the_handler() -> None:
    a_logger_of_its_own()
    logging.getLogger("mine").handlers[0].setLevel("WARNING")


def with_a_class_of_its_own() -> None:
    class Coloured(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            record.colour = "red"
            return super().format(record)

    handler = logging.StreamHandler()
    handler.setFormatter(Coloured("%(colour)s"))
    logging.basicConfig(level="INFO", handlers=[handler])


def silenced() -> None:
    logging.basicConfig(level="DEBUG", format="%(message)s")
    logging.disable(logging.INFO)


def not_at_all() -> None:
    pass


# How the kernel is configured, and what a worker writes to stdout and to stderr.
WAYS: dict[Callable[[], None], tuple[str, str]] = {
    not_at_all: ("", "warned\n"),
    on_stdout: ("informed!\nwarned!\n", ""),
    with_a_library_silent: ("", ""),
    a_logger_of_its_own: ("", "debugged\ninformed\nwarned\n"),
    at_a_level_of_the_handler: ("", "warned\n"),
    with_a_class_of_its_own: ("", "INFO:mine.child:informed\nWARNING:mine.child:warned\n"),
    silenced: ("", "warned\n"),
}


def fn(x: int) -> None:
    logger = logging.getLogger("mine.child")
    logger.debug("debugged")
    logger.info("informed")
    logger.warning("warned")


def test_records_are_shown_as_the_kernel_would(same_worker: OneWorker) -> None:
    in_a_cell = type(fn)(fn.__code__, {"logging": logging, "__name__": "__main__"})
    shown = {}
    for configure in WAYS:
        reset()
        configure()
        ran = same_worker.run(in_a_cell)
        shown[configure] = ran.text("stdout"), ran.text("stderr")
    assert shown == WAYS


@pytest.mark.parametrize("configure", WAYS)
def test_the_description_can_be_sent(configure: Callable[[], None]) -> None:
    reset()  # pytest adds handlers once more
    configure()
    here = logs_here()
    assert pickle.loads(pickle.dumps(here)) == here == logs_here()
    assert (here is None) is (configure is not_at_all)


def test_what_does_not_write_to_a_stream_stays_here(tmp_path: Path) -> None:
    handlers: list[logging.Handler] = [
        logging.NullHandler(),
        logging.StreamHandler(io.StringIO()),
        logging.FileHandler(tmp_path / "log", delay=True),
    ]
    logger = logging.getLogger("mine")
    for handler in handlers:
        logger.addHandler(handler)
    assert logs_here() is None


def test_what_a_kernel_has_for_itself_is_no_configuration() -> None:
    logging.getLogger("traitlets").setLevel("DEBUG")
    assert logs_here() is None


CHANGES: dict[str, Callable[[logging.Logger], Any]] = {
    "level": lambda logger: logger.setLevel("ERROR"),
    "handler": lambda logger: logger.addHandler(logging.StreamHandler()),
    "form": lambda logger: logging.root.handlers[0].setFormatter(logging.Formatter()),
    "level of the handler": lambda logger: logging.root.handlers[0].setLevel("ERROR"),
    "of the root": lambda logger: logging.root.setLevel("ERROR"),
    "silence": lambda logger: logging.disable(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(change: Callable[[logging.Logger], Any]) -> None:
    reset()
    logging.basicConfig()
    logger = logging.getLogger("mine")
    before = logs_here()
    assert logs_here() == before
    change(logger)
    assert logs_here() != before


def test_what_was_applied_is_taken_back() -> None:
    for configure in (on_stdout, a_logger_of_its_own):
        reset()
        configure()
        described = logs_here()
        reset()
        apply_logs(described)
        assert logs_here() == described
        apply_logs(None)
        assert logs_here() is None


def test_a_handler_that_a_library_adds_by_itself_is_enough(same_worker: OneWorker) -> None:
    def fn(x: int) -> None:
        logger = logging.getLogger("library")
        logger.addHandler(logging.StreamHandler())
        logger.warning("warned")

    logging.getLogger("library").addHandler(logging.StreamHandler())
    assert same_worker.run(fn).text("stderr") == "warned\n"


def test_where_it_is_not_configured_nothing_is_imported(worker: OneWorker) -> None:
    def fn(x: int) -> bool:
        import sys

        return "parmagic.worker.logs" in sys.modules

    reset()
    assert worker.run(fn).values == [False]
    logging.basicConfig()
    assert worker.run(fn).values == [True]
