"""Requests to chat requests."""

from typing import Any

import pytest

from segue.api.anthropic.conversion import to_chat
from segue.api.anthropic.requests import MessagesRequest
from segue.api.intake.requests import ChatRequest
from segue.serving.errors import ApiError

HELLO = [{"role": "user", "content": "Hello"}]
EPHEMERAL = {"type": "ephemeral"}


def convert(**fields: Any) -> tuple[ChatRequest, tuple[tuple[int, float], ...]]:
    request = MessagesRequest.model_validate({"messages": HELLO, **fields})
    return to_chat(request, takes_late_system=True, drops_billing_header=True, may_think=True)


def test_what_both_apis_have_keeps_its_meaning() -> None:
    chat, wishes = convert(
        max_tokens=5, temperature=0.5, top_p=0.9, top_k=3, stream=True, id_slot=2, cache_prompt=False, n=3, model="m"
    )
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.top_k, chat.stream) == (5, 0.5, 0.9, 3, True)
    assert (chat.id_slot, chat.cache_prompt) == (2, False)
    assert chat.n_choices == 1
    assert chat.tools is None
    assert wishes == ()


def test_every_field_of_a_chat_request_is_set_as_if_it_had_been_checked() -> None:
    chat, _ = convert(stop_sequences=["a", ""], thinking={"type": "disabled"})
    checked = ChatRequest.model_validate(chat.model_dump(exclude_none=True))
    assert checked.model_dump() == chat.model_dump()
    assert chat.stops == ["a"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"enable_thinking": True}),
        ({"thinking": {"type": "adaptive"}}, {"enable_thinking": True}),
        ({"thinking": {"type": "between_tools"}}, {"enable_thinking": True}),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False}),
        ({"chat_template_kwargs": {"a": 1}}, {"a": 1}),
        (
            {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"enable_thinking": True}},
            {"enable_thinking": True},
        ),
    ],
)
def test_thinking(fields: dict[str, Any], expected: object) -> None:
    assert convert(**fields)[0].chat_template_kwargs == expected


def test_output_config() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "schema": schema}
    chat, _ = convert(output_config={"effort": "high", "format": wanted})
    assert chat.reasoning_effort == "high"
    assert chat.response_format == {"type": "json_schema", "json_schema": {"schema": schema}}
    assert convert(output_format=wanted)[0].response_format == chat.response_format
    assert convert(reasoning_effort="low", output_config={"effort": "high"})[0].reasoning_effort == "low"


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "output_config.format"),
        ({"output_format": {"type": "json_schema", "schema": {}}}, "output_format"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_the_format_keeps_the_name_that_the_client_gave_it(fields: dict[str, Any], called: str) -> None:
    assert convert(**fields)[0].format_field == called


def test_tool_choice_and_parallel_calls() -> None:
    tools = [{"name": "ls", "input_schema": {}}]
    chat, _ = convert(tools=tools, tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert (chat.tool_choice, chat.parallel_tool_calls) == ("required", False)
    assert convert(tools=tools, parallel_tool_calls=True)[0].parallel_tool_calls is True
    assert convert(tools=[{"type": "web_search_20250305", "name": "web_search"}])[0].tools is None


def test_wishes_come_from_tools_blocks_and_the_request() -> None:
    fields: dict[str, Any] = {
        "tools": [{"name": "ls", "input_schema": {}, "cache_control": EPHEMERAL}],
        "system": [{"type": "text", "text": "S", "cache_control": {**EPHEMERAL, "ttl": "1h"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": EPHEMERAL}]}],
        "cache_control": EPHEMERAL,
    }
    assert convert(**fields)[1] == ((-1, 300.0), (0, 3600.0), (1, 300.0), (1, 300.0))
    fields["tools"] *= 2
    with pytest.raises(ApiError, match="at most 4"):
        convert(**fields)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"messages": [{"content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"thinking": {"type": ["enabled"]}}, "thinking.type"),
        ({"thinking": {}}, "thinking.type"),
        ({"output_config": {"effort": 3}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format"),
        ({"output_format": {"type": "xml"}}, "output_format"),
        ({"cache_control": {"type": "eternal"}}, "cache_control"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(ApiError, match=part):
        convert(**fields)
