"""What of a request reaches the model, and what is refused."""

import json
from typing import Any

import pytest

from segue.api.intake.requests import ChatRequest
from segue.api.responses.request import ResponsesRequest
from segue.api.responses.tools import read_tools
from tests.api.responses.kit import FUNCTION, PATH
from tests.kit.live import Live

USER = {"role": "user", "content": "u"}


def chat(*, messages: list[dict[str, Any]] | None = None, **body: Any) -> ChatRequest:
    request = ResponsesRequest.model_validate(body)
    return request.chat(messages or [USER], read_tools(request.tools or ()))


def test_a_text_is_a_message_of_the_user() -> None:
    assert ResponsesRequest(input="u").items == [{"type": "message", **USER}]
    assert ResponsesRequest(input=[USER]).items == [USER]
    assert ResponsesRequest().items == []


def test_fields_keep_their_meaning_under_the_names_of_the_chat_api() -> None:
    tool = {"type": "function", "function": {key: FUNCTION[key] for key in ("name", "description", "parameters")}}
    request = chat(
        tools=[FUNCTION],
        tool_choice="none",
        parallel_tool_calls=False,
        reasoning={"effort": "high"},
        max_output_tokens=7,
        temperature=0.5,
        top_p=0.25,
        stream=True,
        top_k=3,
        id_slot=1,
        cache_prompt=False,
        stop=["x"],
        chat_template_kwargs={"a": 1},
    )
    assert request.tools == [tool]
    assert (request.tool_choice, request.parallel_tool_calls, request.reasoning_effort) == ("none", False, "high")
    assert (request.limit(-1), request.temperature, request.top_p, request.stream) == (7, 0.5, 0.25, True)
    assert (request.top_k, request.id_slot, request.cache_prompt, request.stops) == (3, 1, False, ["x"])
    assert request.chat_template_kwargs == {"a": 1}


def test_what_is_absent_stays_absent() -> None:
    fields = {name: value for name, value in dict(chat()).items() if value is not None}
    assert fields == {"messages": [USER]}


def test_there_is_one_choice() -> None:
    assert chat(n=3, n_cmpl=4).n_choices == 1


def test_effort_has_two_names() -> None:
    assert chat(reasoning_effort="low").reasoning_effort == "low"
    assert chat(reasoning_effort="low", reasoning={"effort": "none"}).reasoning_effort == "none"


def test_structured_output() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    described = {"name": "n", "schema": schema, "strict": True}
    assert chat(text={"format": wanted}).response_format == {"type": "json_schema", "json_schema": described}
    assert chat(text={"format": {"type": "json_object"}}).response_format == {"type": "json_object"}
    assert chat(text={"format": {"type": "text"}, "verbosity": "low"}).response_format is None
    assert chat(json_schema=schema).json_schema == schema


def test_the_client_says_whether_a_text_is_continued() -> None:
    said = {"role": "assistant", "content": "a"}
    assert chat(messages=[USER, said]).continue_final_message is None
    assert chat(messages=[USER, said], continue_final_message=False).continue_final_message is False


@pytest.mark.parametrize(
    ("reasoning", "wants_summary"),
    [
        (None, False),
        ({"effort": "high"}, False),
        ({"summary": "none"}, False),
        ({"summary": "auto"}, True),
        ({"generate_summary": "concise"}, True),
    ],
)
def test_who_wants_a_summary(reasoning: dict[str, str] | None, wants_summary: bool) -> None:
    assert ResponsesRequest.model_validate({"reasoning": reasoning}).wants_summary is wants_summary


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({"input": None}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": 3}, 400, "input"),
        ({"input": [3]}, 400, "input"),
        ({"instructions": 3}, 400, "instructions"),
        ({"tools": 3}, 400, "tools"),
        ({"tools": [{"type": "function"}]}, 400, "tools.0.name"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "other"}}, 400, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, 400, "text.format"),
        ({"text": {"format": {"type": ["text"]}}}, 400, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, 400, "text.format"),
        ({"text": {"format": {"type": "json_object"}}, "grammar": 'root ::= "x"'}, 400, "'text.format' and 'grammar'"),
        ({"text": {"format": {"type": "json_object", "schema": {"not": {}}}}}, 400, "'text.format': "),
        ({"text": {"format": {"type": "json_schema", "schema": {"type": "odd"}}}}, 400, "'text.format': "),
        ({"text": {"format": {"type": "json_schema", "schema": {"enum": []}}}}, 400, "'text.format': "),
        ({"response_format": {"type": "json_object", "schema": {"not": {}}}}, 400, "'response_format': "),
        ({"reasoning": {"effort": 3}}, 400, "effort"),
        ({"max_output_tokens": -1}, 400, "max_output_tokens"),
        ({"temperature": "-1"}, 400, "temperature"),
        ({"store": "no"}, 400, "store"),
        ({"previous_response_id": "resp_1"}, 400, "Previous response with id 'resp_1' not found"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 404, "Item with id 'msg_1' not found"),
        ({"input": [{"id": "msg_1"}]}, 404, "Item with id 'msg_1' not found"),
        ({"input": [{"id": 3}]}, 404, "Item with id"),
        ({"background": True}, 501, "background"),
        ({"conversation": "conv_1"}, 501, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, 501, "prompt"),
        ({"include": ["message.output_text.logprobs"]}, 501, "include"),
        ({"include": "x"}, 400, "include"),
        ({"chat_template_kwargs": {"tools": 1}}, 400, "chat_template_kwargs"),
    ],
)
def test_what_is_refused(server: Live, fields: dict[str, Any], status: int, part: str) -> None:
    for is_streamed in (False, True):
        response = server.post(PATH, **{"input": "u", "stream": is_streamed, **fields})
        error = response.json()["error"]
        assert response.status_code == error["code"] == status, error
        assert part in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "any", "metadata": {"a": "b"}, "user": "u", "prompt_cache_key": "k", "safety_identifier": "s"},
        {"truncation": "auto", "include": ["reasoning.encrypted_content"], "service_tier": "auto", "top_logprobs": 2},
        {"tools": [{"type": "web_search"}], "tool_choice": "auto", "max_tool_calls": 3, "client_metadata": {"a": 1}},
        {"instructions": None, "tools": None, "text": None, "reasoning": None, "stream_options": None, "store": None},
        {"stream_options": {"include_obfuscation": False}, "prompt_cache_retention": "24h", "background": False},
        {"reasoning": {"effort": "minimal", "summary": "auto", "context": "x"}, "text": {"verbosity": "low"}},
        {"previous_response_id": None, "conversation": None, "prompt": None, "parallel_tool_calls": True},
    ],
)
def test_what_is_tolerated(server: Live, fields: dict[str, Any]) -> None:
    assert server.post(PATH, input="u", **fields).status_code == 200
    assert server.post("/responses", input="u", **fields).status_code == 200


def test_the_echo_of_the_settings(server: Live) -> None:
    bare = server.post(PATH, input="u").json()
    defaults = server.service.sampling
    assert (bare["temperature"], bare["top_p"]) == (defaults.temperature, defaults.top_p)
    assert (bare["tool_choice"], bare["tools"], bare["parallel_tool_calls"]) == ("auto", [], True)
    assert bare["text"] == {"format": {"type": "text"}, "verbosity": "medium"}
    assert bare["reasoning"] == {"effort": None, "summary": None}
    assert (bare["metadata"], bare["instructions"], bare["store"]) == ({}, None, True)
    said = {
        "instructions": "i",
        "temperature": 0.5,
        "top_p": 0.25,
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "tools": [FUNCTION, {"type": "web_search"}],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "store": False,
        "user": "u",
        "prompt_cache_key": "k",
    }
    echo = server.post(PATH, input="u", **said).json()
    assert json.dumps({key: echo[key] for key in said}) == json.dumps(said)
