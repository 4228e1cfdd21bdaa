"""What every tier promises, as tests: subclass it once a tier."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from segue.cache.entries.entry import Entry
from segue.cache.tiers.base import Tier
from segue.engine.errors import StateError
from segue.memory import MemoryTraits
from segue.prefix.lineage import tokens_of
from tests.cache.desk import Desk, Path, array, at, path

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

    moves_bytes: ClassVar[bool] = True
    """Whether anything has to be moved before an entry can be read on from."""

    def tier(self, desk: Desk) -> Tier[Any]:
        """The tier under test."""
        raise NotImplementedError

    def keep(self, desk: Desk, entry: Entry) -> None:
        """Have the tier keep an entry, and no tier above it."""
        raise NotImplementedError

    def spoil(self, desk: Desk, entry: Entry) -> None:
        """Damage what the tier has of an entry, or make its next `get` fail."""
        raise NotImplementedError

    def limit(self, desk: Desk, n_bytes: int) -> None:
        """Let the tier take so much and no more; nothing to do where it has room for ten entries at most anyway."""
        raise NotImplementedError

    def put_in_vain(self, desk: Desk, prompt: Path) -> None:
        """Leave a path, and have the tier try to keep its entry and fail, half way or for lack of room."""
        raise NotImplementedError

    def kept(self, desk: Desk, prompt: Path = PROMPT, *, namespace: str = "") -> Entry:
        """An entry that the tier keeps."""
        desk.leave(prompt, namespace=namespace)
        entry = desk.cache.entries.tree(namespace).at(array(prompt))
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
        assert (self.tier(desk).cost(entry) > 0) == self.moves_bytes
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
        before = self.tier(desk).usage().used_bytes
        self.kept(desk, path(30, 30))
        self.limit(desk, before + 6 * (self.tier(desk).usage().used_bytes - before))
        for first in range(1, 30):
            desk.leave(path(first, 30))
            entry = at(desk, path(first, 30))
            if entry is not None:
                self.keep(desk, entry)
            usage = self.tier(desk).usage()
            assert usage.used_bytes <= usage.limit_bytes
            desk.check()
        kept = [entry for entry in desk.cache.entries.all() if self.tier(desk).has(entry)]
        assert 0 < len(kept) < 20
        for prompt in [tuple(tokens_of(entry).tolist()) for entry in kept]:
            assert begin(desk, prompt + MORE)
            assert desk.read(0, (prompt + MORE)[len(desk.paths[0]) :]) is not None
            desk.release(0)

    def test_namespaces_never_share(self, desk: Desk) -> None:
        """Those with the same tokens, or with the names of a path cut elsewhere."""
        mine = self.kept(desk, namespace="mine")
        assert desk.start(0, PROMPT + MORE, namespace="yours")
        assert desk.paths[0] == ()
        desk.release(0)
        before = self.tier(desk).usage().used_bytes
        yours = self.kept(desk, namespace="yours")
        assert yours is not mine
        assert self.tier(desk).has(mine)
        assert self.tier(desk).usage().used_bytes > before
        desk.cache.evictor.evict(yours)
        desk.check()
        assert self.tier(desk).usage().used_bytes == before
        assert desk.start(0, PROMPT + MORE, namespace="mine")
        assert len(desk.paths[0]) == len(PROMPT)
        assert desk.read(0, MORE) is not None
        assert desk.start(1, PROMPT + MORE, namespace="yours")
        assert desk.paths[1] == ()

    def test_a_put_that_fails_loses_nothing(self, desk: Desk) -> None:
        self.kept(desk, OTHER)
        before = self.tier(desk).usage().used_bytes
        self.put_in_vain(desk, PROMPT)
        entry = at(desk, PROMPT)
        assert entry is not None
        assert not self.tier(desk).has(entry)
        assert self.tier(desk).usage().used_bytes == before
        desk.check()
        for prompt in (OTHER, PROMPT):
            assert desk.start(0, prompt + MORE)
            assert len(desk.paths[0]) == len(prompt)
            assert desk.read(0, MORE) is not None
            desk.release(0)
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


class LowerConformance(TierConformance):
    """What the tiers below the host promise besides."""

    def test_logs_and_reports_call_it_by_its_name(self, desk: Desk) -> None:
        entry, lower = self.kept(desk), desk.cache.evictor.lower
        assert lower is self.tier(desk)
        assert desk.cache.evictor.tier(entry) == lower.name not in ("", "live", "parked", "host")

    def test_a_get_without_room_on_the_host_is_refused_and_leaves_all_as_it_was(self, desk: Desk) -> None:
        entry = self.kept(desk)
        budget, tier = desk.cache.host.budget, self.tier(desk)
        limit_bytes, budget.limit_bytes = budget.limit_bytes, budget.used_bytes + tier.cost(entry) // 2
        assert not tier.get(entry, desk.cache.host)
        budget.limit_bytes = limit_bytes
        assert not entry.takes_host_memory
        desk.check()
        assert tier.has(entry)
        assert desk.start(0, PROMPT + MORE)
        assert len(desk.paths[0]) == len(PROMPT)
        assert desk.read(0, MORE) is not None

    def test_what_has_come_back_costs_nothing_more_and_took_no_more_than_was_said(self, desk: Desk) -> None:
        entry = self.kept(desk)
        n_bytes, before = self.tier(desk).cost(entry), desk.cache.host.budget.used_bytes
        assert desk.start(0, PROMPT + MORE)
        assert self.tier(desk).cost(entry) == 0
        assert before < desk.cache.host.budget.used_bytes <= before + n_bytes
        assert self.tier(desk).has(entry)
