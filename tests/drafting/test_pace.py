"""How often drafts hold, in one reply and in all."""

import pytest

from segue.drafting.pace import DraftPace, held_in_all


def test_a_pace_follows_what_holds_in_its_reply() -> None:
    pace = DraftPace(held_in_all(0.75))
    assert pace.probability == 0.75
    for _ in range(20):
        pace.verified(8, 8)
    assert pace.probability > 0.97
    for _ in range(20):
        pace.verified(1, 0)
    assert 0 < pace.probability < 0.3


def test_tokens_behind_the_first_that_failed_say_nothing() -> None:
    pace, other = DraftPace(held_in_all(0.75)), DraftPace(held_in_all(0.75))
    for _ in range(10):
        pace.verified(8, 1)
        other.verified(2, 1)
    assert pace.probability == other.probability == pytest.approx(0.5, abs=0.05)


def test_a_new_reply_begins_where_the_others_stand() -> None:
    of_all = held_in_all(0.75)
    for _ in range(100):
        DraftPace(of_all).verified(4, 4)
    assert DraftPace(of_all).probability > 0.95
    slow = DraftPace(of_all)
    for _ in range(10):
        slow.verified(1, 0)
    # One reply changes little for the others.
    assert slow.probability < 0.5 < 0.9 < DraftPace(of_all).probability
