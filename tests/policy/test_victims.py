"""What goes next for room."""

from segue.policy.victims import Victims, n_in_share
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.tree import Tree
from tests.prefix.naive import checkpoint, tokens


def attached(n: int) -> tuple[Tree, list[Checkpoint]]:
    tree = Tree()
    made = [checkpoint(1) for _ in range(n)]
    for i, one in enumerate(made):
        tree.attach(one, tokens((i,)))
        one.last_used = 0.0
    return tree, made


def test_a_share_is_ranked_at_once() -> None:
    _, made = attached(32)
    victims, asked = Victims(16), list[int]()

    def rank(n_shares: int) -> list[Checkpoint]:
        asked.append(n_shares)
        return made[: n_in_share(len(made), n_shares)]

    given = [victims.next(rank, 1.0, lambda _: True) for _ in range(4)]
    assert given == [*made[:3], made[0]]
    assert asked == [16, 16]


def test_what_is_gone_used_since_or_may_not_go_is_passed_over() -> None:
    tree, made = attached(64)
    victims = Victims(16)
    assert victims.next(lambda n: made[: n_in_share(64, n)], 1.0, lambda _: True) is made[0]
    tree.detach(made[1])
    made[2].last_used = 1.5
    assert victims.next(lambda n: made[: n_in_share(64, n)], 2.0, lambda one: one is not made[3]) is made[4]


def test_what_did_not_have_to_go_is_the_next_again() -> None:
    _, made = attached(64)
    victims = Victims(16)
    given = victims.next(lambda _n: made, 1.0, lambda _: True)
    assert given is made[0]
    victims.requeue(given)
    assert [victims.next(lambda _n: [], 1.0, lambda _: True) for _ in range(3)] == made[:3]


def test_without_any_there_is_none() -> None:
    assert Victims().next(lambda _: [], 1.0, lambda _: True) is None
