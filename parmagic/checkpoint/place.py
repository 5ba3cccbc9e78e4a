"""Where a checkpoint may be: in a file that nobody else can write."""

from __future__ import annotations

import os
import stat

from parmagic.worker.errors import ParmagicError

# What SQLite keeps beside a file, and reads with it.
SIDES = ("-wal", "-journal", "-shm")


class CheckpointError(ParmagicError):
    """Tell why a file cannot be a checkpoint.

    Parameters
    ----------
    path
        The file.
    reason
        What is the matter with it.
    advice
        What to do.
    """

    def __init__(self, path: str, reason: str, advice: str) -> None:
        super().__init__(path, reason, advice)
        self.path = path
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"cannot use {self.path!r} as a checkpoint: {self.reason}. {self.advice}."

    @classmethod
    def other_file(cls, path: str) -> CheckpointError:
        """Say that the file has another content."""
        return cls(path, "it is another kind of file, and was left as it is", "Name a new file")

    @classmethod
    def newer(cls, path: str, version: int) -> CheckpointError:
        """Say that an older parmagic cannot read it."""
        reason = f"a newer version of parmagic has written it (format {version})"
        return cls(path, reason, "Update parmagic, or name a new file")

    @classmethod
    def locked(cls, path: str) -> CheckpointError:
        """Say that it is in use."""
        reason = "another job writes to it, in this kernel or in another one"
        return cls(path, reason, "Wait for its end or stop it, or name another file")

    @classmethod
    def failed(cls, path: str, error: Exception) -> CheckpointError:
        """Say what the system says."""
        reason = getattr(error, "strerror", None) or str(error)
        return cls(path, reason[:1].lower() + reason[1:], "Name a file that can be written")


def check_place(path: str) -> None:
    """Raise a `CheckpointError` unless a file may be at ``path``, or is there and ours alone.

    What lies in a checkpoint is unpickled: who can write it can run any code as its reader.
    """
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise CheckpointError(path, f"there is no folder {folder!r}", "Make it, or name another")
    if os.path.isdir(path):
        inside = os.path.join(path, "checkpoint")
        raise CheckpointError(path, "it is a folder", f"Name a file, such as {inside!r}")
    for each in (path, *(path + side for side in SIDES)):
        if os.path.lexists(each):
            _check_file(each, os.lstat(each))


def _check_file(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError.other_file(path)
    if hasattr(os, "geteuid"):
        _check_owner(path, status, os.geteuid())


def _check_owner(path: str, status: os.stat_result, user: int) -> None:
    danger = "and what is in a checkpoint can run any code"
    if status.st_uid != user:
        raise CheckpointError(path, f"it belongs to another user, {danger}", "Name a new file")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        advice = f"Name a new file or, if nobody has changed this one: chmod go-w {path!r}"
        raise CheckpointError(path, f"other users can write to it, {danger}", advice)
