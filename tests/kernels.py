"""Real kernels, driven as a front end drives them."""

from __future__ import annotations

import ast
import os
import queue
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from support import ROOT, Gate, alive, wait_until

ensure_event_loop()  # which jupyter_client would make in the first test, for good

MOST_SECONDS = 30.0

VIEW = "application/vnd.jupyter.widget-view+json"

_STREAMS = ("stream", "stream")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_MAGIC = "magics_manager.registry['ParMagic']"
_WORKERS = (
    "[w.pid for w in getattr(__import__('parmagic.pool.default', fromlist=['default'])"
    ".running_pool(), 'workers', ())]"
)


def plain(text: str) -> str:
    """Return ``text`` without the colours of a terminal."""
    return _COLOURS.sub("", text)


def environment(folder: Path, session: str | None = None) -> dict[str, str]:
    """Return what a kernel's process finds: this tree, and its own place for what it writes."""
    # With PYTEST_CURRENT_TEST, ipykernel leaves the descriptors 1 and 2 as they are.
    ours = ("PYTEST_CURRENT_TEST", "JPY_SESSION_NAME", "PARMAGIC_LIVE")
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        **({} if session is None else {"JPY_SESSION_NAME": session}),
    }


class Kernel:
    """A kernel and its one front end.

    Parameters
    ----------
    folder
        Where it runs, and keeps what it writes.
    session
        The name that Jupyter's server gives to a session; None where no front end looks on.
    """

    def __init__(self, folder: Path, *, session: str | None = None) -> None:
        self._manager = KernelManager(connection_file=str(folder / "kernel.json"))
        self._log = (folder / "kernel.log").open("w")
        self._manager.start_kernel(
            env=environment(folder, session), cwd=str(folder), stdout=self._log, stderr=self._log
        )
        self.client: BlockingKernelClient = self._manager.client()
        self.client.start_channels(hb=False)
        self.client.wait_for_ready(timeout=MOST_SECONDS)
        self.strays: list[dict[str, Any]] = []
        self._cells: dict[str, Cell] = {}
        self._family: set[psutil.Process] = set()

    @property
    def pid(self) -> int:
        pid: int = self._manager.provisioner.process.pid
        return pid

    @property
    def is_alive(self) -> bool:
        running: bool = self._manager.is_alive()
        return running

    @property
    def log(self) -> str:
        """What its process wrote past the front end."""
        return Path(self._log.name).read_text()

    def run(self, code: str) -> Cell:
        """Run a cell to its end."""
        return self.start(code).finish()

    def start(self, code: str, *, can_ask: bool = True) -> Cell:
        """Run a cell, and return at once; ``can_ask`` says whether it may ask for input."""
        message_id = self.client.execute(code, allow_stdin=can_ask)
        self._cells[message_id] = Cell(self, message_id)
        return self._cells[message_id]

    def receive(self, seconds: float) -> None:
        """Wait for a message, and give it to its cell; what comes late is a stray, too."""
        message = self.client.get_iopub_msg(timeout=seconds)
        cell = self._cells.get(message["parent_header"].get("msg_id"))
        if message["msg_type"] != "status" and (cell is None or cell.is_idle):
            self.strays.append(message)
        if cell is not None:
            cell.messages.append(message)

    @contextmanager
    def configured(self, **traits: object) -> Iterator[None]:
        """Have other defaults for a while."""
        before = {name: self.value(f"get_ipython().{_MAGIC}.{name}") for name in traits}
        self._configure(traits)
        try:
            yield
        finally:
            self._configure(before)

    def _configure(self, traits: Mapping[str, object]) -> None:
        for name, value in traits.items():
            assert self.run(f"%config ParMagic.{name} = {value!r}").stderr == ""

    def value(self, expression: str) -> Any:
        """Return the value of an expression, if Python can read its repr."""
        reply = self.client.execute(
            "", silent=True, user_expressions={"x": expression}, reply=True, timeout=MOST_SECONDS
        )
        answer = reply["content"]["user_expressions"]["x"]
        assert answer["status"] == "ok", answer
        return ast.literal_eval(answer["data"]["text/plain"])

    def give(self, gate: Gate) -> None:
        """Make ``gate`` the notebook's variable of that name."""
        assert self.run(f"gate = Gate(Path({str(gate.folder)!r}))").succeeded

    def completions(self, code: str) -> list[str]:
        """Return what Tab offers at the end of ``code``."""
        reply = self.client.complete(code, reply=True, timeout=MOST_SECONDS)
        matches: list[str] = reply["content"]["matches"]
        return matches

    def help(self, code: str) -> str:
        """Return what Shift-Tab shows at the end of ``code``."""
        reply = self.client.inspect(code, reply=True, timeout=MOST_SECONDS)
        return plain(reply["content"]["data"].get("text/plain", ""))

    def interrupt(self) -> None:
        """Do what Jupyter's Interrupt does: SIGINT to the kernel and its workers."""
        self._manager.interrupt_kernel()

    def worker_pids(self) -> set[int]:
        """Return the pids of the shared pool's workers."""
        return set(self.value(_WORKERS))

    def processes(self) -> list[psutil.Process]:
        """Return all that the kernel has started: workers, and multiprocessing's tracker."""
        found = psutil.Process(self.pid).children(recursive=True)
        self._family.update(found)
        return found

    def left_over(self) -> list[psutil.Process]:
        """Return those that still run, of all that `processes` ever found."""
        return [process for process in self._family if alive(process.pid)]

    def kill(self) -> None:
        """Kill the kernel as the system does when memory runs out, and nothing else."""
        self.processes()
        os.kill(self.pid, signal.SIGKILL)

    def shut_down(self) -> float:
        """Shut down as a front end does; return in how many seconds all that it started ended."""
        self.processes()
        begun = time.monotonic()
        self._manager.request_shutdown()
        wait_until(lambda: not self.left_over())
        seconds = time.monotonic() - begun
        self._manager.finish_shutdown()  # ipykernel 7.4 itself hangs once in a hundred times
        self._manager.cleanup_resources()
        return seconds

    def restart(self) -> None:
        """Restart as a front end does."""
        self.processes()
        self._manager.restart_kernel()
        self.client.wait_for_ready(timeout=MOST_SECONDS)

    def clean_up(self) -> None:
        """End it, whatever state it is in."""
        if self._manager.has_kernel and self.is_alive:
            self.processes()
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._log.close()
        for process in self.left_over():
            process.kill()


class Cell:
    """A cell that a kernel runs, and what came of it so far."""

    def __init__(self, kernel: Kernel, message_id: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.reply: dict[str, Any] = {}
        self._kernel = kernel
        self._id = message_id

    def wait_for(self, condition: Callable[[Cell], object]) -> Cell:
        """Wait until what has come meets the condition."""
        deadline = time.monotonic() + MOST_SECONDS
        while not condition(self):
            try:
                self._kernel.receive(deadline - time.monotonic())
            except queue.Empty:
                raise TimeoutError(f"nothing more came after {self.kinds}") from None
        return self

    def wait_for_prompt(self) -> str:
        """Wait until it asks for input, and return the prompt."""
        message = self._kernel.client.get_stdin_msg(timeout=MOST_SECONDS)
        assert message["parent_header"]["msg_id"] == self._id
        prompt: str = message["content"]["prompt"]
        return prompt

    def answer(self, *lines: str) -> Cell:
        """Type lines, each when it asks for one."""
        for line in lines:
            self.wait_for_prompt()
            self._kernel.client.input(line)
        return self

    def finish(self) -> Cell:
        """Wait until the kernel is idle again."""
        self.wait_for(lambda cell: cell.is_idle)
        while not self.reply:
            message = self._kernel.client.get_shell_msg(timeout=MOST_SECONDS)
            if message["parent_header"]["msg_id"] == self._id:
                self.reply = message["content"]
        return self

    @property
    def is_idle(self) -> bool:
        return any(each["execution_state"] == "idle" for each in self._contents("status"))

    def _contents(self, *kinds: str) -> list[dict[str, Any]]:
        return [each["content"] for each in self.messages if each["msg_type"] in kinds]

    @property
    def kinds(self) -> list[str]:
        """The types of what it shows, in order; a front end draws neighbouring streams as one."""
        silent = ("status", "execute_input")
        kinds = [each["msg_type"] for each in self.messages if each["msg_type"] not in silent]
        return [
            kind
            for kind, before in zip(kinds, ["", *kinds], strict=False)
            if (kind, before) != _STREAMS
        ]

    @property
    def succeeded(self) -> bool:
        return bool(self.reply["status"] == "ok")

    @property
    def number(self) -> int:
        """The number in ``In [3]``."""
        number: int = self._contents("execute_input")[0]["execution_count"]
        return number

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    def _stream(self, name: str) -> str:
        return "".join(each["text"] for each in self._contents("stream") if each["name"] == name)

    @property
    def displays(self) -> list[dict[str, str]]:
        """The bundles that it displayed."""
        return [each["data"] for each in self._contents("display_data")]

    @property
    def updates(self) -> list[dict[str, str]]:
        """The bundles that took the place of earlier ones."""
        return [each["data"] for each in self._contents("update_display_data")]

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What stays to be seen of its displays: the last bundle of each, if it is not empty."""
        last: dict[object, dict[str, Any]] = {}
        for number, each in enumerate(self._contents("display_data", "update_display_data")):
            last[each["transient"].get("display_id", number)] = each["data"]
        return [bundle for bundle in last.values() if any(bundle.values())]

    @property
    def display_ids(self) -> set[str]:
        """The ids of all that it displayed or updated."""
        shown = self._contents("display_data", "update_display_data")
        return {each["transient"]["display_id"] for each in shown}

    @property
    def result(self) -> dict[str, str]:
        """The bundle of ``Out[3]``; empty if there is none."""
        results = self._contents("execute_result")
        return results[0]["data"] if results else {}

    @property
    def error(self) -> str:
        """The class and the text of its exception; empty if there is none."""
        errors = self._contents("error")
        return f"{errors[0]['ename']}: {plain(errors[0]['evalue'])}" if errors else ""

    @property
    def traceback(self) -> str:
        return plain(
            "\n".join(line for each in self._contents("error") for line in each["traceback"])
        )

    @property
    def page(self) -> str:
        """What ``name?`` shows beside the notebook."""
        return plain("".join(each["data"]["text/plain"] for each in self.reply["payload"]))


def button_of(cell: Cell) -> str:
    """Return the id of the button's model, once it is drawn."""
    cell.wait_for(lambda cell: any(VIEW in bundle for bundle in cell.displays))
    views: list[Any] = [bundle[VIEW] for bundle in cell.displays if VIEW in bundle]
    return str(views[0]["model_id"])


def click(kernel: Kernel, comm: str) -> None:
    """Send what a front end sends for a click, on the channel of the cells."""
    content = {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}}
    message = kernel.client.session.msg("comm_msg", content)
    kernel.client.shell_channel.send(message)
