"""The real clusters of other people, on this machine, each in a program of its own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from backends.cluster import CLUSTERS
from backends.table import CASES
from support import ROOT, Script

PACKAGES = {"dask": "distributed", "ray": "ray", "ipyparallel": "ipyparallel"}


@pytest.mark.timeout(300)  # ray alone takes 20 s to start on a busy machine
@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_gives_the_same_as_the_local_pool(name: str, tmp_path: Path) -> None:
    if find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed: no wheel for this Python, perhaps")
    script = Script(ROOT / "tests" / "backends" / "cluster.py", name, tmp_path)
    try:
        ended = script.end()
    finally:
        script.clean_up()
    assert ended.code == 0, ended.errors[-6000:]
    lines = ended.output.splitlines()
    assert {case.__name__ for case in CASES} <= set(lines)
    assert lines[-1] == "all ended"
