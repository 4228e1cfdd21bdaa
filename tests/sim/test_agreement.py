"""The same requests through the server's loop on simulated memory, and through the simulator: the same hits."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segue.memory import MemoryKind
from segue.policy.prices import Prices
from segue.policy.prompt_marks import PromptMarks
from segue.policy.retention import Retention
from segue.prefix.tree import Tree
from segue.sim.capacity import Capacity
from segue.sim.policies.segue import Segue
from segue.sim.request import TraceRequest
from segue.sim.store import Store
from segue.sim.trace import Format, Interleaving, load
from tests.kit.unmeasured import Unmeasured
from tests.loop.fake_rig import FakeRig, Sizes, text
from tests.sim.making import MODEL, request
from tests.sim.shared import shared

_N_BYTES_STATE = 64
_STATE = replace(MODEL, n_bytes_state=_N_BYTES_STATE, n_bytes_cell=0)
_EXCERPT = Path(__file__).parent / "recordings" / "claude-code.jsonl"


def conversations(seed: int, n: int) -> list[TraceRequest]:
    """Users whose prompts grow, turn back and part; no prompt comes twice, since that is a question of logits."""
    draw = random.Random(seed)
    systems = [text(1, 90), text(2, 40)]
    known = [systems[draw.randrange(2)] + text(10 + i, 30) for i in range(6)]
    made, seen = list[TraceRequest](), set[tuple[int, ...]]()
    at_s = 0.0
    while len(made) < n:
        i = draw.randrange(len(known))
        kept = known[i] if draw.random() < 0.7 else known[i][: draw.randint(30, len(known[i]))]
        path = kept + text(draw.randrange(1 << 30), draw.randint(1, 60))
        known[i] = path if len(path) < 340 else systems[draw.randrange(2)] + text(draw.randrange(1 << 30), 20)
        if len(path) < 400 and tuple(path) not in seen:
            seen.add(tuple(path))
            at_s += draw.choice((0.5, 3.0, 45.0))
            made.append(request(np.array(path, dtype=np.int32), at_s))
    return made


def recorded(path: Path, form: Format, interleaving: Interleaving, n: int) -> list[TraceRequest]:
    """The first `n` requests of a recording, with one token for each whole block, so that all lengths shrink alike.

    Where all whole blocks of a prompt were known, its partial one, which nobody knew, comes as one token more: no
    prompt ends on a known path, since that is a question of logits.
    """
    known, made = Tree(), list[TraceRequest]()
    requests = load(path, form, interleaving).requests[:n]
    fresh = 1 + max(int(found.path.max()) for found in requests if len(found.path))
    for i, found in enumerate(requests):
        tokens = found.path
        if known.match(tokens).n_known == len(tokens):
            tokens = np.append(tokens, np.int32(fresh + i))
        known.insert(tokens)
        made.append(replace(found, path=tokens, n_prompt_tokens=len(tokens)))
    return made


def simulated(requests: Sequence[TraceRequest], n_fit: int, prices: Prices | None = None) -> list[int]:
    """The hits of each request, by the simulator."""
    policy = Segue(Store(Capacity(n_fit), _STATE if prices else MODEL, 1), Retention(), prices)
    return [policy.serve(found) for found in requests]


def served(
    requests: Sequence[TraceRequest], n_fit: int, monkeypatch: pytest.MonkeyPatch, prices: Prices | None = None
) -> list[int]:
    """The hits of each request, by the server's loop, with the clock of the recording."""
    n_most = max(len(found.path) for found in requests)
    sizes = Sizes(n_ctx=n_most + 8, n_parked=0, n_host_bytes=n_fit * _N_BYTES_STATE, n_batch=256, n_ubatch=256)
    rig = FakeRig(MemoryKind.RECURRENT, sizes, prices=prices)
    now = [0.0]
    assert rig.engine.shape.n_bytes_state == _N_BYTES_STATE
    cache = rig.cache
    monkeypatch.setattr(cache.entries, "clock", lambda: now[0])
    # The simulator counts no logits.
    monkeypatch.setattr(cache.host, "keep_logits", lambda *_: None)
    hits = []
    try:
        for found in requests:
            now[0] = found.at_s
            end = rig.send(found.path.tolist(), 0, marks=PromptMarks(message_ends=found.message_ends)).wait()
            rig.check()
            assert end.timings.cache_n + end.timings.prompt_n == len(found.path)
            hits.append(end.timings.cache_n)
    finally:
        rig.close()
    return hits


@pytest.mark.parametrize("n_fit", [8, 20, 1 << 14])
@pytest.mark.parametrize("seed", range(3))
def test_hits_agree_exactly(seed: int, n_fit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = conversations(seed, 120)
    hits = simulated(requests, n_fit)
    assert served(requests, n_fit, monkeypatch) == hits
    assert sum(hits) > 0


@pytest.mark.parametrize("n_fit", [8, 1 << 14])
@pytest.mark.parametrize("copy_tokens", [0.2, 29.5, 89.5])
def test_hits_agree_where_copies_are_priced(copy_tokens: float, n_fit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = conversations(4, 120)
    rate = _N_BYTES_STATE / copy_tokens
    hits = simulated(requests, n_fit, Unmeasured(rate, rate, token_s=1.0))
    assert served(requests, n_fit, monkeypatch, Unmeasured(rate, rate, token_s=1.0)) == hits
    assert sum(hits) > 0
    assert (hits == simulated(requests, n_fit)) == (copy_tokens < 64)


@pytest.mark.parametrize("n_fit", [4, 16, 1 << 14])
def test_hits_of_an_excerpt_agree_exactly(n_fit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = recorded(_EXCERPT, Format.CLAUDE_CODE, Interleaving(6), 200)
    hits = simulated(requests, n_fit)
    assert served(requests, n_fit, monkeypatch) == hits
    assert sum(hits) > 0.3 * sum(len(found.path) for found in requests)


@pytest.mark.parametrize(
    ("form", "name", "n_fit"),
    [
        (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", 8),
        (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", 32),
        (Format.MOONCAKE, "mooncake/conversation.jsonl.gz", 64),
    ],
)
def test_hits_of_a_recording_agree_exactly(
    form: Format, name: str, n_fit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = recorded(shared(name), form, Interleaving(16), 600)
    hits = simulated(requests, n_fit)
    assert served(requests, n_fit, monkeypatch) == hits
    assert sum(hits) > 0
