"""That the script's requests are what a careful client would send."""

import json
from itertools import pairwise

import pytest

from segue.api.intake.requests import ChatRequest
from segue.chat.template.template import ChatTemplate
from segue.demo.script import Step, steps
from segue.demo.vocabulary import CHAT_TEMPLATE

BY_NAME = {step.name: step for step in steps()}


def render(step: Step, **variables: bool) -> str:
    template = ChatTemplate(CHAT_TEMPLATE, "<|endoftext|>", "<|im_end|>")
    return template.render(step.messages, tools=step.tools, **variables).text


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_requests_are_well_formed(step: Step) -> None:
    request = ChatRequest.model_validate(step.body(8))
    json.dumps(step.body(8))
    roles = [message["role"] for message in request.messages]
    assert roles[0] == "system"
    assert roles[-1] in ("user", "tool")
    assert all(later == "assistant" for role, later in pairwise(roles) if role in ("user", "tool"))
    calls = [call["id"] for message in step.messages for call in message.get("tool_calls", ())]
    assert calls == [message["tool_call_id"] for message in step.messages if message["role"] == "tool"]
    assert len(step.name) <= 14


def test_texts_tokenise_to_a_token_a_byte() -> None:
    assert all(render(step).isascii() for step in steps())


def test_system_prompt_and_tools_are_most_of_what_is_sent() -> None:
    n_shared = render(BY_NAME["first question"]).index("<|im_end|>")
    assert 5500 < n_shared < 6500
    assert all(len(render(step)) < 1.5 * n_shared for step in steps())


def test_the_template_cuts_reasoning_once_the_user_speaks_again() -> None:
    assert render(BY_NAME["follow-up"], add_generation_prompt=False).count("<think>") == 0
    assert render(BY_NAME["another result"], add_generation_prompt=False).count("<think>") == 2
    assert render(BY_NAME["reasoning cut"], add_generation_prompt=False).count("<think>") == 0


def test_the_branches_part_at_one_message() -> None:
    a, b = BY_NAME["follow-up"].messages, BY_NAME["branch B"].messages
    assert a[:-1] == b[:-1]
    assert a[-1] != b[-1]
    assert BY_NAME["reasoning cut"].messages == BY_NAME["back to A"].messages


def test_only_the_minute_changes_in_the_system_prompt() -> None:
    names = ("new chat", "a minute later", "another minute")
    prompts = [BY_NAME[name].messages[0]["content"] for name in names]
    assert len(set(prompts)) == 3
    assert len({prompt[:-3] for prompt in prompts}) == 1
