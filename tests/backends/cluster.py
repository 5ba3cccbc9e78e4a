"""Start a cluster on this machine, take it through the table of jobs, and end it::

python cluster.py dask FOLDER
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from backends.table import There, run
from support import alive, wait_until

import parmagic
from parmagic.pool.exit import close_all

MAIN = sys.modules["__main__"]


@contextmanager
def programs(folder: Path) -> Iterator[Callable[..., None]]:
    """Start commands of this environment, and end them in the order in which they were started."""
    started: list[subprocess.Popen[bytes]] = []
    quick = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}

    def start(command: str, *arguments: str) -> None:
        path = str(Path(sys.executable).with_name(command))
        log = (folder / f"{command}{len(started)}.log").open("w")
        environment = {**os.environ, **quick, "IPYTHONDIR": str(folder)}
        started.append(subprocess.Popen([path, *arguments], env=environment, stderr=log))

    try:
        yield start
    finally:
        families = [family for each in started for family in _family(each.pid)]
        for each in started[::-1]:
            each.terminate()
        # Of a worker that has died just now, dask's nanny is slow to let go.
        for process in psutil.wait_procs(families, timeout=5)[1]:
            process.kill()
        for each in started:
            each.wait(10)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [*process.children(recursive=True), process]


@contextmanager
def dask(folder: Path) -> Iterator[There]:
    from distributed import Client

    where = ("--scheduler-file", str(folder / "scheduler.json"))
    here = ("--host", "127.0.0.1", "--no-dashboard")
    with programs(folder) as start:
        start("dask", "scheduler", *where, "--port", "0", *here)
        start("dask", "worker", *where, "--nworkers", "2", "--nthreads", "1", *here)
        with Client(scheduler_file=where[1]) as client:
            client.wait_for_workers(2)
            assert parmagic.map(abs, [-1], on=client) == [1]

            def settle() -> None:
                assert wait_until(lambda: not any(map(_runs_any, client.run(_states).values())))

            yield There(client.scheduler.address, "dask", MAIN, folder, settle=settle)


def _states(dask_worker: Any) -> list[str]:
    return [task.state for task in dask_worker.state.tasks.values()]


def _runs_any(states: list[str]) -> bool:
    return "executing" in states


@contextmanager
def ray(folder: Path) -> Iterator[There]:
    short = tempfile.mkdtemp()  # its sockets are files, whose names must not be long
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100_000_000,
        _temp_dir=short,
    )

    def settle() -> None:
        assert wait_until(lambda: ray.available_resources().get("CPU") == 2, 30)

    try:
        yield There("ray", "ray", MAIN, folder, settle=settle)
    finally:
        ray.shutdown()
        shutil.rmtree(short, ignore_errors=True)


@contextmanager
def ipyparallel(folder: Path) -> Iterator[There]:
    from ipyparallel import Client

    security = folder / "profile_default" / "security"
    with programs(folder) as start:
        start("ipcontroller", "--ip=127.0.0.1")
        engine = security / "ipcontroller-engine.json"
        client = security / "ipcontroller-client.json"
        assert wait_until(lambda: engine.exists() and client.exists(), 30)
        for _ in range(2):
            start("ipengine", f"--file={engine}")
        with Client(str(client)) as connected:
            connected.wait_for_engines(2, timeout=30)

            def is_idle() -> bool:
                status = connected.queue_status()
                engines = [each for each in status.values() if isinstance(each, dict)]
                return not status["unassigned"] and not any(
                    each["tasks"] or each["queue"] for each in engines
                )

            def settle() -> None:
                assert wait_until(is_idle, 30)

            yield There(connected, "ipyparallel", MAIN, folder, crashes=1, settle=settle)


CLUSTERS: dict[str, Callable[[Path], AbstractContextManager[There]]] = {
    "dask": dask,
    "ray": ray,
    "ipyparallel": ipyparallel,
}


def main(name: str, folder: str) -> None:
    with CLUSTERS[name](Path(folder)) as there:
        print(*run(there), sep="\n", file=sys.__stdout__)
        close_all()  # our own pool
        family = psutil.Process().children(recursive=True)
    assert wait_until(lambda: not any(alive(each.pid) for each in family))
    print("all ended", file=sys.__stdout__)


if __name__ == "__main__":
    main(*sys.argv[1:])
