from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support import wait_until

import parmagic
from parmagic import ProcessPoolExecutor
from parmagic.pool.broken import CallLost
from parmagic.pool.default import default_pool
from parmagic.pool.start_up import UnheardStarts
from parmagic.worker.errors import WorkerDied


def close_all_once_ready() -> None:
    def close_all(frame: FrameType, _event: str, _argument: Any) -> None:
        if frame.f_code.co_name == "_answer_all":
            sys.setprofile(None)
            os.closerange(3, 256)

    sys.setprofile(close_all)


def take_all_but_one() -> None:
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, free + 1))


async def waits(item: int) -> int:
    return item


def test_a_chunk_that_no_worker_can_begin_is_not_tried_without_end() -> None:
    default_pool(1).renew(take_all_but_one, UnheardStarts())
    with pytest.raises(WorkerDied):
        parmagic.map_async(waits, [1]).result(30)


def test_a_call_that_no_worker_can_begin_is_not_tried_without_end() -> None:
    pool = ProcessPoolExecutor(1, initializer=close_all_once_ready)
    try:
        with pytest.raises(CallLost):
            pool.submit(abs, -1).result(30)
    finally:
        pool.kill()


# What a file of the user's does that stands before a module which the worker imports when idle.
SHADOWS = {"raises": "raise AttributeError", "exits": "raise SystemExit(3)"}


@pytest.mark.parametrize("shadow", SHADOWS.values(), ids=SHADOWS)
@pytest.mark.parametrize("module", ["cloudpickle", "ctypes"])
def test_a_module_that_cannot_be_imported_when_idle_ends_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, shadow: str
) -> None:
    seen = tmp_path / "seen"
    (tmp_path / f"{module}.py").write_text(f"open({str(seen)!r}, 'w').close()\n{shadow}\n")
    monkeypatch.syspath_prepend(tmp_path)
    pool = default_pool(1)
    before = pool.submit(os.getpid).result()
    assert wait_until(seen.exists)
    assert pool.submit(os.getpid).result() == before
