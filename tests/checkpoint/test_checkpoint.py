from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ROOT, Notebook, Script

from parmagic.checkpoint import packs
from parmagic.checkpoint.checkpoint import Checkpoint, CheckpointError, Mark
from parmagic.checkpoint.database import PAGE_BYTES

SIGNATURE = b"0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.checkpoint"


def values_in(path: Path) -> dict[int, Any]:
    with Checkpoint(path) as checkpoint:
        return as_dict(checkpoint)


def as_dict(checkpoint: Checkpoint) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for first, values in checkpoint.values():
        assert not found.keys() & set(range(first, first + len(values)))
        found.update(enumerate(values, first))
    assert list(found) == sorted(found)
    return found


def test_a_new_file_holds_nothing(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        assert (checkpoint.signature, checkpoint.length) == (None, None)
        assert (checkpoint.marks(), list(checkpoint.values())) == ([], [])


def test_what_was_noted_is_there_again(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.begin(SIGNATURE, 7)
        checkpoint.note_items(3, 4, b"second")
        checkpoint.note_items(0, 3, b"first")
        checkpoint.note_values(4, ["e", None])
        checkpoint.note_values(0, ["a", ("b", 2.5)])
    with Checkpoint(path) as checkpoint:
        assert (checkpoint.signature, checkpoint.length) == (SIGNATURE, 7)
        assert checkpoint.marks() == [Mark(0, 3, b"first"), Mark(3, 4, b"second")]
        assert list(checkpoint.values()) == [(0, ["a", ("b", 2.5)]), (4, ["e", None])]
    assert os.listdir(path.parent) == [path.name]


def test_it_can_be_read_while_it_is_written(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        for index in range(3):
            checkpoint.note_values(index, [index])
            assert as_dict(checkpoint) == {n: n for n in range(index + 1)}


def test_the_last_function_counts_and_the_values_stay(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.begin(SIGNATURE, 7)
        checkpoint.note_values(0, [1])
        checkpoint.begin(b"other", None)
    with Checkpoint(path) as checkpoint:
        assert (checkpoint.signature, checkpoint.length) == (b"other", None)
        assert as_dict(checkpoint) == {0: 1}


def test_what_is_noted_again_is_not_written_again(path: Path) -> None:
    def note(checkpoint: Checkpoint) -> None:
        checkpoint.begin(SIGNATURE, 5)
        checkpoint.note_items(0, 5, b"items")
        checkpoint.note_values(2, [2, 3])
        checkpoint.note_values(0, [0, 1, "not this", "nor this", 4])

    for _ in range(3):
        with Checkpoint(path) as checkpoint:
            as_dict(checkpoint)
            note(checkpoint)
            note(checkpoint)
            assert as_dict(checkpoint) == {n: n for n in range(5)}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (5,)


def test_other_items_replace_those_of_the_same_index(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_items(0, 3, b"first")
        checkpoint.note_items(0, 4, b"again")
    with Checkpoint(path) as checkpoint:
        assert checkpoint.marks() == [Mark(0, 4, b"again")]


def test_items_replace_those_that_they_overlap(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        for first, length in [(0, 2), (2, 1), (3, 2), (1, 3), (4, 2), (0, 1), (6, 1)]:
            checkpoint.note_items(first, length, b"items")
        left = [Mark(first, length, b"items") for first, length in [(0, 1), (1, 3), (4, 2), (6, 1)]]
        assert checkpoint.marks() == left
    with Checkpoint(path) as checkpoint:
        assert checkpoint.marks() == left


def test_values_do_not_outlive_their_items(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_items(0, 4, b"items")
        checkpoint.note_values(0, ["a", "b", "c", "d"])
        checkpoint.note_items(1, 2, b"other")
        assert as_dict(checkpoint) == {0: "a", 3: "d"}
    assert values_in(path) == {0: "a", 3: "d"}
    with Checkpoint(path) as checkpoint:
        as_dict(checkpoint)
        checkpoint.note_values(0, ["not this", "B", "C"])
    assert values_in(path) == {0: "a", 1: "B", 2: "C", 3: "d"}


def test_clear_forgets_everything_for_good(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.begin(SIGNATURE, 3)
        checkpoint.note_items(0, 3, b"items")
        checkpoint.note_values(0, [b"secret" * 5000, "secret"])
        checkpoint.clear()
        assert (checkpoint.signature, checkpoint.length, checkpoint.marks()) == (None, None, [])
        assert b"secret" not in Path(f"{path}-wal").read_bytes() + path.read_bytes()
        checkpoint.note_values(1, ["new"])
        assert as_dict(checkpoint) == {1: "new"}
    assert values_in(path) == {1: "new"}


def test_it_may_be_used_in_another_thread_than_made(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        thread = threading.Thread(target=checkpoint.note_values, args=(0, [1, 2]))
        thread.start()
        thread.join()
        assert as_dict(checkpoint) == {0: 1, 1: 2}


def test_it_is_closed_more_than_once(path: Path) -> None:
    first = Checkpoint(path)
    first.close()
    with Checkpoint(path):
        first.close()
        with pytest.raises(CheckpointError):
            Checkpoint(path)
    first.note_values(0, [1])
    assert values_in(path) == {}


# Values


def test_arrays_come_back(path: Path) -> None:
    arrays = [np.arange(100_000.0), np.zeros((3, 0)), np.array(["a", None], object)]
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, arrays)
        checkpoint.note_values(3, list(np.arange(5.0)))
    found = values_in(path)
    for index, array in enumerate(arrays):
        np.testing.assert_array_equal(found[index], array)
    assert [found[index] for index in range(3, 8)] == list(range(5))


def test_many_large_values_are_written_in_parts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 1000)
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, [np.full(100, n) for n in range(5)])
        assert [first for first, _ in checkpoint.values()] == [0, 2, 4]
    assert [array[0] for array in values_in(path).values()] == [0, 1, 2, 3, 4]


REFUSED: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "raises": zoo.ReduceRaises,
    "exits": zoo.ReduceExits,
    "within": lambda: [{1: (n for n in "")}],
    "no attributes": zoo.AttributesRaise,
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_value_that_cannot_be_pickled_is_left_out_with_one_warning(kind: str, path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        with pytest.warns(RuntimeWarning, match="the result of item 6 is not in") as warned:
            checkpoint.note_values(5, ["e", REFUSED[kind](), "g", REFUSED[kind]()])
        checkpoint.note_values(9, [REFUSED[kind](), "j"])
        assert len(warned) == 1
        assert as_dict(checkpoint) == {5: "e", 7: "g", 10: "j"}
    assert values_in(path) == {5: "e", 7: "g", 10: "j"}


def test_a_value_that_is_too_large_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MOST_BYTES", 100_000)
    with Checkpoint(path) as checkpoint:
        with pytest.warns(RuntimeWarning, match="item 1 .*it takes 300,... bytes"):
            checkpoint.note_values(0, [np.zeros(5), np.zeros(300_000, "u1"), np.ones(5)])
        assert as_dict(checkpoint).keys() == {0, 2}
    assert path.stat().st_size < 50_000


class Fickle:
    """Can be unpickled at times."""

    refuses: BaseException | None = None

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def __setstate__(self, state: Any) -> None:
        if Fickle.refuses:
            raise Fickle.refuses
        self.number = state["number"]


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(), RecursionError()])
def test_a_value_that_cannot_be_unpickled_is_not_there(
    error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, [0, 1])
        checkpoint.note_values(2, [b"2", Fickle(3), 4])
        checkpoint.note_values(5, [5])
    monkeypatch.setattr(Fickle, "refuses", error)
    with Checkpoint(path) as checkpoint:
        assert as_dict(checkpoint) == {0: 0, 1: 1, 2: b"2", 5: 5}
        checkpoint.note_values(0, [None, None, None, 3, 4, None])
        assert as_dict(checkpoint) == {0: 0, 1: 1, 2: b"2", 3: 3, 4: 4, 5: 5}
    monkeypatch.undo()
    assert len(values_in(path)) == 6


def test_an_interrupt_while_unpickling_gets_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, [Fickle()])
        monkeypatch.setattr(Fickle, "refuses", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            list(checkpoint.values())
        with pytest.raises(KeyboardInterrupt):
            checkpoint.note_values(1, [zoo.ReduceInterrupts()])


CLASSES = """
import dataclasses, enum
@dataclasses.dataclass
class Point:
    x: int
class Shade(enum.Enum):
    DARK = 1
class Outer:
    class Inner:
        pass
def local():
    class Local:
        n = 7
    return Local
"""
WRITE = f"""{CLASSES}
import sys
from parmagic.checkpoint.checkpoint import Checkpoint
inner = Outer.Inner()
with Checkpoint(sys.argv[1]) as checkpoint:
    checkpoint.note_values(0, [Point(1), [Point(2)], Shade.DARK, Outer.Inner(), lambda x: x + 1])
    checkpoint.note_values(5, [local()(), Point])
"""


def test_classes_of_the_notebook_are_those_of_the_next_kernel(
    path: Path, script: Callable[..., Script], notebook: Notebook
) -> None:
    assert script(WRITE, path).end().code == 0
    notebook.run(CLASSES.replace("x: int", "x: int\n    def mended(self): return self.x"))
    found = values_in(path)
    assert [found[0].mended(), found[1][0].mended(), found[4](1)] == [1, 2, 2]
    assert found[2] is notebook["Shade"].DARK
    assert type(found[3]) is notebook["Outer"].Inner
    assert (found[5].n, found[6]) == (7, notebook["Point"])


def test_classes_that_the_next_kernel_does_not_have_come_from_the_file(
    path: Path, script: Callable[..., Script], notebook: Notebook
) -> None:
    assert script(WRITE, path).end().code == 0
    notebook.run("Point = 1")
    found = values_in(path)
    assert (found[0].x, found[2].name, type(found[3]).__name__) == (1, "DARK", "Inner")
    assert type(found[0]) is type(found[1][0]) is found[6]


# Places


@pytest.mark.parametrize("umask", [0, 0o777])
def test_nobody_else_can_read_or_write_it(umask: int, path: Path) -> None:
    before = os.umask(umask)
    try:
        with Checkpoint(path) as checkpoint:
            checkpoint.note_values(0, [1])
            modes = {each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE entries (id); INSERT INTO entries VALUES (1)")


def newer(path: Path) -> None:
    Checkpoint(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {2 << 16 | 0xFFFD}")


def written_by_others(path: Path) -> None:
    Checkpoint(path).close()
    path.chmod(0o620)


def of_another(path: Path) -> None:
    Checkpoint(path).close()
    os.chown(path, 12345, -1)


def with_log_of_another(path: Path) -> None:
    Checkpoint(path).close()
    log = Path(f"{path}-wal")
    log.touch()
    os.chown(log, 12345, -1)


def with_linked_log(path: Path) -> None:
    Checkpoint(path).close()
    Path(f"{path}-wal").symlink_to("elsewhere")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "it is a folder. Name a file, such as '.*/checkpoint'"),
    "text": (lambda path: path.write_text("precious " * 5000), "another kind of file"),
    "one byte": (lambda path: path.write_text("x"), "another kind of file"),
    "zeros": (lambda path: path.write_bytes(bytes(50_000)), "another kind of file"),
    "database": (other_database, "another kind of file, and was left as it is. Name a new file"),
    "pipe": (os.mkfifo, "another kind of file"),
    "newer": (newer, "a newer version of parmagic has written it (.format 2.). Update parmagic"),
    "written by others": (written_by_others, "other users can write to it.*chmod go-w"),
    "of another": (of_another, "it belongs to another user"),
    "log of another": (with_log_of_another, "wal' as a checkpoint: it belongs to another user"),
    "linked log": (with_linked_log, "wal' as a checkpoint: it is another kind of file"),
}


def content(folder: Path) -> dict[str, Any]:
    return {
        each.name: (each.lstat().st_mtime_ns, each.is_file() and each.read_bytes())
        for each in folder.rglob("*")
    }


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_a_checkpoint_is_refused_and_left_alone(
    make: Callable[[Path], object], message: str, path: Path
) -> None:
    if "another" in make.__name__ and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    make(path)
    before = content(path.parent)
    with pytest.raises(CheckpointError, match=f"cannot use '{path}.*{message}"):
        Checkpoint(path)
    assert content(path.parent) == before


def test_a_folder_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"there is no folder '{path}'"):
        Checkpoint(path / "inner")
    assert not path.exists()


@pytest.mark.parametrize("name", ["with space", "ümläut", "a'b\"c", "?mode=ro#x", b"\xff\xfe"])
def test_any_name_will_do(name: Any, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, [1])
    assert values_in(path) == {0: 1}
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch(0o600)
    assert values_in(path) == {}


def test_a_deleted_file_is_a_new_one_whatever_was_left_beside_it(path: Path) -> None:
    crashed = crash_of(path, lambda checkpoint: checkpoint.note_values(0, [1]))
    crashed.unlink()
    assert values_in(crashed) == {}


def test_a_link_leads_to_the_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with Checkpoint(link) as checkpoint:
        checkpoint.note_values(0, [1])
        with pytest.raises(CheckpointError, match="another job writes to it"):
            Checkpoint(path)
    assert values_in(path) == {0: 1}


OPEN = "checkpoint = Checkpoint(sys.argv[1])"
HOLD = f"""
import sys
from parmagic.checkpoint.checkpoint import Checkpoint
{OPEN}
checkpoint.note_values(0, ["held"])
print("ready", flush=True)
while True:
    pass
"""


def test_two_kernels_cannot_use_one_file_until_one_is_killed(
    path: Path, script: Callable[..., Script]
) -> None:
    holder = script(HOLD, path)
    assert holder.line() == "ready"
    for _ in range(2):
        with pytest.raises(CheckpointError, match="another job writes to it, in this kernel or in"):
            Checkpoint(path)
    holder.kill()
    holder.end()
    assert values_in(path) == {0: "held"}


def test_a_second_try_in_this_kernel_does_not_unlock_the_file(
    path: Path, script: Callable[..., Script]
) -> None:
    with Checkpoint(path):
        with pytest.raises(CheckpointError, match="another job writes to it"):
            Checkpoint(path)
        source = "import sys\nfrom parmagic.checkpoint.checkpoint import *\n" + OPEN
        end = script(source, path).end()
    assert "CheckpointError: cannot use" in end.errors


# Crashes and damage

KILLED = """
import sys
from parmagic.checkpoint.checkpoint import Checkpoint
checkpoint = Checkpoint(sys.argv[1])
index = 0
while True:
    checkpoint.note_values(index, [index, "x" * (index % 50) * 300])
    print(index, flush=True)
    index += 2
"""


@pytest.mark.parametrize("noted", [1, 10, 700])
def test_sigkill_costs_nothing_that_was_noted(
    noted: int, path: Path, script: Callable[..., Script]
) -> None:
    writer = script(KILLED, path)
    for _ in range(noted):
        last = int(writer.line())
    writer.kill()
    writer.end()
    found = values_in(path)
    assert found.keys() >= set(range(last + 2))
    assert all(
        value == (index if index % 2 == 0 else "x" * ((index - 1) % 50) * 300)
        for index, value in found.items()
    )


def crash_of(path: Path, write: Callable[[Checkpoint], object]) -> Path:
    """Return a file as it is left by a kernel that is killed after ``write``."""
    crashed = path.parent / "crashed" / path.name
    crashed.parent.mkdir()
    with Checkpoint(path) as checkpoint:
        write(checkpoint)
        for each in path.parent.glob(f"{path.name}*"):
            shutil.copy(each, crashed.parent)
    return crashed


LENGTHS = [3, 40, 900, 5, 20_000, 7, 8_100, 1, 300, 12]
WRITTEN = {index: (index, b"%02d" % index * LENGTHS[index % 10]) for index in range(40)}


def write_all(checkpoint: Checkpoint) -> None:
    checkpoint.begin(SIGNATURE, len(WRITTEN))
    checkpoint.note_items(0, len(WRITTEN), b"items")
    for index, value in WRITTEN.items():
        checkpoint.note_values(index, [value])


Image = dict[str, bytes]


@pytest.fixture(scope="module")
def image_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Image]:
    """The file as it was closed or, with its log, as a crash has left it."""
    folder = tmp_path_factory.mktemp("images")
    crashed = crash_of(folder / "job", write_all)
    after_crash = {each.name: each.read_bytes() for each in crashed.parent.iterdir()}
    after_close = {"job": (folder / "job").read_bytes()}
    return lambda crashed: dict(after_crash if crashed else after_close)


def restored(folder: Path, image: Image) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in image.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    return folder / "job"


def read_in_spite(path: Path) -> dict[int, Any]:
    """Read what is left, and see that all goes on."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with Checkpoint(path) as checkpoint:
            found = as_dict(checkpoint)
            assert checkpoint.signature in (SIGNATURE, None)
            assert checkpoint.marks() in ([], [Mark(0, len(WRITTEN), b"items")])
            for index, value in WRITTEN.items():
                checkpoint.note_values(index, [value])
    damaged = path.with_name("job.damaged")
    assert [f"{len(found)} value" in str(each.message) for each in warned] == [
        True
    ] * damaged.exists()
    assert values_in(path) == WRITTEN
    return found


@pytest.mark.parametrize("crashed", [False, True])
def test_an_undamaged_file_is_read_without_a_word(
    crashed: bool, image_of: Callable[[bool], Image], tmp_path: Path
) -> None:
    path = restored(tmp_path / "folder", image_of(crashed))
    assert values_in(path) == WRITTEN
    assert [each.name for each in path.parent.iterdir()] == ["job"]


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Cut off the end, or put garbage somewhere, often at the beginning."""
    length = draw(st.sampled_from([None, 1, 4, 100, PAGE_BYTES, 3 * PAGE_BYTES]))
    share, place = draw(st.floats(0, 1)), draw(st.none() | st.integers(0, 200))
    fills: list[Callable[[int], bytes]] = [
        bytes,
        lambda n: b"\xff" * n,
        random.Random(share).randbytes,
    ]
    make = draw(st.sampled_from(fills))

    def damage(data: bytes) -> bytes:
        start = int(share * len(data)) if place is None else place
        if length is None:
            return data[:start]
        return (data[:start] + make(length) + data[start + length :])[: len(data)]

    return damage


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(crashed=st.booleans(), in_log=st.booleans(), damage=damages(), twice=st.booleans())
def test_whatever_is_damaged_no_value_is_another(
    image_of: Callable[[bool], Image],
    tmp_path: Path,
    crashed: bool,
    in_log: bool,
    damage: Callable[[bytes], bytes],
    twice: bool,
) -> None:
    image = image_of(crashed)
    for name in image if twice else ["job-wal" if in_log and crashed else "job"]:
        image[name] = damage(image[name])
    path = restored(tmp_path / "folder", image)
    try:
        found = read_in_spite(path)
    except CheckpointError:  # "another kind of file": nobody would know it again
        found = {}
    assert found.items() <= WRITTEN.items()


def test_what_can_be_reached_from_either_end_is_saved(
    image_of: Callable[[bool], Image], tmp_path: Path
) -> None:
    [(name, data)] = image_of(False).items()
    middle = len(data) // PAGE_BYTES // 2 * PAGE_BYTES
    garbled = data[:middle] + b"\xa5" * PAGE_BYTES + data[middle + PAGE_BYTES :]
    path = restored(tmp_path / "folder", {name: garbled})
    with pytest.warns(RuntimeWarning, match="was damaged"):
        found = values_in(path)
    assert len(found) >= len(WRITTEN) // 2
    assert {0, len(WRITTEN) - 1} <= found.keys()


def test_the_damaged_file_is_kept_beside_the_new_one(
    image_of: Callable[[bool], Image], tmp_path: Path
) -> None:
    data = bytearray(image_of(False)["job"])
    data[-PAGE_BYTES:] = b"\xa5" * PAGE_BYTES
    for name in ("job.damaged", "job.damaged1"):
        path = tmp_path / "folder" / "job"
        if not path.exists():
            restored(path.parent, {})
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.warns(
            RuntimeWarning, match=r"was damaged: \d+ values could be saved\. The .*1?'"
        ):
            assert values_in(path).items() <= WRITTEN.items()
        assert path.with_name(name).read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_garbled_value_is_none(path: Path) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, ["right"])
        checkpoint.note_values(1, ["other"])
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))
    with pytest.warns(RuntimeWarning, match="1 value could be saved"):
        assert values_in(path) == {1: "other"}


# Full disks


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda nbytes: resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_said_once_and_what_was_written_stays(
    path: Path, small_files: Callable[[int], None]
) -> None:
    with Checkpoint(path) as checkpoint:
        checkpoint.note_values(0, [0])
        small_files(200_000)
        with pytest.warns(RuntimeWarning, match="cannot write to the checkpoint") as warned:
            checkpoint.note_values(1, [bytes(50_000), bytes(50_000), bytes(200_000)])
        assert len(warned) == 1
        checkpoint.note_values(4, [4])
        checkpoint.note_items(0, 10, b"items")
        checkpoint.begin(SIGNATURE, 10)
        before = as_dict(checkpoint)
        assert 1 <= len(before) < 9
    assert values_in(path) == before


def test_where_the_disk_is_full_from_the_start_the_file_is_refused(
    path: Path, small_files: Callable[[int], None]
) -> None:
    small_files(3000)
    with pytest.raises(CheckpointError, match=r"disk|full|large"):
        Checkpoint(path)


def test_a_file_that_cannot_be_mended_for_want_of_room_is_left_alone(
    image_of: Callable[[bool], Image], tmp_path: Path, small_files: Callable[[int], None]
) -> None:
    data = bytearray(image_of(False)["job"])
    data[-PAGE_BYTES:] = b"\xa5" * PAGE_BYTES
    path = restored(tmp_path / "folder", {"job": bytes(data)})
    small_files(100_000)
    with pytest.raises(CheckpointError, match="disk"):
        Checkpoint(path)
    assert path.read_bytes() == data


# The rest


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import parmagic.checkpoint.checkpoint, sys; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert {"sqlite3", "cloudpickle", "dis"}.isdisjoint(loaded)


@given(st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers() | st.text(), max_size=6))))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_index_has_the_first_value_that_was_noted_for_it(
    tmp_path: Path, calls: list[tuple[int, list[Any]]]
) -> None:
    path = tmp_path / "job"
    path.unlink(missing_ok=True)
    expected: dict[int, Any] = {}
    with Checkpoint(path) as checkpoint:
        for first, values in calls:
            checkpoint.note_values(first, values)
            expected = dict(enumerate(values, first)) | expected
        assert as_dict(checkpoint) == expected
    assert values_in(path) == expected
