from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parmagic.pool import cpus
from parmagic.pool.cpus import usable_cpus

ALL = len(os.sched_getaffinity(0))
ALL_BUT_ONE = f"{100_000 * ALL - 99_999} 100000"


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cpus, "_CGROUP_QUOTA", tmp_path / "cpu.max")
    return tmp_path / "cpu.max"


@pytest.fixture
def one_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max 100000\n", ALL),
        ("10000000 100000\n", ALL),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        (ALL_BUT_ONE, ALL),
        ("what is this", ALL),
        ("", ALL),
    ],
)
def test_a_container_s_quota_counts(quota: Path, text: str, count: int) -> None:
    quota.write_text(text)
    assert usable_cpus() == count


def test_without_a_quota_all_count(quota: Path) -> None:
    assert usable_cpus() == ALL


def test_the_affinity_counts(quota: Path, one_processor: None) -> None:
    assert usable_cpus() == 1
