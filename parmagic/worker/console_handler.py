"""A handler of `logging` that writes to what is the process's stream when a record comes."""

from __future__ import annotations

import logging
import sys
from typing import Any


class ConsoleHandler(logging.StreamHandler[Any]):
    """Write to the stream of that name, as the item that logs has it."""

    def __init__(
        self,
        logger: logging.Logger,
        stream: str,
        level: int,
        pattern: str,
        dates: str | None,
        style: Any,
    ) -> None:
        self._logger = logger
        self._name_of_stream = stream
        super().__init__()
        self.setLevel(level)
        self.setFormatter(logging.Formatter(pattern, dates, style))

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record``, unless a library has given its logger a handler here as well."""
        others = (each for each in self._logger.handlers if not isinstance(each, ConsoleHandler))
        if not any(isinstance(each, logging.StreamHandler) for each in others):
            super().emit(record)

    @property
    def stream(self) -> Any:
        """The stream as it is now."""
        return getattr(sys, self._name_of_stream)

    @stream.setter
    def stream(self, stream: Any) -> None:
        """Leave it: it is found by its name."""
