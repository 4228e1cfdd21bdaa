"""Small requests and stores."""

from collections.abc import Sequence

import numpy as np

from segue.prefix.branch import Tokens
from segue.sim.capacity import Capacity
from segue.sim.model import MODELS, SimulatedModel
from segue.sim.request import TraceRequest
from segue.sim.store import Store

MODEL: SimulatedModel = MODELS["Qwen3.6-27B"]


def span(n: int, first: int = 0) -> Tokens:
    """`n` different tokens."""
    return np.arange(first, first + n, dtype=np.int32)


def join(*parts: Tokens) -> Tokens:
    """One path of several parts."""
    return np.concatenate(parts)


def request(path: Tokens, at_s: float = 0.0, *, user_starts: Sequence[int] = (), n_block: int = 1) -> TraceRequest:
    """A request of whole blocks."""
    return TraceRequest(
        conversation=0,
        at_s=at_s,
        path=path,
        n_prompt_tokens=len(path) * n_block,
        n_reply_tokens=0,
        user_starts=tuple(user_starts),
    )


def store(n_checkpoints: float = float("inf"), *, n_block: int = 1) -> Store:
    """An empty store with room for so many checkpoints."""
    return Store(Capacity(n_checkpoints), MODEL, n_block)
