"""A checkpoint in the cache, with the places of its parts."""

import math
from dataclasses import dataclass, field

from segue.cache.entries.segment import Segment
from segue.engine.state import State
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.tree import Tree
from segue.storage.rows import EntryRow

NO_SEQ = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model's state is split. `is_segmented`: attention cells are kept in segments that paths share.

    `needs_state`: there is state besides, or instead of, these cells.
    """

    is_segmented: bool
    needs_state: bool


@dataclass(slots=True, eq=False, kw_only=True)
class Entry(Checkpoint):
    """A checkpoint, and where its parts are: on the device, in host memory, on a lower tier, or on several of these.

    On the device it is parked as sequence `seq`, or it uses the cells of another sequence whose path passes through it
    (`CellOwners`). On the host `state` is what sequences cannot share, or all of it (`is_whole`); its cells are the
    first `n_covered` of the chain that ends in `segment`, and `holds_chain` keeps the loaded part of that chain in
    memory. `stored` is its row on a lower tier. After a failed read it is not fetched before `fetch_after`, in
    monotonic seconds. `tree` is that of its namespace.
    """

    tree: "Tree[Entry]" = field(repr=False, kw_only=True)
    layout: Layout = field(kw_only=True)
    seq: int = NO_SEQ
    state: State | None = None
    segment: Segment | None = None
    n_covered: int = 0
    holds_chain: bool = False
    stored: EntryRow | None = None
    fetch_after: float = -math.inf

    @property
    def is_parked(self) -> bool:
        """Whether it keeps the attention cells of its whole path on the device."""
        return self.seq != NO_SEQ

    @property
    def is_stored(self) -> bool:
        """Whether a lower tier has it, with the possible exception of its logits."""
        return self.stored is not None

    @property
    def stores_logits(self) -> bool:
        """Whether a lower tier has its logits."""
        return self.stored is not None and self.stored.has_logits

    @property
    def is_whole(self) -> bool:
        """Whether its state alone restores it."""
        return self.state is not None and not self.state.is_partial

    @property
    def has_state_on_host(self) -> bool:
        """Whether the host has all of its state outside segments; true, too, if there is none."""
        return self.state is not None or not self.layout.needs_state

    @property
    def has_whole_chain(self) -> bool:
        """Whether segments hold all of its cells, in memory or below; true, too, if the model uses no segments."""
        return not self.layout.is_segmented or self.n_covered == self.n_tokens

    @property
    def has_loaded_chain(self) -> bool:
        """Whether it has a chain whose segments are all in memory."""
        return self.segment is not None and all(segment.cells is not None for segment in self.segment.up())

    @property
    def is_complete_off_device(self) -> bool:
        """Whether the host and the lower tier together have all of it, its logits aside: it can leave the device."""
        return self.is_stored or (self.has_whole_chain and self.has_state_on_host)

    @property
    def is_on_host(self) -> bool:
        """Whether the host alone can restore it."""
        return self.is_whole or (self.has_state_on_host and self.n_covered == self.n_tokens and self.has_loaded_chain)

    @property
    def takes_host_memory(self) -> bool:
        """Whether any part of it, logits included, is in host memory."""
        return self.state is not None or self.holds_chain or self.logits is not None

    @property
    def has_own_cells(self) -> bool:
        """Whether it keeps all of its attention cells itself, on any tier, or needs none."""
        return self.is_parked or self.is_whole or self.is_stored or self.n_covered == self.n_tokens

    @property
    def is_unstored(self) -> bool:
        """Whether the lower tier lacks its state, or logits that are in memory."""
        return not self.is_stored or (self.logits is not None and not self.stores_logits)

    @property
    def chain(self) -> list[Segment]:
        """The segments that hold its cells, root first."""
        return [] if self.segment is None else [segment for segment, _ in self.segment.chain(self.n_covered)]

    @property
    def host_bytes(self) -> int:
        """The bytes of its state and its logits in host memory; segments are shared and counted separately."""
        return (0 if self.state is None else self.state.n_bytes) + (0 if self.logits is None else self.logits.nbytes)
