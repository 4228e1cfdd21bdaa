"""`--reproducible`: replies and logits are the same bit for bit, whatever else is cached or running."""

import numpy as np
import pytest

from tests.conftest import MakeRig
from tests.kit.conversation import Prompt, chat, raw, text
from tests.kit.rig import Heard, Rig

SYSTEM = ("system", text(1, 300))


def turns() -> list[Prompt]:
    """A conversation with follow-ups, two branches, a repeat and a raw prompt."""
    history = [SYSTEM, ("user", text(2, 150))]
    prompts = [chat(*history)]
    for seed in range(3, 6):
        history += [("assistant", text(seed, 40)), ("user", text(seed + 10, 60))]
        prompts.append(chat(*history))
    prompts.append(chat(*history[:-1], ("user", text(30, 90))))
    prompts.append(prompts[1])
    prompts.append(raw(text(31, 400)))
    prompts.append(raw(np.append(text(31, 400), text(32, 50)).astype(np.int32)))
    return prompts


def outcome(heard: Heard) -> tuple[list[int], list[float]]:
    """Tokens, and the exact distances of the best two logits."""
    return heard.tokens, heard.margins


def cold(rig: Rig, prompt: Prompt) -> tuple[list[int], list[float]]:
    return outcome(rig.ask(prompt.tokens, 8, marks=prompt.marks, use_cache=False))


@pytest.mark.parametrize("flash_attention", ["off", "auto"])
def test_a_cached_reply_is_the_uncached_one_bit_for_bit(make_rig: MakeRig, flash_attention: str) -> None:
    cached = make_rig(reproducible=True, n_slots=2, n_ctx=1024, flash_attention=flash_attention)
    uncached = make_rig(reproducible=True, n_slots=2, n_ctx=1024, flash_attention=flash_attention)
    n_read = n_prompt = 0
    for prompt in turns():
        heard = cached.ask(prompt.tokens, 8, marks=prompt.marks)
        n_read += heard.n_read
        n_prompt += prompt.n
        assert outcome(heard) == cold(uncached, prompt)
    assert n_read < n_prompt / 2


def test_four_at_once_say_what_each_says_alone(make_rig: MakeRig) -> None:
    rig = make_rig(reproducible=True, n_slots=4, n_ctx=1024)
    alone = make_rig(reproducible=True, n_slots=4, n_ctx=1024)
    prompts = turns()
    for _ in range(2):
        replies = [rig.send(prompt.tokens, 8, marks=prompt.marks) for prompt in prompts]
        for prompt, heard in zip(prompts, replies, strict=True):
            heard.wait()
            assert outcome(heard) == cold(alone, prompt)
        rig.check()


def test_an_exact_repeat_reads_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(reproducible=True, n_slots=2, n_ctx=1024)
    prompt = turns()[2]
    first = rig.ask(prompt.tokens, marks=prompt.marks)
    again = rig.ask(prompt.tokens, marks=prompt.marks)
    assert again.n_read == 0
    assert outcome(again) == outcome(first)


def test_a_state_left_by_a_reply_is_not_used(make_rig: MakeRig) -> None:
    rig = make_rig(reproducible=True, n_slots=2, n_ctx=1024)
    first = raw(text(40, 200))
    heard = rig.ask(first.tokens, 20)
    onward = raw(first.tokens, np.array(heard.tokens, np.int32), text(41, 30))
    assert rig.ask(onward.tokens).n_read == onward.n
