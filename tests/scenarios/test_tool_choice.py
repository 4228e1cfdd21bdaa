"""A call that the client demands, from tiny models that would never write it by themselves."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.models import model_path
from tests.kit.served import Served, served

PARAMETERS = {
    "type": "object",
    "properties": {"what": {"type": "string", "enum": ["door", "wall"]}, "far": {"type": "integer", "maximum": 9}},
    "required": ["what", "far"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": PARAMETERS, "strict": True}}
    for name in ("look", "open")
]
ASK = [{"role": "user", "content": "Do something."}]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(model_path("qwen35"), "-c", "4096", "-np", "4") as server:
        yield server


def ask(server: Served, **fields: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"temperature": 1.0, "max_tokens": 800, "ignore_eos": False, "tools": TOOLS}
    defaults["chat_template_kwargs"] = {"enable_thinking": False}
    choice = server.chat(ASK, **defaults | fields)["choices"][0]
    return dict(choice)


@pytest.mark.parametrize("seed", range(4))
def test_a_required_call(server: Served, seed: int) -> None:
    choice = ask(server, tool_choice="required", parallel_tool_calls=False, seed=seed)
    (call,) = choice["message"]["tool_calls"]
    arguments = json.loads(call["function"]["arguments"])
    assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] in ("look", "open")
    assert arguments["what"] in ("door", "wall")
    assert arguments["far"] <= 9


@pytest.mark.parametrize("seed", range(4))
def test_a_call_of_the_tool_that_is_named(server: Served, seed: int) -> None:
    choice = ask(server, tool_choice={"type": "function", "function": {"name": "open"}}, seed=seed)
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["open"]


def test_anthropics_words_for_it(server: Served) -> None:
    tools = [{"name": "look", "input_schema": PARAMETERS}]
    body: dict[str, Any] = {
        "messages": ASK,
        "tools": tools,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "max_tokens": 800,
    }
    body["thinking"] = {"type": "disabled"}
    message = server.client.post("/v1/messages", json=body).json()
    assert message["stop_reason"] == "tool_use"
    assert message["content"][-1]["input"]["what"] in ("door", "wall")


def test_what_the_reply_must_be_comes_after_the_reasoning(server: Served) -> None:
    kwargs = {"enable_thinking": True}
    fields: dict[str, Any] = {"regex": "[a-c]{3}", "logit_bias": {"</think>": 8}, "seed": 1}
    choice = ask(server, tools=None, chat_template_kwargs=kwargs, **fields)
    assert choice["finish_reason"] == "stop"
    assert set(choice["message"]["content"]) <= set("abc")
    assert choice["message"]["reasoning_content"]
