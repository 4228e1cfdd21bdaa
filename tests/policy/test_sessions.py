"""What counts as used when a session is."""

import pytest

from segue.policy.sessions import Sessions
from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.tree import Tree
from tests.prefix.naive import checkpoint, tokens

KEY = ("namespace", "session")
HOUR_S = 3600.0


class Desk:
    """A tree with checkpoints, and sessions that note them."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.sessions = Sessions()

    def end(self, first: int, n_tokens: int, now: float) -> None:
        """A checkpoint that was just used."""
        found = self.at(first, n_tokens)
        if found is None:
            found = checkpoint(n_tokens)
            self.tree.attach(found, self.path(first, n_tokens))
        found.last_used = now
        self.sessions.record_end(KEY, [found], now)

    def used(self, first: int, n_tokens: int) -> float:
        found = self.at(first, n_tokens)
        assert found is not None
        return found.last_used

    def at(self, first: int, n_tokens: int) -> Checkpoint | None:
        return self.tree.at(self.path(first, n_tokens))

    @staticmethod
    def path(first: int, n_tokens: int) -> Tokens:
        return tokens((first, *range(100, 99 + n_tokens)))


def test_the_longest_path_counts_as_used() -> None:
    desk = Desk()
    desk.end(1, 100, now=1)
    desk.end(2, 40, now=2)
    desk.end(3, 50, now=3)
    assert [desk.used(1, 100), desk.used(2, 40), desk.used(3, 50)] == [3, 2, 3]


def test_a_path_that_grows_moves_on() -> None:
    desk = Desk()
    desk.end(1, 100, now=1)
    desk.end(1, 120, now=2)
    desk.end(2, 40, now=3)
    assert [desk.used(1, 100), desk.used(1, 120)] == [1, 3]


@pytest.mark.parametrize("is_late", [False, True])
def test_what_a_session_has_left_for_good_is_left_alone(*, is_late: bool) -> None:
    """After a compaction, say."""
    desk = Desk()
    desk.end(1, 100, now=1)
    now = 2 + HOUR_S * is_late
    desk.end(2, 40, now=now)
    desk.end(2, 60, now=now + 1)
    desk.end(3, 20, now=now + 2)
    assert desk.used(1, 100) == (1 if is_late else now + 2)
    assert desk.used(2, 60) == (now + 2 if is_late else now + 1)


def test_what_was_evicted_is_forgotten() -> None:
    desk = Desk()
    desk.end(1, 100, now=1)
    gone = desk.at(1, 100)
    assert gone is not None
    desk.tree.detach(gone)
    desk.end(2, 40, now=2)
    desk.end(3, 30, now=3)
    assert desk.used(2, 40) == 3


def test_where_the_reply_began_takes_the_place_of_where_it_ended() -> None:
    tree, sessions = Tree(), Sessions()
    reply_end, prompt_end, other = checkpoint(103), checkpoint(100), checkpoint(40)
    for end in (reply_end, prompt_end):
        tree.attach(end, Desk.path(1, end.n_tokens))
    tree.attach(other, Desk.path(2, 40))
    sessions.record_end(KEY, [reply_end, prompt_end], 1.0)
    tree.detach(reply_end)
    other.last_used = 2.0
    sessions.record_end(KEY, [other], 2.0)
    assert [prompt_end.last_used, reply_end.last_used] == [2.0, 0.0]


def test_few_sessions_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.policy.sessions._MOST_SESSIONS", 2)
    sessions = Sessions()
    ends = [checkpoint(100 + i) for i in range(3)]
    tree = Tree()
    for i, end in enumerate(ends):
        tree.attach(end, Desk.path(i, end.n_tokens))
        sessions.record_end(("", str(i)), [end], 1.0)
    for i in range(3):
        other = checkpoint(10)
        other.last_used = 2.0
        tree.attach(other, Desk.path(10 + i, 10))
        sessions.record_end(("", str(2 - i)), [other], 2.0)
    assert [end.last_used for end in ends] == [0.0, 2.0, 2.0]
