from pathlib import Path

from segue.commands.cache.opening import opened
from segue.commands.cache.removal import Removal, remove
from segue.commands.cache.stock import Stock
from tests.commands.cache.making import IDS, NUMBERS


def test_what_was_said_is_done(path: Path) -> None:
    with opened(path) as (directory, stock):
        holdings = stock.find([IDS[1], IDS[3]])
        removal = Removal.of(holdings, stock)
        remove(directory, holdings)
        assert directory.verify() == []
    after = Stock.look(path)
    assert {NUMBERS[holding.id] for holding in after.holdings} == {2, 4, 5, 6}
    assert (removal.n_removed, removal.left_bytes) == (2, after.used_bytes)
    assert removal.freed_bytes == stock.used_bytes - after.used_bytes


def test_as_a_line() -> None:
    assert Removal(1, 2048, 0).text("removed") == "1 checkpoint removed: 2.0 KiB freed, 0 B left"
    assert Removal(0, 0, 5).text("would be removed") == "0 checkpoints would be removed: 0 B freed, 5 B left"
