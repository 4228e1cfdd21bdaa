"""Replays, and the figures that are known of the shared recordings."""

import pytest

from segue.sim.capacity import parse
from segue.sim.cost import Cost
from segue.sim.registry import POLICIES, Setting
from segue.sim.replay import Result, oracle_hit_tokens, replay
from segue.sim.trace import Format, Interleaving, Trace, load
from tests.sim.making import MODEL, join, request, span
from tests.sim.shared import shared

COST = Cost(MODEL, read_tokens_per_s=100.0, copy_bytes_per_s=1e12)
SYSTEM, A, B, MORE = span(100), span(50, 1000), span(60, 2000), span(40, 3000)
TRACE = Trace(
    "small",
    10,
    (
        request(join(SYSTEM, A), 0.0, n_block=10),
        request(join(SYSTEM, B), 5.0, n_block=10),
        request(join(SYSTEM, A, MORE), 10.0, n_block=10),
        request(join(SYSTEM, A, MORE), 15.0, n_block=10),
    ),
)


def result(trace: Trace, name: str, capacity: str = "inf") -> Result:
    policy = POLICIES[name](Setting(trace, MODEL, parse(capacity)))
    return replay(trace, policy, COST, name=name, capacity=capacity, n_oracle=oracle_hit_tokens(trace))


def test_what_a_replay_counts() -> None:
    found = result(TRACE, "lru")
    assert (found.requests, found.prompt_tokens) == (4, 10 * (150 + 160 + 190 + 190))
    assert found.oracle_hit_tokens == 10 * (100 + 150 + 190)
    assert found.hit_tokens == 10 * (150 + 190)
    assert (found.checkpoints_taken, found.checkpoints_read_back) == (3, 2)
    assert found.bytes_peak == 3 * MODEL.n_bytes_state + 10 * (190 + 60) * MODEL.n_bytes_cell
    assert found.ttft_p50_s == pytest.approx((COST.first_token_s(1900, 1500) + COST.first_token_s(1500, 0)) / 2)


def test_no_policy_beats_the_oracle_or_its_room() -> None:
    for name in POLICIES:
        for capacity in ("1", "2", "inf", "1GiB"):
            found = result(TRACE, name, capacity)
            assert 0 <= found.hit_tokens <= found.oracle_hit_tokens
            assert found.checkpoints_read_back <= found.checkpoints_taken
            limit = parse(capacity).n_bytes
            assert name == "attention" or found.bytes_peak <= limit


def test_each_replay_is_the_same_again() -> None:
    for name in POLICIES:
        assert result(TRACE, name, "2") == result(TRACE, name, "2")


@pytest.mark.parametrize(
    ("form", "name", "n_share"),
    [
        (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", 0.993),
        (Format.MOONCAKE, "mooncake/conversation.jsonl.gz", 0.936),
    ],
)
def test_a_checkpoint_at_each_end_with_unlimited_room(form: Format, name: str, n_share: float) -> None:
    trace = load(shared(name), form, Interleaving())
    assert result(trace, "lru").of_oracle == pytest.approx(n_share, abs=0.001)


def test_as_many_checkpoints_as_conversations() -> None:
    path = shared("claude-code/conversations.jsonl.gz")
    trace = load(path, Format.CLAUDE_CODE, Interleaving(32, 1, 200))
    shares = {name: result(trace, name, "32").of_oracle for name in ("lru", "lru_grid", "clairvoyant")}
    assert shares["lru"] == pytest.approx(0.53, abs=0.02)
    assert shares["lru_grid"] < 0.06
    assert shares["clairvoyant"] > 0.99
