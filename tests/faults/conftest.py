from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.trial import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Callable[..., Trial]]:
    """Start a program, given as text."""
    started: list[Trial] = []

    def start(source: str) -> Trial:
        folder = tmp_path / f"trial{len(started)}"
        folder.mkdir()
        started.append(Trial(folder, source))
        return started[-1]

    yield start
    for each in started:
        each.clean_up()
