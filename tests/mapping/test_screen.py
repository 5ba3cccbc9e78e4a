"""What is left to be read of text that moves the cursor."""

from __future__ import annotations

import pytest

from parmagic.mapping.screen import settle

SETTLED = {
    "plain\ntext\n": "plain\ntext\n",
    "": "",
    "10%\r20%\r100%": "100%",
    "a long bar\rshort": "shortg bar",
    "a long bar\r\x1b[Kshort": "short",
    "10%\r100%\ndone\n": "100%\ndone\n",
    "one\ntwo\x1b[A\rONE": "ONE\ntwo",
    "ab\b\bcd": "cd",
    "\b\r\x1b[9Ax": "x",
    "\x1b[31mred\x1b[0m": "\x1b[31mred\x1b[0m",
    "\r 50%\n\r 70%\x1b[A\r100%": "100%\n 70%",
}


@pytest.mark.parametrize("written", SETTLED)
def test_what_was_written_over_is_gone(written: str) -> None:
    assert settle(written) == SETTLED[written]
