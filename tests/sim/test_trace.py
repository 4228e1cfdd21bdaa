"""Conversations beside each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from segue.sim.replay import oracle_hit_tokens
from segue.sim.request import TraceRequest
from segue.sim.trace import Format, Interleaving, interleave, load
from segue.sim.traces.error import TraceError
from tests.sim.making import request, span
from tests.sim.shared import shared


def conversation(number: int, *times_s: float) -> list[TraceRequest]:
    return [replace(request(span(4), at_s), conversation=number) for at_s in times_s]


def test_gaps_are_held_between_a_second_and_a_minute() -> None:
    laid = interleave(conversation(0, 100.0, 100.0, 130.0, 500.0), Interleaving(concurrency=1))
    assert [found.at_s for found in laid] == [0.0, 1.0, 31.0, 91.0]


def test_the_next_conversation_starts_ten_seconds_after_one_ends() -> None:
    three = [found for number in range(3) for found in conversation(number, 0.0, 5.0)]
    laid = interleave(three, Interleaving(concurrency=2))
    assert [found.at_s for found in laid] == [0.0, 0.0, 5.0, 5.0, 15.0, 20.0]
    assert len({found.conversation for found in laid[:2]}) == 2


def test_a_seed_decides_which_and_in_what_order() -> None:
    many = [found for number in range(20) for found in conversation(number, 0.0)]
    orders = [[found.conversation for found in interleave(many, Interleaving(1, seed, 5))] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert [len(order) for order in orders] == [5, 5, 5]


def test_what_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    for text in ('{"c": "a"}', "[1]", "nothing"):
        path.write_text(text)
        for form in Format:
            with pytest.raises(TraceError, match=f"is not a {form.value} trace"):
                load(path, form, Interleaving())


@pytest.mark.parametrize(
    ("form", "name", "n_requests", "share"),
    [
        (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", 24_669, 0.963),
        (Format.MOONCAKE, "mooncake/conversation.jsonl.gz", 12_031, 0.374),
    ],
)
def test_what_can_be_hits(form: Format, name: str, n_requests: int, share: float) -> None:
    trace = load(shared(name), form, Interleaving())
    assert len(trace.requests) == n_requests
    assert oracle_hit_tokens(trace) / trace.n_prompt_tokens == pytest.approx(share, abs=0.001)
