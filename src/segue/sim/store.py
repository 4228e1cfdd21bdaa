"""The checkpoints that a policy keeps, and their room."""

from collections import OrderedDict

from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.match import deepest
from segue.prefix.tree import Tree
from segue.sim.capacity import Capacity
from segue.sim.cells import n_own
from segue.sim.model import SimulatedModel
from segue.sim.policy import Counts


class Store:
    """Checkpoints in a tree, counted; `kept` has the least recently used one first.

    Paths share the attention cells of their common prefix. The policy must drop checkpoints beyond the capacity.
    """

    def __init__(self, capacity: Capacity, model: SimulatedModel, n_block_tokens: int) -> None:
        self.capacity = capacity
        self.tree = Tree()
        self.kept: OrderedDict[Checkpoint, None] = OrderedDict()
        self.n_taken = 0
        self.n_read_back = 0
        self.n_dropped = 0
        self.n_bytes_peak = 0
        self._n_cells = 0
        self.n_bytes_state = model.n_bytes_state
        self.n_block_tokens = n_block_tokens
        self.n_bytes_block = model.n_bytes_cell * n_block_tokens

    @property
    def counts(self) -> Counts:
        """The work so far."""
        return Counts(self.n_taken, self.n_read_back, self.n_bytes_peak)

    @property
    def n_bytes(self) -> int:
        """The bytes of all checkpoints, with their attention cells."""
        return len(self.kept) * self.n_bytes_state + self._n_cells * self.n_bytes_block

    @property
    def n_fit(self) -> float:
        """The number of states that would fit if they took all the room."""
        return min(self.capacity.n_checkpoints, self.capacity.n_bytes / max(1, self.n_bytes_state))

    @property
    def is_over(self) -> bool:
        """Whether a checkpoint must be dropped."""
        return len(self.kept) > self.capacity.n_checkpoints or self.n_bytes > self.capacity.n_bytes

    def freed(self, checkpoint: Checkpoint) -> int:
        """The room that dropping a checkpoint would free, in the capacity's unit."""
        if self.capacity.n_bytes == float("inf"):
            return 1
        return self.n_bytes_state + n_own(checkpoint) * self.n_bytes_block

    def find(self, path: Tokens) -> Checkpoint | None:
        """The deepest checkpoint on a path."""
        match = self.tree.match(path)
        return next(deepest(match, len(path)), None)

    def restore(self, checkpoint: Checkpoint, now: float) -> None:
        """Count a use."""
        self.n_read_back += checkpoint.n_hits == 0
        checkpoint.n_hits += 1
        self.touch(checkpoint, now)

    def touch(self, checkpoint: Checkpoint, now: float) -> None:
        """Make a checkpoint the most recently used."""
        checkpoint.last_used = now
        self.kept.move_to_end(checkpoint)

    def take(self, path: Tokens, origin: Origin, now: float) -> Checkpoint | None:
        """Keep the state at the end of a path, used now; None if there is one already, or the path is empty."""
        n = len(path)
        if not n:
            return None
        existing = self.tree.at(path)
        if existing is not None:
            self.touch(existing, now)
            return None
        checkpoint = Checkpoint(
            n_tokens=n,
            pos_min=0,
            pos_max=n - 1,
            origin=origin,
            created=now,
            last_used=now,
            n_bytes=self.n_bytes_state,
            has_far_logits=True,
        )
        self.tree.attach(checkpoint, path)
        self.kept[checkpoint] = None
        self._n_cells += n_own(checkpoint)
        self.n_taken += 1
        return checkpoint

    def drop(self, checkpoint: Checkpoint) -> None:
        """Drop a checkpoint; its path stays known."""
        self._n_cells -= n_own(checkpoint)
        self.tree.detach(checkpoint)
        del self.kept[checkpoint]
        self.n_dropped += 1

    def withdraw(self, checkpoint: Checkpoint) -> None:
        """Drop a checkpoint that has just been taken, as if it had not been."""
        self.drop(checkpoint)
        self.n_taken -= 1
        self.n_dropped -= 1

    def record_peak(self) -> None:
        """Record the room in use, once it fits the capacity."""
        self.n_bytes_peak = max(self.n_bytes_peak, self.n_bytes)
