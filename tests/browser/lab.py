"""A JupyterLab server that knows nothing of its user: own folders, own settings, own token."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
from support import ROOT, alive, wait_until

START_SECONDS = 90.0
STOP_SECONDS = 20.0

# One and the same page in every run, whatever the machine's user prefers.
SETTINGS: dict[str, dict[str, object]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    # Saving by itself would meet the test's own: "the file has changed on disk".
    "docmanager-extension/plugin": {"autosave": False},
    # In all other modes, a cell out of sight is not drawn.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--expose-app-in-browser",  # as window.jupyterapp: commands, models, kernels
    "--JupyterNotebookApp.expose_app_in_browser=True",  # Notebook 7, by the same server
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",  # the system knows which one is free
    "--KernelManager.autorestart=False",  # a kernel that died is to be seen
)
# With PYTEST_CURRENT_TEST, a kernel leaves the descriptors 1 and 2 as they are; the others say
# whether somebody looks on, which the server itself is to say.
OURS = ("PYTEST_CURRENT_TEST", "JPY_SESSION_NAME", "PARMAGIC_LIVE")


class Lab:
    """A server, from its start to `stop`.

    Parameters
    ----------
    folder
        Where it keeps all that it writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self._token = secrets.token_hex(16)
        self._write_settings()
        self._log = (folder / "server.log").open("w")
        self._process = self._start()
        self._wait_until_ready()

    def _write_settings(self) -> None:
        for name, settings in SETTINGS.items():
            path = self.folder / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", *OPTIONS),
                f"--IdentityProvider.token={self._token}",
                f"--ServerApp.root_dir={self.notebooks}",
            ],
            cwd=self.notebooks,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name not in OURS},
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
        }

    @property
    def _runtime(self) -> Path:
        return self.folder / "runtime"

    def _wait_until_ready(self) -> None:
        wait_until(lambda: self._answers() or self._has_ended, START_SECONDS)
        if self._has_ended or not self._answers():
            self.stop()
            raise RuntimeError(f"JupyterLab did not start:\n{self.log[-3000:]}")

    @property
    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def _answers(self) -> bool:
        with suppress(OSError, ValueError):  # its note is not there yet, or half written
            return bool(self.ask("status"))
        return False

    @property
    def _port(self) -> int:
        note = self._runtime / f"jpserver-{self._process.pid}.json"
        return int(json.loads(note.read_text())["port"])

    @property
    def log(self) -> str:
        """What the server and its kernels wrote past the front end."""
        return Path(self._log.name).read_text()

    def url(self, path: str) -> str:
        """Return the address of one of its pages; the token opens it."""
        joint = "&" if "?" in path else "?"
        return f"http://127.0.0.1:{self._port}/{path}{joint}token={self._token}"

    def ask(self, path: str) -> Any:
        """Return what its REST interface says, such as ``ask("kernels")``."""
        with urllib.request.urlopen(self.url(f"api/{path}"), timeout=30) as answer:
            return json.loads(answer.read())

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells, and return its path as the front end names it."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(each) for each in cells]
        )
        # Without it, Lab asks for a kernel and waits.
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        path = f"{name}.ipynb"
        nbformat.write(notebook, self.notebooks / path)
        return path

    def stop(self) -> None:
        """End it with all of its kernels, and what they have started."""
        family = self._family()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for process in family:
            if alive(process.pid):
                process.kill()
        self._process.wait()
        self._log.close()

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            return [server, *server.children(recursive=True)]
        return []
