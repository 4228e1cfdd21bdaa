"""The cache as the loop uses it: find, restore, take, retire."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from segue.cache.entries.entry import Entry
from segue.cache.entries.events import log_event
from segue.cache.entries.namespaces import Clock, Namespaces
from segue.cache.eviction import Evictor
from segue.cache.initial_placement import InitialPlacement
from segue.cache.integrity import check_integrity
from segue.cache.offload import Offload
from segue.cache.planner import Plan, Planner
from segue.cache.prefetch import gather
from segue.cache.restoration import Restoration
from segue.cache.snapshot import SlotSnapshot, SnapshotError, pack, unpack
from segue.cache.tiers.budget import Budget
from segue.cache.tiers.device import DeviceTier
from segue.cache.tiers.disk.shared import SharedDisk
from segue.cache.tiers.disk.tier import DiskTier
from segue.cache.tiers.host import HostTier
from segue.cache.tiers.owners import Lane
from segue.engine.base import Engine, Logits, Tokens
from segue.engine.errors import NoRoomError, StateError
from segue.policy.prices import Prices
from segue.policy.retention import Retention
from segue.policy.sessions import N_ENDS, Sessions
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import descendants
from segue.prefix.match import deepest
from segue.prefix.path_limit import PathLimit
from segue.prefix.tree import Tree
from segue.prefix.visit import Visit

log = logging.getLogger("segue.cache")

_MOST_KNOWN_TOKENS = 1 << 24
_WHY_FAR = "the memory of --cache-ram is too small for it or in use, or the disk cannot be read"


class StateCache:
    """Checkpoints and their homes. Belongs to the engine's thread.

    Every checkpoint in the tree can be restored at any time: what loses its cells or bytes leaves the tree, and only
    its path stays known.
    """

    def __init__(
        self,
        engine: Engine,
        n_lanes: int,
        n_parked: int,
        limit_host_bytes: int,
        n_idle_cells: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self.engine = engine
        self.kind = engine.shape.kind
        self.entries = Namespaces(clock)
        self.device = DeviceTier(engine, n_lanes, n_parked)
        self.host = HostTier(engine, Budget(limit_host_bytes), self.device.scratch)
        self.retention = Retention()
        self.evictor = Evictor(self.entries, self.device, self.host, self.retention)
        self.offload = Offload(self.evictor, n_idle_cells)
        self._initial_placement = InitialPlacement(self.evictor)
        self.known = PathLimit(_MOST_KNOWN_TOKENS)
        self._is_tidy = True
        self.prices = Prices()
        self._planner = Planner(self.device, self.prices, self._far_bytes)
        self.fingerprint: Mapping[str, str] = {}
        self._openings: dict[int, Restoration] = {}
        self._sessions = Sessions()
        self._visits: dict[int, Visit] = {}
        self._fresh: dict[int, list[Entry]] = {}

    def open_disk(self, disk: SharedDisk, wake: Callable[[], None]) -> int:
        """Use a disk as the tier below the host, before anything else is done; how many entries it has.

        Entries of another `fingerprint` than the cache's are never used. `wake` is called, from any thread, when there
        is something to maintain again.
        """
        tier = DiskTier(self.evictor, disk, self.fingerprint, self.prices, wake)
        self.evictor.lower = tier
        return tier.n_loaded

    def plan(
        self,
        scope: str,
        tokens: Tokens,
        *,
        use_cache: bool = True,
        reads_last: bool = False,
        digests: Mapping[int, int] | None = None,
        only_near: bool = False,
    ) -> Plan:
        """Where a prompt starts soonest; changes nothing (`Planner.plan`).

        `only_near` takes nothing that must be fetched from the disk. `reads_last` leaves the last token to be read even
        if its logits are kept. `digests`, in reproducible mode only, are those of the prompt's cuts by position.
        """
        return self._planner.plan(
            self.entries.tree(scope),
            tokens,
            use_cache=use_cache,
            reads_last=reads_last,
            digests=digests,
            only_near=only_near,
        )

    def is_near(self, checkpoint: Entry, *, with_logits: bool = True) -> bool:
        """Whether nothing of a checkpoint must be fetched from the disk before it can be restored."""
        return not self._far_bytes(checkpoint, with_logits)

    def _far_bytes(self, checkpoint: Entry, with_logits: bool) -> int:
        return self.evictor.lower.cost(checkpoint, with_logits=with_logits)

    def fetch(self, checkpoint: Entry, *, with_logits: bool = True) -> bool:
        """Begin to fetch a checkpoint that is not near, unless that is under way; False if that cannot be just now."""
        return self.evictor.lower.get(checkpoint, self.host, with_logits=with_logits)

    def open(self, lane: int, plan: Plan, *, is_request: bool = True) -> str:
        """Begin to make an empty lane stand at the plan's start; the home it comes from, "" for a cold start.

        `step` until `is_open`. Raises NoRoomError, with the lane empty, if the cells are full and nothing can be freed.
        Raises StateError, with the lane empty and the saved state dropped, if the engine refuses that: plan again.
        Without `is_request` no statistics change: the server reads for itself, and takes by `take_passing` only.
        """
        self.device.owners.lanes[lane] = Lane(plan.tree)
        if is_request:
            self._visits[lane] = self.retention.arrive(plan.match, self.entries.clock())
        self._is_tidy = False
        if plan.restore is None:
            return ""
        checkpoint = plan.restore.checkpoint
        home = checkpoint.home
        self.evictor.in_use.acquire(checkpoint)
        if checkpoint.has_loaded_chain:
            self.host.stay_on_host(checkpoint)
        self._openings[lane] = Restoration(self.evictor, lane, checkpoint, plan.restore.n_tokens)
        self.step(lane)
        return home

    def is_open(self, lane: int) -> bool:
        """Whether a lane that was opened stands where it should."""
        return lane not in self._openings

    def step(self, lane: int) -> None:
        """Go on with opening a lane, by a piece of bounded size. Raises NoRoomError and StateError as `open` does."""
        opening = self._openings[lane]
        checkpoint = opening.checkpoint
        while not opening.is_done:
            try:
                opening.step()
                break
            except NoRoomError:
                with self.evictor.in_use.using(checkpoint):
                    if not self.evictor.free_cells():
                        self.engine.drop(lane)
                        raise
            except StateError as error:
                # New checkpoints would build on refused cells as long as anybody kept them.
                refused = [one for one in opening.refused() if one.is_attached]
                self.discard(lane)
                if refused:
                    log.warning(
                        "saved state is of no use, and will be read again (checkpoints: %d): %s", len(refused), error
                    )
                for one in refused:
                    self.evictor.lose_copies(one)
                raise
        if opening.is_done:
            del self._openings[lane]
            self.evictor.in_use.release(checkpoint)
            self.device.owners.lanes[lane] = Lane(opening.tree, checkpoint, opening.n_tokens)
            visit = self._visits.get(lane)
            if visit is not None:
                checkpoint.n_hits += 1
                self.retention.note_hit(checkpoint, visit)
                checkpoint.last_used = self.entries.clock()
            self.prices.note_host(opening.n_loaded_bytes, opening.loading_s)
            log_event("restored", checkpoint, checkpoint.home, opening.started)

    def take(
        self,
        lane: int,
        tokens: Tokens,
        origin: Origin,
        *,
        logits: Logits | None = None,
        pin_s: float = 0.0,
        digest: int | None = None,
        is_tip: bool = False,
    ) -> None:
        """Keep the state of a lane, which has read exactly `tokens`, as far as there is room.

        `logits` are those after the last token. `pin_s`: for how long others go before it. `is_tip` says that the lane
        is about to leave, so that its cells need a holder.
        """
        assert self.engine.length(lane) == len(tokens), "a checkpoint must stand where its lane stands"
        self._is_tidy = False
        started = time.perf_counter()
        tree = self.device.owners.lanes[lane].tree
        checkpoint = tree.at(tokens)
        if checkpoint is not None and digest is not None and checkpoint.cuts != digest:
            self.evictor.evict(checkpoint)
            checkpoint = None
        is_new = checkpoint is None
        if checkpoint is None:
            checkpoint = self._attach(lane, tree, tokens, origin, digest)
            if origin is Origin.REWIND:
                checkpoint.is_fresh = True
                self._fresh.setdefault(lane, []).append(checkpoint)
        checkpoint.last_used = self.entries.clock()
        self.retention.reached(self._visits[lane], checkpoint, self.entries.clock())
        self._pin(checkpoint, pin_s)
        self.device.owners.lanes[lane] = Lane(tree, checkpoint, checkpoint.n_tokens)
        if digest is not None and self.kind.has_window:
            self._even_out(lane)
        with self.evictor.in_use.using(checkpoint):
            if not self._initial_placement.house(lane, checkpoint, is_new=is_new, is_tip=is_tip):
                if is_new:
                    self.evictor.evict(checkpoint)
                return
            if logits is not None:
                self.host.keep_logits(checkpoint, logits, self.evictor.host_room)
        if is_new or checkpoint.logits is not None:
            self.evictor.lower.put(checkpoint, self.host)
        if is_new:
            self.retention.note_taken(origin)
            log_event("created", checkpoint, checkpoint.home, started)
        self.known.trim(tree)

    def take_passing(self, lane: int, tokens: Tokens, origin: Origin) -> Entry | None:
        """Keep the state of a lane, which has read exactly `tokens`, for a while, as far as there is room.

        It affects no statistics and is not written to disk until `keep` is called; `let_go` drops it. None if there is
        a checkpoint already, or no room.
        """
        started = time.perf_counter()
        tree = self.device.owners.lanes[lane].tree
        if tree.at(tokens) is not None:
            return None
        self._is_tidy = False
        checkpoint = self._attach(lane, tree, tokens, origin, None)
        self.device.owners.lanes[lane] = Lane(tree, checkpoint, checkpoint.n_tokens)
        with self.evictor.in_use.using(checkpoint):
            if not self._initial_placement.house(lane, checkpoint, is_new=True, is_tip=False):
                self.evictor.evict(checkpoint, loss=None)
                return None
        log_event("created", checkpoint, checkpoint.home, started)
        return checkpoint

    def keep(self, checkpoint: Entry) -> None:
        """Let a checkpoint of `take_passing` stay, if it is still there."""
        if checkpoint.is_attached:
            self.retention.note_taken(checkpoint.origin)
            self.evictor.lower.put(checkpoint, self.host)

    def let_go(self, checkpoint: Entry) -> None:
        """Drop a checkpoint of `take_passing`, unless another request has come to use it."""
        if checkpoint.is_attached and not checkpoint.n_hits and not self.evictor.in_use.has_copies_in_use(checkpoint):
            self.evictor.evict(checkpoint, loss=None)

    def pin(self, scope: str, tokens: Tokens, pin_s: float) -> None:
        """Let others go before the checkpoint at the end of `tokens`, if there is one, for so many seconds from now."""
        checkpoint = self.entries.tree(scope).at(tokens)
        if checkpoint is not None:
            checkpoint.last_used = self.entries.clock()
            self._pin(checkpoint, pin_s)

    def _pin(self, checkpoint: Entry, pin_s: float) -> None:
        if pin_s > 0:
            checkpoint.pinned_until = max(checkpoint.pinned_until, self.entries.clock() + pin_s)

    def expected(self, lane: int, scope: str, session: str, boundaries: Sequence[int]) -> tuple[int, ...]:
        """Where the next prompt is likely to leave the one that a lane begins to read, which has these boundaries.

        Learned from how this path, or else this session's prompts, went so far.
        """
        visit, key = self._visits[lane], (scope, session)
        known = visit.divergences
        if session and not known.seen:
            known = replace(known, seen=self._sessions.diverged(key))
        visit.divergences = known.then(visit.n_known, boundaries)
        if session and visit.divergences.seen:
            self._sessions.note_diverged(key, visit.divergences.seen)
        return visit.divergences.expected(boundaries)

    def hear(self, scope: str, session: str) -> None:
        """A request of a client's session arrives: what the session would miss most counts as used."""
        self._sessions.hear((scope, session), self.entries.clock())

    def attend(self, scope: str, session: str, tokens: Tokens) -> None:
        """A request on this path is over: what its session would miss most counts as used. An empty session is none."""
        if session:
            match = self.entries.tree(scope).match(tokens)
            ends = list(islice(deepest(match, len(tokens)), N_ENDS))
            if ends:
                self._sessions.note((scope, session), ends, self.entries.clock())

    def close(self, lane: int, tokens: Tokens, origin: Origin) -> None:
        """Keep the state of a lane that is done, which has read exactly `tokens`, and empty the lane."""
        if lane in self.device.owners.lanes and self.engine.length(lane):
            self.take(lane, tokens, origin, is_tip=True)
        self.discard(lane)

    def discard(self, lane: int) -> None:
        """Empty a lane and keep nothing of what it read since its last checkpoint."""
        self._is_tidy = False
        self._visits.pop(lane, None)
        for checkpoint in self._fresh.pop(lane, ()):
            checkpoint.is_fresh = False
        opening = self._openings.pop(lane, None)
        if opening is not None:
            self.evictor.in_use.release(opening.checkpoint)
        gone = self.device.owners.lanes.pop(lane, None)
        self.engine.drop(lane)
        if gone is not None and gone.anchor is not None and self.kind.shares_cells:
            self.evictor.settle(gone.anchor)

    def settle(self) -> None:
        """Take over what has come from the disk, or is there now."""
        self.evictor.lower.settle()

    def tidy(self, seconds: float) -> bool:
        """Move idle branches and store checkpoints, a step at least and no new one after `seconds`; False once done."""
        started = time.perf_counter()
        is_left = True
        while is_left:
            is_left = self._tidy_once()
            if time.perf_counter() - started >= seconds:
                break
        return is_left

    def _tidy_once(self) -> bool:
        self._is_tidy = self._is_tidy or not self.offload.step()
        return not self._is_tidy or self.evictor.lower.maintain()

    def pack(self, scope: str, tokens: Tokens) -> SlotSnapshot | None:
        """Copy all checkpoints of a path; None while some are on their way from the disk.

        Where the host has no room for all of them, or the disk fails, as many of the deepest as can be had: the log
        says so. Raises SnapshotError if there are some and none can be had.
        """
        tree = self.entries.tree(scope)
        path = list(deepest(tree.match(tokens), len(tokens)))
        if gather(self.evictor, path):
            return None
        parcel = pack(self.evictor, tree, tokens, self.fingerprint)
        n_missing = len(path) - len(parcel.checkpoints)
        if n_missing and not parcel.checkpoints:
            raise SnapshotError(f"all of it is on disk, and cannot be fetched: {_WHY_FAR}")
        if n_missing:
            n_tokens, n_all = len(parcel.tokens), path[0].n_tokens
            log.warning(
                "a slot is saved up to token %d of %d, without %d of its %d checkpoints, which are on disk alone: %s",
                *(n_tokens, n_all, n_missing, len(path), _WHY_FAR),
            )
        return parcel

    def unpack(self, scope: str, parcel: SlotSnapshot) -> int:
        """Make a parcel's checkpoints known, as far as there is room; how many tokens the deepest one stands at."""
        tree = self.entries.tree(scope)
        n_tokens = unpack(self.evictor, tree, parcel)
        for checkpoint in deepest(tree.match(parcel.tokens), len(parcel.tokens)):
            self.evictor.lower.put(checkpoint, self.host)
        return n_tokens

    def erase(self, scope: str, tokens: Tokens) -> int:
        """Forget the checkpoints at the end of a path that no other path goes on from; the tokens given up."""
        kept: Entry | None = None
        n_erased = 0
        for checkpoint in list(deepest(self.entries.tree(scope).match(tokens), len(tokens))):
            if not checkpoint.is_attached:
                continue  # it went with one that was below it
            if next(descendants(checkpoint), None) is not None or self.evictor.in_use.has_copies_in_use(checkpoint):
                kept = checkpoint
                break
            n_erased = max(n_erased, checkpoint.n_tokens)
            self.evictor.evict(checkpoint)
        return max(0, n_erased - (kept.n_tokens if kept else 0))

    def end(self, timeout_s: float) -> None:
        """Store what is not stored yet, as far as there is time; the cache is of no use afterwards."""
        self.evictor.lower.close(timeout_s)

    def move(self, src: int, dst: int) -> None:
        """Let the empty lane `dst` stand where `src` stood, and empty `src`."""
        self.engine.copy(src, dst)
        self.engine.drop(src)
        self._visits[dst] = self._visits.pop(src)
        if src in self._fresh:
            self._fresh[dst] = self._fresh.pop(src)
        if src in self._openings:
            self._openings[dst] = self._openings.pop(src)
            self._openings[dst].lane = dst
        self.device.owners.lanes[dst] = self.device.owners.lanes.pop(src)

    def _attach(self, lane: int, tree: Tree[Entry], tokens: Tokens, origin: Origin, digest: int | None) -> Entry:
        pos_min, pos_max = self.engine.span(lane)
        now = self.entries.clock()
        checkpoint = Entry(
            tree=tree,
            layout=self.host.layout,
            n_tokens=len(tokens),
            pos_min=pos_min,
            pos_max=pos_max,
            origin=origin,
            n_bytes=0,
            created=now,
            last_used=now,
            cuts=digest,
        )
        tree.attach(checkpoint, tokens)
        return checkpoint

    def _even_out(self, lane: int) -> None:
        """Lay the lane's window out as a restore would, so that what follows adds up in the same order either way."""
        state = self.engine.save(lane, partial=False)
        self.engine.drop(lane)
        self.engine.load(state, lane)

    def check_integrity(self) -> None:
        """Assert that trees, homes, budgets and the engine agree; takes time in the whole size of the cache."""
        check_integrity(self.evictor)
