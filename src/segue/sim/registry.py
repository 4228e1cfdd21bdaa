"""Every policy by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from segue.policy.prices import Prices
from segue.policy.retention import Retention
from segue.sim.capacity import Capacity
from segue.sim.model import SimulatedModel
from segue.sim.policies.attention import Attention
from segue.sim.policies.clairvoyant import Clairvoyant
from segue.sim.policies.llama_server import LlamaServer
from segue.sim.policies.lru import Lru
from segue.sim.policies.lru_grid import LruGrid
from segue.sim.policies.marconi import Marconi
from segue.sim.policies.pos_end import PosEnd
from segue.sim.policies.segue import Segue
from segue.sim.policies.sglang_branch import SglangBranch
from segue.sim.policies.vllm_align import VllmAlign
from segue.sim.policy import Policy
from segue.sim.store import Store
from segue.sim.trace import Trace


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of a policy: a trace, a model, the room for checkpoints, and what copies and reading cost."""

    trace: Trace
    model: SimulatedModel
    capacity: Capacity
    prices: Prices | None = None

    @property
    def store(self) -> Store:
        """A new, empty store of that room."""
        return Store(self.capacity, self.model, self.trace.n_block_tokens)


Make = Callable[[Setting], Policy]

POLICIES: Final[dict[str, Make]] = {
    "segue": lambda at: Segue(at.store, Retention(), at.prices),
    "llama_server": lambda at: LlamaServer(at.capacity, at.model, at.trace.n_block_tokens),
    "pos_end": lambda at: PosEnd(at.capacity, at.model, at.trace.n_block_tokens),
    "vllm_align": lambda at: VllmAlign(at.store),
    "sglang_branch": lambda at: SglangBranch(at.store),
    "marconi": lambda at: Marconi(at.store, at.model),
    "lru": lambda at: Lru(at.store),
    "lru_grid": lambda at: LruGrid(at.store),
    "clairvoyant": lambda at: Clairvoyant(at.store, at.trace.requests),
    "attention": lambda at: Attention(at.store),
}
