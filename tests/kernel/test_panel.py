"""The panel in a real kernel: what it sends to a front end, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from kernels import Cell, Kernel
from support import Gate, wait_until

VIEW = "application/vnd.jupyter.widget-view+json"
DEFINED = """
import time
def square(number):
    print("squaring", number)
    return number ** 2
def enter(name):
    gate.enter(name)
    return name
"""
THREADS = "[each.name for each in __import__('threading').enumerate() if 'panel' in each.name]"


class Front:
    """What a front end knows of the widgets that a kernel has."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.opened: dict[str, dict[str, Any]] = {}
        self.updates: list[dict[str, Any]] = []

    def hear(self, cell: Cell) -> None:
        """Take note of the widgets that a cell made."""
        for message in cell.messages:
            self._note(message)

    def listen(self, seconds: float) -> list[dict[str, Any]]:
        """Return the updates of the next seconds."""
        self.updates.clear()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._note(self.kernel.client.get_iopub_msg(timeout=left))
            except Exception:  # nothing more came
                break
        return list(self.updates)

    def _note(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_open":
            self.opened[content["comm_id"]] = content["data"]["state"]
        elif message["msg_type"] == "comm_msg":
            self.updates.append(content)
            self.opened.setdefault(content["comm_id"], {}).update(content["data"]["state"])

    def find(self, **state: Any) -> str:
        """Return the id of the newest widget with that state."""
        found = [
            comm
            for comm, each in self.opened.items()
            if all(each.get(name) == value for name, value in state.items())
        ]
        return found[-1]

    def type(self, label: str, value: object) -> None:
        """Fill in a field."""
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        self._send(self.find(description=label, _model_name="TextModel"), data)

    def choose(self, label: str, option: str) -> None:
        """Choose one of what a list offers."""
        comm = self.find(description=label)
        index = self.opened[comm]["_options_labels"].index(option)
        self._send(comm, {"method": "update", "state": {"index": index}, "buffer_paths": []})

    def click(self, label: str) -> None:
        """Click on a button."""
        data = {"method": "custom", "content": {"event": "click"}}
        self._send(self.find(description=label, _model_name="ButtonModel"), data)

    def _send(self, comm: str, data: dict[str, Any]) -> None:
        message = self.kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.kernel.client.shell_channel.send(message)


def open_panel(kernel: Kernel, code: str = "%parpanel") -> Front:
    assert kernel.run(DEFINED).succeeded
    front = Front(kernel)
    cell = kernel.run(code)
    assert cell.succeeded, cell.error
    assert VIEW in cell.displays[0]
    front.hear(cell)
    return front


def close(kernel: Kernel) -> None:
    assert kernel.run("%parpanel --close").succeeded
    assert wait_until(lambda: kernel.value(THREADS) == [])
    kernel.strays.clear()


def test_it_runs_a_function_while_the_kernel_is_free(live_kernel: Kernel, gate: Gate) -> None:
    live_kernel.give(gate)
    front = open_panel(live_kernel, "parmagic.panel()")
    front.type("Items", "'ab'")
    front.type("Results", "names")
    front.click("Run")
    gate.wait_for(1)
    assert live_kernel.run("1 + 1").result["text/plain"] == "2"
    gate.open()
    assert wait_until(lambda: live_kernel.value("globals().get('names')") == ["a", "b"])
    close(live_kernel)


def test_stop_is_heard_while_a_cell_blocks_the_kernel(live_kernel: Kernel, gate: Gate) -> None:
    live_kernel.give(gate)
    front = open_panel(live_kernel)
    cell = live_kernel.start(
        "%%parmap --workers 2 --chunksize 1 x in range(9) -> ys\ngate.enter(x)"
    )
    gate.wait_for(2)
    front.click("Stop")
    cell.finish()
    assert cell.error.startswith("KeyboardInterrupt: 0 results kept")
    close(live_kernel)


def test_two_panels_send_ten_updates_a_second_at_most_and_what_has_changed_only(
    live_kernel: Kernel,
) -> None:
    front = open_panel(live_kernel)
    front.hear(live_kernel.run("%parpanel"))
    front.choose("Function", "square(number)")
    front.type("Items", "iter(int, 1)")  # without end
    front.click("Run")
    front.listen(1)
    sent = front.listen(2)
    front.click("Stop")
    assert 4 <= len(sent) <= 22  # in two seconds, and a little
    assert {name for each in sent for name in each["data"]["state"]} == {"value"}
    assert wait_until(lambda: live_kernel.value("parmagic.jobs[-1].done()"))
    # Soon nothing moves, but for memory and processor.
    assert wait_until(lambda: len(front.listen(1.5)) <= 5, seconds=20)
    close(live_kernel)


def test_a_closed_panel_leaves_what_there_was_to_see(live_kernel: Kernel) -> None:
    close(live_kernel)
    open_panel(live_kernel)
    assert live_kernel.run("%parmap square(x) for x in range(3)").succeeded
    closed = live_kernel.run("%parpanel --close")
    left = closed.updates[0]
    assert VIEW not in left
    assert "3 items done" in left["text/plain"]
    assert "3 items" in left["text/html"]
    close(live_kernel)


def test_a_cell_that_runs_again_has_one_panel(live_kernel: Kernel) -> None:
    count = "len(get_ipython().magics_manager.registry['ParMagic'].panels._open)"
    code = "get_ipython().magics_manager.registry['ParMagic'].panels.open('a cell', True)"
    for _ in range(3):
        assert live_kernel.run(code).succeeded
        assert live_kernel.value(count) == 1
    close(live_kernel)


@pytest.mark.parametrize("code", ["%parpanel", "parmagic.panel()"])
def test_where_nobody_looks_on_it_is_text(kernel: Kernel, code: str) -> None:
    assert kernel.run("%parmap x for x in range(3)").succeeded
    cell = kernel.run(code)
    (shown,) = cell.displays
    assert set(shown) == {"text/html", "text/plain"}
    lines = shown["text/plain"].splitlines()
    assert lines[0].endswith("idle")
    assert lines[-1].split(" · ")[2:4] == ["x for x in range(3)", "3 items done"]
    assert kernel.value(THREADS) == []


def test_a_kernel_that_ends_leaves_a_picture_of_its_panel(
    new_kernel: Callable[..., Kernel],
) -> None:
    kernel = new_kernel("notebook.ipynb")
    open_panel(kernel)
    kernel.shut_down()
    assert kernel.left_over() == []
    kinds = [kernel.client.get_iopub_msg(timeout=10)["msg_type"] for _ in range(3)]
    assert "update_display_data" in kinds
