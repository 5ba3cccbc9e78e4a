"""One thread for all panels, which ends with the last."""

from __future__ import annotations

import threading

import pytest
from support import wait_until

from parmagic.notebook.panel import ticker
from parmagic.notebook.panel.ticker import Ticker


class Panel:
    def __init__(self, *, moves: bool) -> None:
        self.moves = moves
        self.fails = False
        self.repaints = 0
        self.threads: set[threading.Thread] = set()

    def refresh(self) -> bool:
        self.repaints += 1
        if self.fails:
            raise RuntimeError("odd")
        self.threads.add(threading.current_thread())
        return self.moves


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "BUSY_SECONDS", 0.005)
    monkeypatch.setattr(ticker, "IDLE_SECONDS", 3600)


@pytest.mark.usefixtures("quick")
def test_panels_are_repainted_in_turn_by_one_thread_that_ends_with_the_last() -> None:
    before = threading.enumerate()
    clock, panels = Ticker(), [Panel(moves=True), Panel(moves=False)]
    for each in panels:
        clock.add(each)
    assert wait_until(lambda: min(each.repaints for each in panels) > 5)
    (thread,) = panels[0].threads | panels[1].threads
    clock.remove(panels[0])
    assert thread.is_alive()
    clock.remove(panels[1])
    thread.join(10)
    assert threading.enumerate() == before


@pytest.mark.usefixtures("quick")
def test_where_nothing_moves_it_waits_to_be_woken() -> None:
    clock, panel = Ticker(), Panel(moves=False)
    clock.add(panel)
    assert wait_until(lambda: panel.repaints)
    seen = panel.repaints
    clock.wake()
    assert wait_until(lambda: panel.repaints > seen)
    clock.remove(panel)


@pytest.mark.usefixtures("quick")
def test_a_panel_that_cannot_be_drawn_leaves_the_others_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, panels = Ticker(), [Panel(moves=True), Panel(moves=True)]
    panels[0].fails = True
    for each in panels:
        clock.add(each)
    assert wait_until(lambda: panels[1].repaints > 5)
    assert panels[0].repaints == 1
    assert "the panel shows nothing new any more" in caplog.text
    clock.remove(panels[1])
