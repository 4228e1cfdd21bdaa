"""The cache as the loop uses it, mainly by six verbs: match, restore, save, release, maintain, close."""

import time
from collections.abc import Callable, Mapping

from segue.cache.demotion import Demotion
from segue.cache.entries.entry import Entry
from segue.cache.entries.event_log import log_event
from segue.cache.entries.namespaces import Clock, Namespaces
from segue.cache.eviction import Evictor
from segue.cache.initial_placement import InitialPlacement
from segue.cache.integrity import check_integrity
from segue.cache.pins import Pins
from segue.cache.planner import Plan, Planner
from segue.cache.restoration import Restoration
from segue.cache.running import RunningSequences
from segue.cache.sessions import SessionTracker
from segue.cache.slot_snapshots import SlotSnapshots
from segue.cache.temporary import TemporaryEntries
from segue.cache.tiers.budget import Budget
from segue.cache.tiers.device import DeviceTier
from segue.cache.tiers.disk.shared import SharedDisk
from segue.cache.tiers.disk.tier import DiskTier
from segue.cache.tiers.host import HostTier
from segue.engine.base import Engine, Logits, Tokens
from segue.policy.prices import Prices
from segue.policy.retention import Retention
from segue.prefix.checkpoint import Origin
from segue.prefix.loss import Loss
from segue.prefix.path_limit import PathLimit
from segue.prefix.tree import Tree

_MOST_KNOWN_TOKENS = 1 << 24


class StateCache:
    """The checkpoints of all tiers. Belongs to the engine's thread.

    `match` a prompt, `restore` a running sequence to the checkpoint found, `save` the sequence's state, and `release`
    it. `maintain` does deferred work, and `close` stores as much as time allows. Besides, `collect` takes over what the
    lower tier has done, and `make_room` and `vacate` free cells. Everything in the tree can be restored at any time: a
    checkpoint that loses its cells or bytes leaves the tree, and only its path stays known.

    The engine's first `n_running` sequences are the caller's; the cache parks checkpoints on `n_parked` others. Only
    entries stored under the same `fingerprint` are used. `prices` know how long copies take.
    """

    def __init__(
        self,
        engine: Engine,
        n_running: int,
        n_parked: int,
        limit_host_bytes: int,
        n_idle_cells: int,
        *,
        fingerprint: Mapping[str, str] | None = None,
        clock: Clock = time.monotonic,
        prices: Prices | None = None,
    ) -> None:
        self.engine = engine
        self.kind = engine.shape.kind
        self.fingerprint = fingerprint or {}
        self.prices = prices or Prices()
        self.retention = Retention()
        self.known = PathLimit(_MOST_KNOWN_TOKENS)
        self.entries = Namespaces(clock)
        self.device = DeviceTier(engine, n_running, n_parked)
        self.host = HostTier(engine, Budget(limit_host_bytes), self.device.scratch, self.prices)
        self.evictor = Evictor(self.entries, self.device, self.host, self.retention, self.prices)
        self.demotion = Demotion(self.evictor, n_idle_cells)
        self.pins = Pins(self.entries)
        self.running = RunningSequences(self.evictor)
        self.sessions = SessionTracker(self.entries, self.device.owners)
        self.snapshots = SlotSnapshots(self.evictor, self.fingerprint)
        self.temporary = TemporaryEntries(self.evictor)
        self._initial_placement = InitialPlacement(self.evictor)
        self._planner = Planner(self.evictor, self.prices)
        self._is_demoted = True

    def open_disk(self, disk: SharedDisk, wake: Callable[[], None]) -> int:
        """Use a disk as the tier below the host; call this before anything else. Returns how many entries it holds.

        `wake` is called, from any thread, when `collect` or `maintain` has work again.
        """
        tier = DiskTier(self.evictor, disk, self.fingerprint, self.prices, wake)
        self.evictor.lower = tier
        return tier.n_loaded

    @property
    def n_host_states(self) -> float:
        """How many state parts the host's budget would hold, if it held nothing else."""
        return self.host.budget.limit_bytes / max(1, self.engine.shape.n_bytes_state)

    @property
    def copies_are_slow(self) -> bool:
        """Whether a state takes so long to copy that it should be copied only while nobody waits."""
        return self.evictor.costs.copies_are_slow

    @property
    def lower_name(self) -> str:
        """The name of the tier below the host, as logs and reports use it."""
        return self.evictor.lower.name

    def match(
        self,
        namespace: str,
        tokens: Tokens,
        *,
        use_cache: bool = True,
        reads_last: bool = False,
        digests: Mapping[int, int] | None = None,
        only_near: bool = False,
    ) -> Plan:
        """Find the checkpoint from which a prompt's first token comes soonest; changes nothing (`Planner.plan`).

        `only_near` excludes entries that must be fetched first. `reads_last` leaves the last token to be read even if
        its logits are kept. `digests`, in reproducible mode only, are those of the prompt's checkpoint positions.
        """
        return self._planner.plan(
            self.entries.tree(namespace),
            tokens,
            use_cache=use_cache,
            reads_last=reads_last,
            digests=digests,
            only_near=only_near,
        )

    def restore(self, seq: int, plan: Plan, *, is_request: bool = True) -> Restoration:
        """Begin to restore an empty sequence to the start of a near plan: call `restore_next` until it `is_done`.

        Without `is_request` no statistics change: the server reads for itself and saves only temporary entries.
        """
        visit = self.retention.arrive(plan.match, self.entries.clock()) if is_request else None
        running = self.running.start(seq, plan.tree, visit)
        self._is_demoted = False
        return Restoration(self.evictor, running, plan.restore, clear=self.running.clear)

    def save(
        self,
        seq: int,
        tokens: Tokens,
        origin: Origin,
        *,
        logits: Logits | None = None,
        pin_s: float = 0.0,
        digest: int | None = None,
        is_tip: bool = False,
        is_temporary: bool = False,
    ) -> Entry | None:
        """Save the state of a sequence that has read exactly `tokens`; None if there is no room for it.

        `logits` are those after the last token. `pin_s` is how long the entry stays pinned. `is_tip`: the sequence is
        about to be emptied, so the entry must take over its cells. `is_temporary`: the entry affects no statistics and
        is not stored until `temporary.keep`; `temporary.remove` drops it. None if a temporary entry would stand at an
        existing one.
        """
        assert self.engine.length(seq) == len(tokens), "a checkpoint must stand where its sequence stands"
        self._is_demoted = False
        started = time.perf_counter()
        running = self.running[seq]
        entry = running.tree.at(tokens)
        if entry is not None and is_temporary:
            return None
        if entry is not None and digest is not None and entry.positions_digest != digest:
            self.evictor.remove(entry, Loss.EVICTED)
            entry = None
        is_new = entry is None
        entry = entry or self._attach(seq, running.tree, tokens, origin, digest)
        if not is_temporary:
            entry.last_used = self.entries.clock()
            assert running.visit is not None, "only a request saves for good"
            self.retention.reached(running.visit, entry, self.entries.clock())
            self.pins.pin(entry, pin_s)
            # Where only few states can be kept without a copy, the ends of messages matter more.
            if is_new and origin is Origin.REWIND and not self.copies_are_slow:
                entry.is_fresh = True
                running.fresh.append(entry)
        running.stand_at(entry, entry.n_tokens)
        if digest is not None and self.kind.has_window:
            self._lay_out_again(seq)
        with self.evictor.in_use.using(entry):
            if not self._initial_placement.place(seq, entry, is_new=is_new, is_tip=is_tip, is_temporary=is_temporary):
                if is_new:
                    # Where copies are slow, it has never stood there.
                    self.evictor.remove(entry, None if is_temporary or self.copies_are_slow else Loss.EVICTED)
                return None
            if logits is not None:
                self.host.keep_logits(entry, logits, self.evictor.host_room)
        if is_new:
            log_event("created", entry, self.evictor.tier(entry), started)
        if not is_temporary:
            self._register(entry, is_new=is_new)
        return entry

    def release(self, seq: int, *, keep: Tokens | None = None) -> None:
        """Empty a sequence. `keep`: the tokens that it has read, if its state should stay as the end of a reply."""
        try:
            if keep is not None and len(keep) and seq in self.running:
                self.save(seq, keep, Origin.REPLY_END, is_tip=True)
        finally:
            self._is_demoted = False
            self.running.clear(seq)

    def make_room(self) -> bool:
        """Free attention cells of parked checkpoints for a batch that found too few; False if none can be freed."""
        return self.evictor.free_cells()

    def vacate(self) -> None:
        """Empty the sequences of parked checkpoints, which move to the host as far as there is room. None may run."""
        while parked := self.device.parked():
            entry = parked[0]
            if not self.evictor.demote(entry, self.evictor.host_room):
                self.evictor.abandon(entry)

    def collect(self) -> None:
        """Take over what the lower tier has read and written since the last call."""
        self.evictor.lower.collect()

    def maintain(self, seconds: float) -> bool:
        """Demote and store entries: at least one step, and no new one after `seconds`. False once nothing is left."""
        started = self.prices.clock()
        is_left = True
        while is_left:
            self._is_demoted = self._is_demoted or not self.demotion.demote_next()
            is_left = not self._is_demoted or self.evictor.lower.maintain()
            if self.prices.clock() - started >= seconds:
                break
        return is_left

    def close(self, timeout_s: float) -> None:
        """Store unsaved entries, as far as `timeout_s` allows; the cache cannot be used afterwards."""
        self.evictor.lower.close(timeout_s)

    def check_integrity(self) -> None:
        """Assert that trees, tiers, budgets and the engine agree; takes time linear in the size of the cache."""
        check_integrity(self.evictor)

    def _register(self, entry: Entry, *, is_new: bool) -> None:
        """Queue an entry for storage if it is new or now has logits, and count new ones."""
        if is_new or entry.logits is not None:
            self.evictor.lower.put(entry, self.host)
        if is_new:
            self.retention.record_taken(entry.origin)
        self.known.trim(entry.tree)

    def _attach(self, seq: int, tree: Tree[Entry], tokens: Tokens, origin: Origin, digest: int | None) -> Entry:
        pos_min, pos_max = self.engine.span(seq)
        now = self.entries.clock()
        entry = Entry(
            tree=tree,
            layout=self.host.layout,
            n_tokens=len(tokens),
            pos_min=pos_min,
            pos_max=pos_max,
            origin=origin,
            created=now,
            last_used=now,
            positions_digest=digest,
        )
        tree.attach(entry, tokens)
        return entry

    def _lay_out_again(self, seq: int) -> None:
        """Lay a window out as a restore would, so that later tokens are summed in the same order either way."""
        state = self.engine.save(seq, partial=False)
        self.engine.drop(seq)
        self.engine.load(state, seq)
