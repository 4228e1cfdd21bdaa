"""From items to the messages of a chat."""

from functools import partial
from typing import Any

import pytest

from segue.api.responses import messages
from segue.api.responses.reasoning import seal
from segue.serving.errors import ApiError

messages_of = partial(messages.messages_of, takes_late_system=True)
IMAGE = "[image omitted: this model reads text only]"
USER = {"role": "user", "content": "u"}
OUTPUT = {"type": "function_call_output", "call_id": "1", "output": "seen"}
SEEN = {"role": "tool", "tool_call_id": "1", "content": "seen"}


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}


def call(call_id: str = "1", name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc", "call_id": call_id, "name": name, "arguments": "{}", **fields}


def called(call_id: str = "1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_messages_of_every_role() -> None:
    items: list[dict[str, Any]] = [
        USER,
        said("a"),
        {"type": "message", **USER},
        {"role": "developer", "content": "d"},
        USER,
    ]
    roles = [(message["role"], message["content"]) for message in messages_of(items, None)]
    assert roles == [("user", "u"), ("assistant", "a"), ("user", "u"), ("developer", "d"), ("user", "u")]


def test_instructions_come_first_and_what_instructs_behind_them_joins_them() -> None:
    items = [{"role": "developer", "content": "d"}, {"role": "system", "content": "s"}, USER]
    assert messages_of(items, "i") == [{"role": "system", "content": "i\n\nd\n\ns"}, USER]
    assert messages_of(items, None) == [{"role": "developer", "content": "d\n\ns"}, USER]
    assert messages_of([USER], "") == [USER]


def test_late_instructions_come_from_the_user_where_the_template_wants_it_so() -> None:
    late = {"role": "developer", "content": "d"}
    assert messages_of([USER, late, USER], "i")[2:] == [late, USER]
    said_by_user = messages_of([USER, late, USER], "i", takes_late_system=False)
    assert said_by_user[2:] == [{"role": "user", "content": "d"}, USER]


def test_a_turn_of_the_assistant_is_one_message() -> None:
    items = [USER, thought("t"), said("a"), call("1"), call("2", "g"), OUTPUT, {**OUTPUT, "call_id": "2"}]
    assert messages_of(items, None) == [
        USER,
        {"role": "assistant", "content": "a", "reasoning_content": "t", "tool_calls": [called(), called("2", "g")]},
        SEEN,
        {**SEEN, "tool_call_id": "2"},
    ]


def test_a_turn_after_an_output_is_another_message() -> None:
    turn = {"role": "assistant", "content": None, "reasoning_content": "t", "tool_calls": [called()]}
    items = [USER, thought("t"), call(), OUTPUT, thought("t"), call(), OUTPUT]
    assert messages_of(items, None) == [USER, turn, SEEN, turn, SEEN]


def test_texts_and_thoughts_of_one_turn_are_joined() -> None:
    items = [USER, thought("t"), thought("v"), said("a"), said("b"), call(), said("\nc"), OUTPUT]
    assistant = messages_of(items, None)[1]
    assert assistant["content"] == "a\nb\nc"
    assert assistant["reasoning_content"] == "t\nv"


def test_sealed_reasoning_is_restored_and_foreign_passed_over() -> None:
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": seal("t")}
    foreign = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"}
    items: list[dict[str, Any]] = [USER, foreign, sealed, said("a"), USER]
    assert messages_of(items, None)[1] == {"role": "assistant", "content": "a", "reasoning_content": "t"}
    assert messages_of([USER, foreign, USER], None) == [USER, USER]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (call(namespace="mcp__x"), called(name="mcp__x__f")),
        (
            {"type": "custom_tool_call", "call_id": "1", "name": "p", "input": 'a"ä'},
            called(name="p", arguments='{"input": "a\\"ä"}'),
        ),
        (
            {"type": "local_shell_call", "call_id": "1", "action": {"type": "exec", "command": ["ls"]}},
            called(name="local_shell", arguments='{"type": "exec", "command": ["ls"]}'),
        ),
        (
            {"type": "shell_call", "call_id": "1", "action": {"commands": ["ls"]}},
            called(name="shell", arguments='{"commands": ["ls"]}'),
        ),
        (
            {"type": "apply_patch_call", "call_id": "1", "operation": {"path": "x"}},
            called(name="apply_patch", arguments='{"path": "x"}'),
        ),
    ],
)
def test_calls_of_every_kind(item: dict[str, Any], expected: dict[str, Any]) -> None:
    assert messages_of([USER, item, OUTPUT], None)[1]["tool_calls"] == [expected]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}, "a\nb"),
        ({"type": "custom_tool_call_output", "output": "x"}, "x"),
        ({"type": "local_shell_call_output", "call_id": None, "id": "1", "output": "x"}, None),
        ({"type": "shell_call_output", "output": {"stdout": "ö"}}, '{"stdout": "ö"}'),
        ({"type": "apply_patch_call_output", "output": None}, ""),
        ({"output": [{"type": "input_image", "image_url": "x"}, {"type": "odd", "name": "n"}]}, f"{IMAGE}\n[odd: n]"),
        ({"output": [3]}, "3"),
    ],
)
def test_outputs_of_every_kind(output: dict[str, Any], text: str | None) -> None:
    item = {**OUTPUT, **output}
    if text is None:
        del item["call_id"]
        text = "x"
    assert messages_of([USER, call(), item], None)[2] == {**SEEN, "content": text}


@pytest.mark.parametrize(
    "kind",
    ["web_search_call", "file_search_call", "mcp_list_tools", "tool_search_output", "compaction", "ghost_snapshot"],
)
def test_items_that_no_model_here_has_seen_are_passed_over(kind: str) -> None:
    assert messages_of([USER, {"type": kind, "id": "x"}], None) == [USER]


@pytest.mark.parametrize(
    ("item", "part"),
    [
        ({"type": ["message"]}, "input.1.type"),
        ({"type": None}, "input.1.type"),
        ({"role": "tool", "content": "x"}, "input.1.role"),
        ({"role": "user", "content": 3}, "input.1.content"),
        ({"type": "function_call", "call_id": "1", "name": "f"}, "input.1.arguments"),
        ({"type": "function_call", "call_id": "1", "arguments": "{}"}, "input.1.name"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "input.1.call_id"),
        ({"type": "custom_tool_call", "call_id": "1", "name": "f"}, "input.1.input"),
        ({"type": "function_call_output", "output": "x"}, "input.1.id"),
    ],
)
def test_what_cannot_be_understood(item: dict[str, Any], part: str) -> None:
    with pytest.raises(ApiError, match=part):
        messages_of([USER, item], None)
    with pytest.raises(ApiError, match=part.replace("1", "0", 1)):
        messages_of([USER, item], None, n_before=1)


def test_nothing_to_answer() -> None:
    with pytest.raises(ApiError, match="empty"):
        messages_of([], None)


def test_a_call_that_nobody_answered_stays() -> None:
    for behind in ([], [USER]):
        assert messages_of([USER, call(), *behind], None)[1]["tool_calls"][0]["id"] == "1"


def test_a_result_without_its_call_stays() -> None:
    assert messages_of([OUTPUT, USER], None) == [SEEN, USER]
