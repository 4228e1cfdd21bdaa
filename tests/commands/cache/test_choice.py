import pytest

from segue.commands.cache.choice import PruneChoice
from segue.commands.cache.stock import Stock
from tests.commands.cache.making import DAY_S, NOW, NUMBERS


def chosen(stock: Stock, choice: PruneChoice) -> list[int]:
    """The numbers of the checkpoints that it chooses."""
    return [NUMBERS[holding.id] for holding in choice.of(stock, NOW)]


def test_conditions(stock: Stock) -> None:
    assert chosen(stock, PruneChoice()) == []
    assert chosen(stock, PruneChoice(unused_s=30 * DAY_S)) == [4, 3]
    assert chosen(stock, PruneChoice(unused_s=0)) == [4, 3, 6, 1, 2]
    assert chosen(stock, PruneChoice(other_models=True)) == [6]
    assert chosen(stock, PruneChoice(unused_s=30 * DAY_S, other_models=True)) == [4, 3, 6]


@pytest.mark.parametrize(
    ("n_less", "ids"), [(0, []), (1, [4]), (200, [4, 3]), (600, [4, 3, 6]), (10_000, [4, 3, 6, 1, 2])]
)
def test_a_limit_takes_those_used_longest_ago(stock: Stock, n_less: int, ids: list[int]) -> None:
    assert chosen(stock, PruneChoice(limit_bytes=stock.used_bytes - n_less)) == ids


def test_a_limit_counts_what_the_conditions_leave(stock: Stock) -> None:
    limit = stock.used_bytes - 400
    assert chosen(stock, PruneChoice(other_models=True, limit_bytes=limit)) == [6]
    assert chosen(stock, PruneChoice(other_models=True, limit_bytes=limit - 150)) == [6, 4]


def test_nothing_to_choose_from(stock: Stock) -> None:
    empty = Stock(stock.path, (), {}, 0, 0)
    assert chosen(empty, PruneChoice(unused_s=0, limit_bytes=0, other_models=True)) == []
