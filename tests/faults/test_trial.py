"""The trials themselves: they see what they are there to see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.trial import Trial
from support import alive, wait_until

LEFTOVERS = {
    "a process": "import subprocess; subprocess.Popen(['sleep', '60'])",
    "a fork": "os.fork() or time.sleep(60)",
    "a process of another session": (
        "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    ),
    "a temporary file": "import tempfile; tempfile.mkstemp()",
}


@pytest.mark.parametrize("source", LEFTOVERS.values(), ids=LEFTOVERS)
def test_what_a_program_leaves_is_seen(trial: Callable[..., Trial], source: str) -> None:
    program = trial(source)
    assert wait_until(lambda: not alive(program.pid))
    assert program.left


BAD_ENDS = {
    "an error": "1 / 0",
    "an exit code": "sys.exit(3)",
    "a warning": "print('beware', file=sys.stderr)",
    "a lack of workers": "parmagic.map(abs, [-1], workers=1); parmagic.map = map; check()",
}


@pytest.mark.parametrize("source", BAD_ENDS.values(), ids=BAD_ENDS)
def test_a_bad_end_is_seen(trial: Callable[..., Trial], source: str) -> None:
    with pytest.raises(AssertionError):
        trial(source).told()


def test_facts_are_plain_data(trial: Callable[..., Trial]) -> None:
    assert trial("tell({1: (2, '3')}); tell([None])").told() == [{1: (2, "3")}, [None]]
