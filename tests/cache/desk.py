"""A cache on simulated memory, and whoever uses it by hand: every token read proves that its sequence stood right."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from segue.cache.entries.entry import NO_SEQ, Entry
from segue.cache.planner import Plan
from segue.cache.restoration import Restoration
from segue.cache.state_cache import StateCache
from segue.engine.base import LAST_ROW, Chunk, Logits, Tokens
from segue.engine.errors import NoRoomError
from segue.memory import MemoryShape, MemoryTraits
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import tokens_of
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.fake_engine.reading import expected_logits

Path = tuple[int, ...]

N_RUNNING = 3


def path(first: int, n_tokens: int) -> Path:
    """Tokens that differ from those of any other `first` from the first one on."""
    return (first, *((7 * first + i) % 5 for i in range(n_tokens - 1)))


def array(path: Path) -> Tokens:
    return np.asarray(path, np.int32)


def n_restorable(checkpoint: Entry, prompt: Path, shape: MemoryShape) -> int:
    """How much of a prompt a checkpoint can restore, told as simply as can be."""
    path = tokens_of(checkpoint).tolist()
    n_same = next(
        (i for i, (a, b) in enumerate(zip(path, prompt, strict=False)) if a != b), min(len(path), len(prompt))
    )
    if n_same == len(path) and (n_same < len(prompt) or checkpoint.has_logits):
        return n_same
    if shape.kind.has_recurrent:
        return 0
    for n in range(min(n_same, len(prompt) - 1), 0, -1):
        if not shape.kind.has_window or checkpoint.pos_min <= max(0, n - shape.n_swa):
            return n
    return 0


class Desk:
    """Sequences of a cache with their paths. `n_cells`, `n_parked` and `limit_host_bytes` are all the room there is."""

    def __init__(
        self,
        kind: MemoryTraits,
        *,
        n_parked: int = 4,
        limit_host_bytes: int = 1 << 20,
        n_cells: int = 400,
        n_idle_cells: int = 400,
        is_unified: bool = True,
        fingerprint: Mapping[str, str] | None = None,
    ):
        self.kind = kind
        self.paths: dict[int, Path] = {}
        self.namespaces: dict[int, str] = {}
        n_seq_max = N_RUNNING + 1 + n_parked
        self.engine = self.open_engine(
            kind, n_cells=n_cells, n_seq_max=n_seq_max, n_batch=16, n_ubatch=16, is_unified=is_unified
        )
        clock = itertools.count()
        self.cache = StateCache(
            self.engine,
            N_RUNNING,
            n_parked,
            limit_host_bytes,
            n_idle_cells,
            fingerprint=fingerprint,
            clock=lambda: float(next(clock)),
        )

    def open_engine(self, kind: MemoryTraits, **sizes: Any) -> FakeEngine:
        """The engine of the desk."""
        return FakeEngine(kind, **sizes)

    def check(self) -> None:
        """Assert that everything cached is whole, within its budget, and that no sequence is lost."""
        self.cache.check_integrity()
        evictor = self.cache.evictor
        checkpoints = list(evictor.entries.all())
        n_segment_bytes = sum(
            segment.n_bytes for root in evictor.host.segments.roots.values() for segment in root.below()
        )
        n_host_bytes = sum(c.host_bytes for c in checkpoints) + n_segment_bytes + evictor.host.budget.reserved_bytes
        assert n_host_bytes == evictor.host.budget.used_bytes <= evictor.host.budget.limit_bytes
        parked = [c.seq for c in checkpoints if c.seq != NO_SEQ]
        assert sorted(parked + evictor.device.free_seqs) == list(range(N_RUNNING + 1, self.engine.n_seq_max))
        assert self.engine.occupied() <= {*parked, *self.paths}
        assert set(evictor.device.owners.running) == set(self.paths)

    def idle_seq(self) -> int:
        """The lowest sequence that is not in use."""
        return next(seq for seq in range(N_RUNNING) if seq not in self.paths)

    def start(self, seq: int, prompt: Path, *, namespace: str = "", use_cache: bool = True) -> bool:
        """Open a sequence where the cache has the prompt deepest; False if there was no room for it."""
        plan = self.plan(prompt, namespace, use_cache=use_cache)
        self.paths[seq], self.namespaces[seq] = prompt[: plan.n_start], namespace
        try:
            restoration = self.cache.restore(seq, plan)
            while not restoration.is_done:
                restoration.restore_next()
        except NoRoomError:
            assert len(self.paths) > 1, "alone, a request must always find room to start"
            self.release(seq)
            return False
        assert self.engine.length(seq) == plan.n_start
        assert (plan.logits is not None) == (plan.n_start == len(prompt)), "a reply must have logits to begin with"
        if plan.logits is not None:
            assert np.array_equal(plan.logits, expected_logits(self.kind, prompt))
        return True

    def plan(self, prompt: Path, namespace: str, *, use_cache: bool = True) -> Plan:
        """Where a prompt starts, which is as deep as can be."""
        plan = self.cache.match(namespace, array(prompt), use_cache=use_cache)
        self.assert_deepest(plan, prompt, namespace if use_cache else None)
        return plan

    def assert_deepest(self, plan: Plan, prompt: Path, namespace: str | None) -> None:
        checkpoints = [] if namespace is None else list(self.cache.entries.tree(namespace).checkpoints())
        best = max((n_restorable(c, prompt, self.engine.shape) for c in checkpoints), default=0)
        assert plan.n_start == best

    def read(self, seq: int, tokens: Path) -> Logits | None:
        """Read on, and check the logits. None, with the sequence released, if there is no room."""
        logits = None
        for i in range(0, len(tokens), self.engine.n_batch):
            chunk = Chunk(seq, array(tokens[i : i + self.engine.n_batch]), LAST_ROW)
            while True:
                try:
                    row = self.engine.decode([chunk])[0][0]
                    break
                except NoRoomError:
                    if not self.cache.make_room():
                        self.release(seq)
                        return None
            self.paths[seq] += tokens[i : i + self.engine.n_batch]
            logits = self.engine.logits(row)
            assert np.array_equal(logits, expected_logits(self.kind, self.paths[seq]))
        return logits

    def begin(self, seq: int, prompt: Path) -> Restoration:
        """Take the first step of opening a sequence, where the cache has the prompt deepest."""
        restoration = self.cache.restore(seq, self.plan(prompt, ""))
        restoration.restore_next()
        return restoration

    def is_near(self, entry: Entry, *, with_logits: bool = True) -> bool:
        """Whether nothing of an entry must be fetched from the disk before it can be restored."""
        return not self.cache.evictor.lower.cost(entry, with_logits=with_logits)

    def fetch(self, entry: Entry) -> bool:
        """Begin to fetch an entry; False if that is not possible now."""
        return self.cache.evictor.lower.get(entry, self.cache.host)

    def release(self, seq: int) -> None:
        self.cache.release(seq)
        del self.paths[seq], self.namespaces[seq]
        assert self.engine.length(seq) == 0

    def save(self, seq: int, origin: Origin = Origin.MESSAGE_END, **options: object) -> None:
        """Keep what a sequence has read."""
        self.cache.save(seq, array(self.paths[seq]), origin, **options)  # type: ignore[arg-type]

    def close(self, seq: int) -> None:
        """Empty a sequence and keep what it has read."""
        self.cache.release(seq, keep=array(self.paths.pop(seq)))
        del self.namespaces[seq]
        assert self.engine.length(seq) == 0

    def leave(self, prompt: Path, *, namespace: str = "") -> None:
        """Read a prompt on an idle sequence as far as the cache has it not, and close the sequence."""
        seq = self.idle_seq()
        assert self.start(seq, prompt, namespace=namespace)
        self.read(seq, prompt[len(self.paths[seq]) :])
        self.close(seq)
        self.check()

    def move(self, src: int, dst: int) -> None:
        """Go on with a sequence under another number."""
        self.cache.running.move(src, dst)
        self.paths[dst], self.namespaces[dst] = self.paths.pop(src), self.namespaces.pop(src)
        assert self.engine.length(src) == 0


def where(desk: Desk, prefix: Path) -> tuple[str, ...]:
    """On which tiers the entry at the end of a path is, nearest first: of "parked", "host", "disk"; none if it is gone.

    One that lives on other sequences' cells alone is "live".
    """
    found = at(desk, prefix)
    if found is None:
        return ()
    is_on_host = found.state is not None or found.holds_chain
    tiers = (("parked", found.is_parked), ("host", is_on_host), ("disk", found.is_stored))
    return tuple(tier for tier, is_there in tiers if is_there) or ("live",)


def at(desk: Desk, prefix: Path) -> Entry | None:
    """The checkpoint at the end of a path, if it is there."""
    found = (c for c in desk.cache.entries.all() if tuple(tokens_of(c).tolist()) == prefix)
    return next(found, None)
