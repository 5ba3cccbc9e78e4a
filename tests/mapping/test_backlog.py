from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from parmagic.mapping.backlog import Backlog
from parmagic.mapping.piece import Piece
from parmagic.mapping.source import source_of


def backlog(items: Iterable[Any]) -> Backlog:
    return Backlog(source_of(items))


def cut(of: Backlog, most: int) -> list[tuple[int, list[Any]]]:
    """Return first index and items of all pieces."""
    return [(piece.first, list(piece.items)) for piece in iter(lambda: of.next(most), None)]


@pytest.mark.parametrize("items", [range(5), iter(range(5))], ids=["sized", "unsized"])
def test_pieces_know_where_they_were_cut(items: Iterable[int]) -> None:
    assert cut(backlog(items), 2) == [(0, [0, 1]), (2, [2, 3]), (4, [4])]


def test_what_is_given_back_comes_first_and_in_its_order() -> None:
    of = backlog(range(10))
    first, second = of.next(3), of.next(3)
    assert first is not None
    assert second is not None
    of.give_back([first.after(2), second])
    assert cut(of, 2) == [(2, [2]), (3, [3, 4]), (5, [5]), (6, [6, 7]), (8, [8, 9])]


def test_a_cut_is_noted_once() -> None:
    noted: list[tuple[int, list[int]]] = []
    of = Backlog(
        source_of(range(10)), cut=3, note=lambda first, items: noted.append((first, list(items)))
    )
    piece = of.next(2)
    assert piece is not None
    of.give_back([piece])
    assert cut(of, 8) == [(3, [0, 1]), (5, [2, 3, 4, 5, 6, 7, 8, 9])]
    assert noted == [(3, [0, 1]), (5, [2, 3, 4, 5, 6, 7, 8, 9])]


def test_an_empty_piece_is_not_given_back() -> None:
    of = backlog([])
    of.give_back([Piece(0, [])])
    assert of.next(1) is None


@pytest.mark.parametrize(
    ("items", "rests"), [(range(3), [3, 2, 1, None]), (iter("abc"), [None] * 4)]
)
def test_the_rest_is_counted_where_the_length_is_known(
    items: Iterable[Any], rests: list[int | None]
) -> None:
    of = backlog(items)
    counted = [of.rest]
    for _ in range(3):
        of.next(1)
        counted.append(of.rest)
    assert counted == rests


def test_at_the_end_nothing_is_left() -> None:
    of = backlog(range(3))
    assert len(cut(of, 2)) == 2
    assert of.rest == 0


def test_the_rest_includes_what_was_given_back() -> None:
    of = backlog(iter("abc"))
    piece = of.next(3)
    assert piece is not None
    assert of.next(1) is None
    of.give_back(piece.singles())
    assert of.rest == 3


def test_a_piece_can_be_cut_and_asked_for_an_item() -> None:
    piece = Piece(10, "abcd", losses=2)
    assert piece.upto(3) == Piece(10, "abc", 2)
    assert piece.after(3) == Piece(13, "d", 2)
    assert list(piece.upto(2).singles()) == [Piece(10, "a", 2), Piece(11, "b", 2)]
    assert piece.only(12) == Piece(12, "c", 2)
    assert piece.item(12) == "c"
    assert len(piece) == 4
