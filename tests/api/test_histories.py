"""What a history may hold, in all three APIs: refusing it once would end the session, as it comes back every turn."""

from collections.abc import Iterator
from typing import Any

import pytest

from segue.chat.template.template import CHATML
from tests.kit.live import Live, live
from tests.kit.strict import STRICT

IMAGE = "[image omitted: this model reads text only]"
PNG = "data:image/png;base64,AAAA"
U = {"role": "user", "content": "U"}
A = {"role": "assistant", "content": "A"}
FUNCTION = {"name": "f", "arguments": "{}"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": FUNCTION}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "R"}
THOUGHT = {"role": "assistant", "reasoning_content": "Hm"}
START = "<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def strict() -> Iterator[Live]:
    """A server whose chat template refuses whatever any does."""
    with live(chat_template=STRICT["all"]) as running:
        yield running


def chatted(server: Live, *messages: dict[str, Any], **fields: Any) -> str:
    """The prompt that a chat becomes."""
    return prompt(server, "/v1/chat/completions", messages=list(messages), **fields)


def prompt(server: Live, path: str, **body: Any) -> str:
    response = server.post(path, **{"max_tokens": 1, "max_output_tokens": 1, **body})
    assert response.status_code == 200, response.text
    vocabulary = server.service.backend.vocabulary
    return b"".join(map(vocabulary.piece, server.loop.jobs[-1].tokens.tolist())).decode()


@pytest.mark.parametrize(
    "messages",
    [
        (U, A, A),
        (U, A, A, U),
        (U, A, CALL),
        (U, CALL, U),
        (U, CALL, CALL, RESULT, U),
        (U, CALL, A),
        (RESULT, U),
        (U, RESULT),
        (RESULT,),
        (A,),
        (CALL,),
        (THOUGHT,),
        (U, THOUGHT),
        (U, THOUGHT, U),
        (U, {"role": "assistant"}, U),
        (U, U),
        ({"role": "system", "content": "S"},),
        (U, {"role": "system", "content": "S"}, U, {"role": "developer", "content": "D"}),
        ({"role": "user"},),
        ({"role": "user", "content": None}, {"role": "tool", "content": {"degrees": 20}}),
        (U, CALL, {"role": "tool", "tool_call_id": "1", "content": [3, {"type": "odd"}]}, U),
        (U, {**CALL, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"x": '}}]}, RESULT),
        (U, {**CALL, "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "X"}}]}, RESULT, U),
    ],
)
def test_every_sequence_is_taken(server: Live, strict: Live, messages: tuple[dict[str, Any], ...]) -> None:
    for running in (server, strict):
        for fields in ({}, {"continue_final_message": True}, {"add_generation_prompt": True}):
            chatted(running, *messages, **fields)


def test_the_call_of_a_custom_tool_is_that_of_a_function() -> None:
    custom = {"id": "1", "type": "custom", "custom": {"name": "f", "input": 'say "x"'}}
    shows_calls = (
        "{% for message in messages %}{{ message.content or '' }}{% for call in message.tool_calls or [] %}"
        "{{ call.function.name }}({{ call.function.arguments.input }}){% endfor %};{% endfor %}"
    )
    with live(chat_template=shows_calls) as running:
        assert 'f(say "x");R;' in chatted(running, U, {**CALL, "tool_calls": [custom]}, RESULT)


def test_what_the_assistant_said_last_is_gone_on_with(server: Live, strict: Live) -> None:
    assert chatted(server, U, A, A).endswith(f"{START}A<|im_end|>\n{START}A")
    assert chatted(strict, U, A, A).endswith(f"U<|im_end|>\n{START}A\n\nA")
    assert chatted(strict, U, A, A, U).endswith(f"{START}A\n\nA<|im_end|>\n<|im_start|>user\nU<|im_end|>\n{START}")
    assert chatted(server, A).endswith(f"<s>{START}A")
    assert chatted(strict, A).endswith(f"<|im_start|>user\n<|im_end|>\n{START}A")


def test_a_call_is_closed_and_a_thought_that_the_template_cannot_write_is_left_out(server: Live) -> None:
    for fields in ({}, {"continue_final_message": True}):
        assert chatted(server, U, CALL, **fields).endswith(f"{START}<|im_end|>\n{START}")
        assert chatted(server, U, THOUGHT, **fields).endswith(f"U<|im_end|>\n{START}")


def test_a_reply_that_goes_on_changes_nothing_of_what_the_template_is_told() -> None:
    template = "{{ enable_thinking }}<think></think>" + CHATML
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    with live(chat_template=template) as running:
        for last, block, item in ((CALL, use, call), (A, {"type": "text", "text": "A"}, A)):
            asked = {"messages": [U, {"role": "assistant", "content": [block]}], "thinking": {"type": "enabled"}}
            for text in (
                chatted(running, U, last),
                prompt(running, "/v1/messages", **asked),
                prompt(running, "/v1/responses", input=[U, item]),
            ):
                assert text.removeprefix("<s>").startswith("True")


@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
def test_what_is_no_text_is_named_in_a_chat(server: Live, role: str) -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "tool_reference", "tool_name": "Grep"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}},
    ]
    said = f"See\n{IMAGE}\n[tool_reference: Grep]\n[file a.pdf omitted: this model reads text only]<|im_end|>"
    text = chatted(server, U, CALL, {"role": role, "content": parts, "tool_call_id": "1"}, U)
    assert said in text
    assert "AAAA" not in text


def test_what_is_no_text_is_named_in_messages(server: Live) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    reference = {"type": "tool_reference", "tool_name": "Grep"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [image, reference]}
    turns = [
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    text = prompt(server, "/v1/messages", messages=turns)
    assert f"user\n{IMAGE}<|im_end|>" in text
    assert f"tool\n{IMAGE}\n[tool_reference: Grep]<|im_end|>" in text
    # Its call went unanswered, and another result has none.
    turns = [*turns[:2], {"role": "user", "content": [{**result, "tool_use_id": "toolu_2"}, image]}, turns[1]]
    assert prompt(server, "/v1/messages", messages=turns).endswith(f"{START}<|im_end|>\n{START}")


def test_what_is_no_text_is_named_in_responses(server: Live) -> None:
    image = {"type": "input_image", "image_url": PNG}
    items = [
        {"role": "user", "content": [image]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": [image, {"type": "tool_reference", "name": "Grep"}]},
    ]
    text = prompt(server, "/v1/responses", input=items)
    assert f"user\n{IMAGE}<|im_end|>" in text
    assert f"tool\n{IMAGE}\n[tool_reference: Grep]<|im_end|>" in text
    assert prompt(server, "/v1/responses", input=[*items, *items[:2]]).endswith(f"{START}<|im_end|>\n{START}")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_the_other_apis_reach_strict_templates_too(strict: Live, path: str) -> None:
    field = "input" if path == "/v1/responses" else "messages"
    system = {"role": "system", "content": "S"}
    for turns in ((U, A, system, U), (A, A), (U, U), (A, U, system), (U, A)):
        prompt(strict, path, **{field: list(turns)})


def test_a_prompt_grows_with_its_conversation(strict: Live) -> None:
    """Reminders and broken turns leave all that came before them as it was."""
    system, note = {"role": "system", "content": "S"}, {"role": "system", "content": "note"}
    turns: list[dict[str, Any]] = [system, U, A, note, U, A, U, CALL, RESULT, A, U]
    before = ""
    for n in range(2, len(turns) + 1):
        text = chatted(strict, *turns[:n], add_generation_prompt=True, continue_final_message=False)
        assert text.startswith(before)
        before = text.removesuffix(START).removesuffix("<|im_end|>\n")
