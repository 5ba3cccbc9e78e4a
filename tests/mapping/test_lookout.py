"""Which item each worker runs, since when, and how far it says that it is."""

from __future__ import annotations

import time

from parmagic.mapping.lookout import Lookout

PLACES = {2: 7, 1: 4}


def test_each_worker_is_seen_with_its_item() -> None:
    seen = Lookout().look(PLACES)
    assert [(each.worker, each.index) for each in seen] == [(1, 4), (2, 7)]
    assert all(each.seconds < 5 for each in seen)


def test_an_item_is_seen_for_as_long_as_it_stays() -> None:
    places = {1: 4}
    lookout = Lookout()
    (first,) = lookout.look(places)
    (later,) = lookout.look(places)
    places[1] = 5
    (other,) = lookout.look(places)
    assert first.seconds == other.seconds == 0
    assert later.seconds > 0


def test_progress_belongs_to_the_item_that_speaks_of_it() -> None:
    lookout = Lookout()
    lookout.hear(((4, "progress", (3, 10, "fitting")), (4, "stdout", "text")), worker=1)
    lookout.hear(((6, "progress", (9, 9, "an earlier item")),), worker=2)
    first, second = lookout.look(PLACES)
    assert (first.done, first.total, first.text) == (3, 10, "fitting")
    assert (second.done, second.total, second.text) == (None, None, "")


def test_a_bar_on_stderr_is_progress_too() -> None:
    lookout = Lookout()
    lookout.hear(((7, "stderr", "\r 10%|#  | 1/10\r 20%|## | 2/10"),), worker=2)
    assert lookout.look(PLACES)[1].text == "20%|## | 2/10"


def test_an_item_runs_since_it_was_sent_if_it_is_the_first_of_what_was() -> None:
    lookout = Lookout()
    begun = time.monotonic() - 60
    first, later = lookout.look({1: 7, 2: 9}, {1: (7, begun), 2: (8, begun)})
    assert first.seconds >= 60
    assert later.seconds < 60
