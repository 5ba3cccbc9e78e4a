from __future__ import annotations

from parmagic.worker.board import CANCELLED, CHUNK, ITEM, NOTHING, Board


def test_nothing_runs_on_a_new_board() -> None:
    board = Board.create()
    board.close()
    assert [board.cells[cell] for cell in (CHUNK, ITEM, CANCELLED)] == [NOTHING] * 3


def test_its_cells_stay_after_its_descriptor_is_closed() -> None:
    board = Board.create()
    board.close()
    board.cells[ITEM] = 2**62
    assert board.cells[ITEM] == 2**62
