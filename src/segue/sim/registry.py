"""Every policy by its name."""

from collections.abc import Callable, Sequence
from typing import Final

from segue.sim.policies.attention import Attention
from segue.sim.policies.clairvoyant import Clairvoyant
from segue.sim.policies.lru import Lru
from segue.sim.policies.lru_grid import LruGrid
from segue.sim.policies.segue import Segue
from segue.sim.policy import Policy
from segue.sim.request import Request
from segue.sim.store import Store
from segue.state.retention import Retention

Make = Callable[[Store, Sequence[Request]], Policy]

POLICIES: Final[dict[str, Make]] = {
    "segue": lambda store, _: Segue(store, Retention()),
    "lru": lambda store, _: Lru(store),
    "lru_grid": lambda store, _: LruGrid(store),
    "clairvoyant": Clairvoyant,
    "attention": lambda store, _: Attention(store),
}
