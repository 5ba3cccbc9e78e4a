from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parmagic.pool.queue import ChunkQueue


def chunk(name: str) -> Any:
    return SimpleNamespace(name=name, payload=SimpleNamespace(job=name[0]))


def queue(names: str) -> ChunkQueue:
    made = ChunkQueue()
    for name in names.split():
        made.add(chunk(name))
    return made


def taken(chunks: ChunkQueue) -> str:
    names = []
    while chunks:
        names.append(chunks.take(lambda chunk: True).name)
    return " ".join(names)


@pytest.mark.parametrize(
    ("added", "order"),
    [
        ("", ""),
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2 b1 b2 c1", "a1 b1 c1 a2 b2"),
    ],
)
def test_jobs_take_turns_and_keep_their_order(added: str, order: str) -> None:
    assert taken(queue(added)) == order


def test_a_job_is_dropped_and_the_others_stay() -> None:
    chunks = queue("a1 b1 a2 b2")
    assert [each.name for each in chunks.drop("a")] == ["a1", "a2"]
    assert chunks.drop("a") == []
    assert taken(chunks) == "b1 b2"


def test_all_are_dropped() -> None:
    chunks = queue("a1 b1 a2")
    assert {each.name for each in chunks.drop_all()} == {"a1", "b1", "a2"}
    assert not chunks
