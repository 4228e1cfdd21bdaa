"""What every tier promises, as tests: subclass it once a tier."""

from collections.abc import Callable
from typing import Any

import pytest

from segue.cache.entries.entry import Entry
from segue.cache.tiers.base import Tier
from segue.engine.errors import StateError
from segue.memory import MemoryTraits
from tests.cache.desk import Desk, Path, at, path

PROMPT, OTHER = path(1, 40), path(2, 25)
MORE: Path = (3, 4, 0, 1)

MakeTierDesk = Callable[..., Desk]


def begin(desk: Desk, prompt: Path) -> bool:
    """Start, and once more from less if the saved state was of no use."""
    try:
        return desk.start(0, prompt)
    except StateError:
        return desk.start(0, prompt)


class TierConformance:
    """A desk gives the tier its entries and reads on from them, which proves every state that comes back."""

    def tier(self, desk: Desk) -> Tier[Any]:
        """The tier under test."""
        raise NotImplementedError

    def keep(self, desk: Desk, entry: Entry) -> None:
        """Have the tier keep an entry, and no tier above it."""
        raise NotImplementedError

    def spoil(self, desk: Desk, entry: Entry) -> None:
        """Damage what the tier has of an entry, or make its next `get` fail."""
        raise NotImplementedError

    def kept(self, desk: Desk, prompt: Path = PROMPT) -> Entry:
        """An entry that the tier keeps."""
        desk.leave(prompt)
        entry = at(desk, prompt)
        assert entry is not None
        self.keep(desk, entry)
        desk.check()
        return entry

    @pytest.fixture
    def desk(self, kind: MemoryTraits, make_desk: MakeTierDesk) -> Desk:
        return make_desk(kind)

    def test_what_was_put_is_there_and_counted(self, desk: Desk) -> None:
        before = self.tier(desk).usage()
        entry = self.kept(desk)
        after = self.tier(desk).usage()
        assert self.tier(desk).has(entry)
        assert before.used_bytes < after.used_bytes <= after.limit_bytes

    def test_what_comes_back_is_read_on_from(self, desk: Desk) -> None:
        self.kept(desk)
        assert desk.start(0, PROMPT + MORE)
        assert len(desk.paths[0]) == len(PROMPT), "nothing came back"
        assert desk.read(0, MORE) is not None
        desk.close(0)
        desk.check()

    def test_what_is_dropped_is_gone_and_counted_no_more(self, desk: Desk) -> None:
        before = self.tier(desk).usage().used_bytes
        entry = self.kept(desk)
        desk.cache.evictor.evict(entry)
        assert not self.tier(desk).has(entry)
        assert self.tier(desk).usage().used_bytes == before
        self.tier(desk).drop(entry)
        desk.check()

    def test_what_others_need_stays(self, desk: Desk) -> None:
        self.kept(desk)
        longer = self.kept(desk, PROMPT + MORE)
        desk.cache.evictor.evict(longer)
        desk.check()
        assert desk.start(0, (*PROMPT, 0, 0))
        assert len(desk.paths[0]) <= len(PROMPT)
        assert desk.read(0, (*PROMPT, 0, 0)[len(desk.paths[0]) :]) is not None

    def test_a_tier_never_takes_more_than_its_limit(self, desk: Desk) -> None:
        for first in range(1, 30):
            desk.leave(path(first, 30))
            entry = at(desk, path(first, 30))
            if entry is not None:
                self.keep(desk, entry)
            usage = self.tier(desk).usage()
            assert usage.used_bytes <= usage.limit_bytes
        desk.check()

    def test_what_cannot_come_back_costs_itself_alone(self, desk: Desk) -> None:
        self.kept(desk, OTHER)
        spoilt = self.kept(desk)
        self.spoil(desk, spoilt)
        for prompt in (PROMPT, OTHER):
            assert begin(desk, prompt + MORE)
            rest = (prompt + MORE)[len(desk.paths[0]) :]
            assert desk.read(0, rest) is not None, "and what is read again is right"
            assert prompt is PROMPT or len(rest) == len(MORE), "the other one is lost too"
            desk.close(0)
            desk.check()
