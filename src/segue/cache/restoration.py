"""Restores an entry to a sequence: at once where cells can be shared, else piece by piece from segments."""

import logging
import time
from collections.abc import Callable

from segue.cache.entries.entry import Entry
from segue.cache.entries.event_log import log_event
from segue.cache.eviction import Evictor
from segue.cache.tiers.owners import RunningSequence
from segue.engine.errors import NoRoomError, StateError
from segue.policy.restore import Restore

log = logging.getLogger("segue.cache")


class Restoration:
    """Restores an empty running sequence to a checkpoint, or to a position on its path; without one, leaves it empty.

    `source` names the tier of the checkpoint, "" without one. All parts that the checkpoint needs must be in memory;
    they stay there until the restoration is done. `clear` empties a running sequence. Belongs to the engine's thread.
    """

    def __init__(
        self,
        evictor: Evictor,
        running: RunningSequence,
        restore: Restore[Entry] | None,
        *,
        clear: Callable[[int], None],
    ) -> None:
        self.is_done = restore is None
        self.source = ""
        self._evictor = evictor
        self._engine = evictor.device.engine
        self._running = running
        self._clear = clear
        self._is_loading_chain = False
        self._started = time.perf_counter()
        if restore is not None:
            self._checkpoint, self._n_tokens = restore.checkpoint, restore.n_tokens
            # Plain attention can stop at any token; other memory must first reach the token that its state is for.
            needs_all = restore.checkpoint.layout.needs_state
            self._n_load = restore.checkpoint.n_tokens if needs_all else restore.n_tokens
            self.source = evictor.tier(restore.checkpoint)
            running.restoring = restore.checkpoint
            evictor.in_use.acquire(restore.checkpoint)
            if restore.checkpoint.has_loaded_chain:
                evictor.host.hold_chain(restore.checkpoint)

    @property
    def age_s(self) -> float:
        """The time since the checkpoint was saved; 0 without a checkpoint."""
        return self._evictor.entries.clock() - self._checkpoint.created if self.source else 0.0

    def restore_next(self) -> None:
        """Restore the next piece, whose size is bounded. Does nothing once the restoration is done.

        Raises NoRoomError, with the sequence empty, if the cells are full and nothing can be freed. Raises StateError,
        with the sequence empty and the saved state dropped, if the engine refuses the state: match again.
        """
        while not self.is_done:
            try:
                self._advance()
                break
            except NoRoomError:
                with self._evictor.in_use.using(self._checkpoint):
                    if not self._evictor.free_cells():
                        self._engine.drop(self._running.seq)
                        raise
            except StateError as error:
                self._give_up(error)
                raise

    def _advance(self) -> None:
        seq, entry = self._running.seq, self._checkpoint
        if not entry.is_attached:
            raise StateError("the checkpoint was dropped")
        is_empty, owners = not self._engine.length(seq), self._evictor.device.owners
        self._is_loading_chain = False
        if is_empty and entry.is_parked:
            self._evictor.device.get(entry, seq)
        elif is_empty and not entry.is_whole and (src := owners.seq_over(entry)) is not None:
            prices = self._evictor.costs.prices
            started = prices.clock()
            self._engine.borrow(src, seq, entry.n_tokens, entry.state)
            if entry.state is not None:
                prices.record_load(entry.state.n_bytes, prices.clock() - started)
        else:
            self._is_loading_chain = not entry.is_whole
            self._evictor.host.get(entry, seq, n_tokens=self._n_load)
        if self._engine.length(seq) >= self._n_load:
            if self._n_tokens < self._engine.length(seq):
                self._engine.rewind(seq, self._n_tokens)
            self._finish()

    def _finish(self) -> None:
        running, entry = self._running, self._checkpoint
        self.is_done = True
        running.restoring = None
        self._evictor.in_use.release(entry)
        running.stand_at(entry, self._n_tokens)
        if running.visit is not None:
            entry.n_hits += 1
            self._evictor.retention.record_hit(entry, running.visit)
            entry.last_used = self._evictor.entries.clock()
        log_event("restored", entry, self._evictor.tier(entry), self._started)
        self._park(entry)

    def _park(self, entry: Entry) -> None:
        """Where copies are slow, park what was loaded, so that it need not be loaded again soon."""
        evictor = self._evictor
        if entry.is_parked or self._n_tokens < entry.n_tokens or not evictor.costs.copies_are_slow:
            return
        if self._engine.is_unified and evictor.ensure_free_seq_at_once():
            evictor.device.put(entry, self._running.seq)

    def _give_up(self, error: StateError) -> None:
        # As long as refused cells are kept, new checkpoints build on them.
        refused = [one for one in self._refused() if one.is_attached]
        self._clear(self._running.seq)
        if refused:
            log.warning("saved state is unusable, so it is read again (checkpoints: %d): %s", len(refused), error)
        for one in refused:
            self._evictor.lose_copies(one)

    def _refused(self) -> list[Entry]:
        """The checkpoints that a StateError affects: this one, and all others that use the refused cells."""
        if not self._is_loading_chain or self._checkpoint.segment is None:
            return [self._checkpoint]
        length = self._engine.length(self._running.seq)
        segment = next(
            (segment for segment, end in self._checkpoint.segment.chain(self._checkpoint.n_covered) if end > length),
            None,
        )
        if segment is None:
            return [self._checkpoint]
        below = set(segment.below())
        return [one for one in self._evictor.entries.all() if one.segment in below]
