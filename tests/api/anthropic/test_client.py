"""Anthropic's own client."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic.types import MessageParam, TextBlock, ThinkingBlock, ToolParam, ToolUseBlock

from tests.kit.byte_vocabulary import EOS
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

SAID = '<think>Hm</think>I look.<tool_call>{"name": "ls", "arguments": {"path": "/"}}</tool_call>'
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
TOOLS: list[ToolParam] = [
    {"name": "ls", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}},
]


@pytest.fixture(scope="module")
def keyed() -> Iterator[Live]:
    with live(FakeLoop(reply=lambda _: [*SAID.encode(), EOS]), api_key=["k"]) as running:
        yield running


@pytest.fixture
def client(keyed: Live) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=keyed.url, api_key="k", max_retries=0) as client:
        yield client


def check(message: anthropic.types.Message) -> None:
    thinking, text, call = message.content
    assert isinstance(thinking, ThinkingBlock)
    assert isinstance(text, TextBlock)
    assert isinstance(call, ToolUseBlock)
    assert (thinking.thinking, text.text) == ("Hm", "I look.")
    assert thinking.signature
    assert (call.name, call.input) == ("ls", {"path": "/"})
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens == len(SAID) + 1


def test_whole_messages(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="m", max_tokens=2000, messages=HELLO, tools=TOOLS, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    check(message)


def test_streams(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model="m", max_tokens=2000, messages=HELLO, tools=TOOLS, thinking={"type": "adaptive"}
    ) as stream:
        assert "".join(stream.text_stream) == "I look."
        check(stream.get_final_message())


def test_a_turn_goes_on_with_what_the_client_got(client: anthropic.Anthropic, keyed: Live) -> None:
    first = client.messages.create(model="m", max_tokens=2000, messages=HELLO, tools=TOOLS)
    call = first.content[-1]
    assert isinstance(call, ToolUseBlock)
    messages: list[MessageParam] = [
        *HELLO,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "bin"}]},
    ]
    counted = client.messages.count_tokens(model="m", messages=messages, tools=TOOLS)
    check(client.messages.create(model="m", max_tokens=2000, messages=messages, tools=TOOLS))
    assert counted.input_tokens == len(keyed.loop.jobs[-1].tokens)


def test_errors_have_types(client: anthropic.Anthropic, keyed: Live) -> None:
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(model="m", max_tokens=-9, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "x" * 5000}])
    with (
        anthropic.Anthropic(base_url=keyed.url, api_key="wrong", max_retries=0) as wrong,
        pytest.raises(anthropic.AuthenticationError),
    ):
        wrong.messages.create(model="m", max_tokens=9, messages=HELLO)
    with anthropic.Anthropic(base_url=keyed.url, auth_token="k", max_retries=0) as bearer:
        check(bearer.messages.create(model="m", max_tokens=2000, messages=HELLO, tools=TOOLS))
