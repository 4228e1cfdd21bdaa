"""A trace replayed under one policy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segue.prefix.tree import Tree
from segue.sim.cost import Cost
from segue.sim.policy import Policy
from segue.sim.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one policy on a trace. A hit is a prompt token that need not be read.

    `oracle_hit_tokens` counts the tokens of each prompt's longest common prefix with anything seen before.
    """

    policy: str
    capacity: str
    requests: int
    prompt_tokens: int
    oracle_hit_tokens: int
    hit_tokens: int
    checkpoints_taken: int
    checkpoints_read_back: int
    bytes_peak: int
    ttft_p50_s: float
    ttft_p95_s: float

    @property
    def of_oracle(self) -> float:
        """The share of the possible hits."""
        return self.hit_tokens / self.oracle_hit_tokens if self.oracle_hit_tokens else 1.0


def oracle_hit_tokens(trace: Trace) -> int:
    """The sum over all prompts of the longest common prefix with anything seen before."""
    tree = Tree()
    n_known = 0
    for request in trace.requests:
        n_known += tree.match(request.path).n_known
        tree.insert(request.whole)
    return n_known * trace.n_block_tokens


def replay(
    trace: Trace,
    policy: Policy,
    cost: Cost,
    *,
    name: str,
    capacity: str,
    n_oracle: int,
    tick: Callable[[], None] = lambda: None,
) -> Result:
    """Let a policy serve every request; `tick` is called after each. `n_oracle` is `oracle_hit_tokens(trace)`."""
    waits = np.empty(len(trace.requests))
    n_hit_tokens = 0
    for i, request in enumerate(trace.requests):
        n_hit = policy.serve(request) * trace.n_block_tokens
        assert n_hit <= request.n_prompt_tokens
        n_hit_tokens += n_hit
        waits[i] = cost.first_token_s(request.n_prompt_tokens, n_hit)
        tick()
    p50, p95 = np.percentile(waits, (50, 95)) if len(waits) else (0.0, 0.0)
    counts = policy.counts
    return Result(
        policy=name,
        capacity=capacity,
        requests=len(trace.requests),
        prompt_tokens=trace.n_prompt_tokens,
        oracle_hit_tokens=n_oracle,
        hit_tokens=n_hit_tokens,
        checkpoints_taken=counts.n_taken,
        checkpoints_read_back=counts.n_read_back,
        bytes_peak=counts.n_bytes_peak,
        ttft_p50_s=float(p50),
        ttft_p95_s=float(p95),
    )
