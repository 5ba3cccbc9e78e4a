"""The soak, for a moment: a longer one is run by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support import ROOT


def test_mixed_jobs_lose_nothing_while_workers_are_killed() -> None:
    script = Path(__file__).with_name("soak.py")
    ended = subprocess.run(
        [sys.executable, script, "--seconds", "4", "--seed", "1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = {what: int(count) for count, what in re.findall(r"(\d+)  (.+)", ended.stdout)}
    assert counts["killed workers"] > 3
    assert [counts[what] for what in ("lost", "duplicated", "wrong", "leaked")] == [0] * 4
