import pytest

from segue.commands.cache.choice import PruneChoice
from segue.commands.cache.contents import DirectoryContents
from tests.commands.cache.making import DAY_S, NOW, NUMBERS


def chosen(contents: DirectoryContents, choice: PruneChoice) -> list[int]:
    """The numbers of the checkpoints that it chooses."""
    return [NUMBERS[checkpoint.id] for checkpoint in choice.of(contents, NOW)]


def test_conditions(contents: DirectoryContents) -> None:
    assert chosen(contents, PruneChoice()) == []
    assert chosen(contents, PruneChoice(unused_s=30 * DAY_S)) == [4, 3]
    assert chosen(contents, PruneChoice(unused_s=0)) == [4, 3, 6, 1, 2]
    assert chosen(contents, PruneChoice(other_models=True)) == [6]
    assert chosen(contents, PruneChoice(unused_s=30 * DAY_S, other_models=True)) == [4, 3, 6]


@pytest.mark.parametrize(
    ("n_less", "ids"), [(0, []), (1, [4]), (200, [4, 3]), (600, [4, 3, 6]), (10_000, [4, 3, 6, 1, 2])]
)
def test_a_limit_takes_those_used_longest_ago(contents: DirectoryContents, n_less: int, ids: list[int]) -> None:
    assert chosen(contents, PruneChoice(limit_bytes=contents.used_bytes - n_less)) == ids


def test_a_limit_counts_what_the_conditions_leave(contents: DirectoryContents) -> None:
    limit = contents.used_bytes - 400
    assert chosen(contents, PruneChoice(other_models=True, limit_bytes=limit)) == [6]
    assert chosen(contents, PruneChoice(other_models=True, limit_bytes=limit - 150)) == [6, 4]


def test_nothing_to_choose_from(contents: DirectoryContents) -> None:
    empty = DirectoryContents(contents.path, (), {}, 0, 0)
    assert chosen(empty, PruneChoice(unused_s=0, limit_bytes=0, other_models=True)) == []
