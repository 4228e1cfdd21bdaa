"""S29: a new message reads only itself, whether the client returns the reasoning or leaves it out."""

from typing import Any, Final

import httpx
import pytest

from segue.demo.vocabulary import CHAT_TEMPLATE
from tests.kit.acted import Acted, acted
from tests.kit.waiting import PATIENCE_S
from tests.peer.prompts import templates

N_TURNS: Final = 4
# What the model says last of a turn is not yet in its context.
N_AGAIN: Final = 1
FORGETS: Final = "reasoning and loop.index0 > last.user"
QUESTIONS: Final = [{"role": "user", "content": f"Question {i}: " + "why? " * 20} for i in range(N_TURNS)]
SYSTEM: Final = {"role": "system", "content": "You answer questions. " * 10}
ASKS: Final = {
    "preserve_thinking": "preserve_thinking",
    "clear_thinking": "(clear_thinking is defined and not clear_thinking)",
    "truncate_history_thinking": "not (truncate_history_thinking if truncate_history_thinking is defined else true)",
    "drop_thinking": "not drop_thinking | default(true)",
}
"""How templates ask whether earlier reasoning stays; all drop it unless they are told."""
MODELS: Final = {
    "LFM2.5-8B-A1B": "<think>Let me see. {}</think>So it is.",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "Let me see. {}\n</think>\nSo it is.",
    "GLM-4.7-Flash": "Let me see. {}</think>So it is.",
}
"""llama.cpp's templates, and what their models write behind the generation prompt."""
THOUGHT: Final = "Therefore. " * 10


def read_again(server: Acted, *, returns: bool, **fields: Any) -> list[int]:
    """How many known tokens each turn but the first reads again; `returns`: the client sends the reasoning back."""
    messages: list[dict[str, Any]] = [SYSTEM]
    found = []
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        for question in QUESTIONS:
            messages.append(question)
            reply = client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 400, **fields}).json()
            said = reply["choices"][0]["message"]
            assert THOUGHT.strip() in said["reasoning_content"]
            assert said["content"].strip() == "So it is."
            kept = ("role", "content", "reasoning_content") if returns else ("role", "content")
            messages.append({name: said[name] for name in kept})
            found.append(reply["cache"]["n_read"] - reply["cache"]["new"])
    return found[1:]


@pytest.mark.parametrize("returns", [True, False], ids=["returned", "left out"])
@pytest.mark.parametrize("name", ASKS)
def test_s29_a_new_message_reads_only_itself(name: str, returns: bool) -> None:
    assert FORGETS in CHAT_TEMPLATE
    template = CHAT_TEMPLATE.replace(FORGETS, f"reasoning and ({ASKS[name]} or loop.index0 > last.user)")
    with acted(lambda _: f"Let me see. {THOUGHT}\n</think>\n\nSo it is.", template=template) as server:
        assert max(read_again(server, returns=returns)) <= N_AGAIN


def test_s29_reasoning_that_is_to_go_is_read_over() -> None:
    template = CHAT_TEMPLATE.replace(FORGETS, f"reasoning and ({ASKS['drop_thinking']} or loop.index0 > last.user)")
    with acted(lambda _: f"Let me see. {THOUGHT}\n</think>\n\nSo it is.", template=template) as server:
        told = {"chat_template_kwargs": {"preserve_reasoning": False}}
        assert min(read_again(server, returns=True, **told)) > N_AGAIN


@pytest.mark.acceptance
@pytest.mark.parametrize("returns", [True, False], ids=["returned", "left out"])
@pytest.mark.parametrize("name", MODELS)
def test_s29_so_it_is_with_the_templates_of_models(name: str, returns: bool) -> None:
    with acted(lambda _: MODELS[name].format(THOUGHT), template=templates("llama.cpp")[name]) as server:
        assert max(read_again(server, returns=returns)) <= N_AGAIN
