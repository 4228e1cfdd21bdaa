"""Blocks to chat messages."""

from typing import Any

import pytest

from segue.api.anthropic.transcript import Transcript
from segue.serving.errors import ApiError

HEADER = "x-anthropic-billing-header: cc_version=1; cch=abc12;"
USE = {"type": "tool_use", "id": "toolu_123456789", "name": "ls", "input": {"path": "/"}}
CALL = {"id": "123456789", "type": "function", "function": {"name": "ls", "arguments": {"path": "/"}}}


def text(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def transcript(*turns: tuple[str, object], late: bool = True, drops: bool = True) -> Transcript:
    result = Transcript(takes_late_system=late, drops_billing_header=drops)
    for i, (role, content) in enumerate(turns):
        result.add(role, content, f"messages.{i}.content")
    return result


def messages(*turns: tuple[str, object], late: bool = True, drops: bool = True) -> list[dict[str, Any]]:
    return transcript(*turns, late=late, drops=drops).messages


def test_texts_and_blocks_of_text() -> None:
    assert messages(("system", "S"), ("user", text("a", "b")), ("assistant", text("c", "d")), ("user", "e")) == [
        {"role": "system", "content": text("S")},
        {"role": "user", "content": text("a", "b")},
        {"role": "assistant", "content": "cd"},
        {"role": "user", "content": text("e")},
    ]


def test_neighbours_of_one_role_are_one_message() -> None:
    turns = [("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", [USE]), ("system", "d"), ("system", "e")]
    assert messages(*turns) == [
        {"role": "user", "content": text("a", "b")},
        {"role": "assistant", "content": "c", "tool_calls": [CALL]},
        {"role": "system", "content": text("d", "e")},
    ]


def test_empty_messages_stay() -> None:
    assert messages(("user", []), ("assistant", [])) == [
        {"role": "user", "content": []},
        {"role": "assistant", "content": ""},
    ]


def test_thinking_and_calls() -> None:
    said = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "xyz"},
        *text("I look."),
        USE,
        {"type": "thinking", "thinking": "m"},
    ]
    assert messages(("assistant", said)) == [
        {"role": "assistant", "content": "I look.", "reasoning_content": "Hmm", "tool_calls": [CALL]}
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"content": "fine"}, "fine"),
        ({"content": text("a", "b")}, "a\nb"),
        ({"content": []}, ""),
        ({"content": None}, ""),
        ({}, ""),
        ({"content": [{"type": "document", "source": {"type": "text", "data": "doc"}}]}, "doc"),
        ({"content": "no such file", "is_error": True}, "Error: no such file"),
        ({"content": "<tool_use_error>no</tool_use_error>", "is_error": True}, "<tool_use_error>no</tool_use_error>"),
        ({"content": "x", "is_error": False}, "x"),
    ],
)
def test_results_of_tools(fields: dict[str, Any], said: str) -> None:
    result = {"type": "tool_result", "tool_use_id": "toolu_123456789", **fields}
    turns = [("assistant", [USE]), ("user", [result, *text("go on")])]
    assert messages(*turns)[1:] == [
        {"role": "tool", "tool_call_id": "123456789", "name": "ls", "content": said},
        {"role": "user", "content": text("go on")},
    ]


def test_a_result_of_an_unknown_call_has_no_name() -> None:
    result = {"type": "tool_result", "tool_use_id": "other", "content": "x"}
    assert messages(("user", [result])) == [{"role": "tool", "tool_call_id": "other", "content": "x"}]


def test_leading_system_messages_join_the_system_prompt_and_late_ones_go_where_the_template_takes_them() -> None:
    turns = [("system", "a"), ("system", "b"), ("user", "c"), ("system", "d"), ("assistant", "e")]
    start = {"role": "system", "content": text("a", "b")}
    end = {"role": "assistant", "content": "e"}
    user, late = {"role": "user", "content": text("c")}, {"role": "system", "content": text("d")}
    assert messages(*turns) == [start, user, late, end]
    assert messages(*turns, late=False) == [start, {"role": "user", "content": text("c", "d")}, end]


def test_the_billing_header_is_dropped() -> None:
    assert messages(("system", text(HEADER, "S"))) == [{"role": "system", "content": text("S")}]
    assert messages(("system", text(HEADER, "S")), drops=False) == [{"role": "system", "content": text(HEADER, "S")}]
    assert messages(("system", f"{HEADER}\nS")) == [{"role": "system", "content": text("S")}]
    assert messages(("system", HEADER)) == []
    assert messages(("user", HEADER)) == [{"role": "user", "content": text(HEADER)}]


def test_wishes_name_the_message_that_the_block_is_in() -> None:
    def kept(block: dict[str, Any], ttl: str | None = None) -> dict[str, Any]:
        return {**block, "cache_control": {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})}

    result = {"type": "tool_result", "tool_use_id": "toolu_123456789", "content": "x"}
    made = transcript(
        ("system", [kept(text("S")[0], "1h")]),
        ("user", [kept(text("a")[0], "5m"), *text("b")]),
        ("assistant", [kept(USE)]),
        ("user", [result, kept(result), *text("c")]),
    )
    assert made.wishes == [(0, 3600.0), (1, 300.0), (2, 300.0), (4, 300.0)]
    made.add_wish(300.0)
    assert made.wishes[-1] == (5, 300.0)


@pytest.mark.parametrize(
    ("block", "read"),
    [
        (
            {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
            "[image omitted: this model reads text only]",
        ),
        ({"type": "document", "source": {"type": "url", "url": "x"}}, "[file omitted: this model reads text only]"),
        ({"type": "document", "source": {"type": "text", "data": "plain"}}, "plain"),
        ({"type": "tool_reference", "tool_name": "Grep"}, "[tool_reference: Grep]"),
        ({"type": "text"}, ""),
        ({"type": "odd"}, "[odd]"),
    ],
)
def test_blocks_that_are_no_text(block: dict[str, Any], read: str) -> None:
    assert messages(("user", [block])) == [{"role": "user", "content": text(read)}]
    assert messages(("system", [block])) == [{"role": "system", "content": text(read)}]
    assert messages(("assistant", [block])) == [{"role": "assistant", "content": read}]
    result = {"type": "tool_result", "tool_use_id": "a", "content": [block, {"type": "text", "text": "x"}]}
    assert messages(("user", [result]))[0]["content"] == f"{read}\nx"


def test_results_of_any_form() -> None:
    for content, read in (({"a": 1}, '{"a": 1}'), (3, "3"), (["x", None, 3], "x\n\n3"), (None, "")):
        result = {"type": "tool_result", "tool_use_id": "a", "content": content}
        assert messages(("user", [result]))[0]["content"] == read


def test_input_of_any_form() -> None:
    for given, arguments in (('{"a": 1}', '{"a": 1}'), (None, {}), ([1], [1])):
        (call,) = messages(("assistant", [{**USE, "input": given}]))[0]["tool_calls"]
        assert call["function"]["arguments"] == arguments
    assert messages(("assistant", [{"type": "thinking"}])) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    ("role", "content", "type_", "part"),
    [
        ("user", 3, "invalid_request_error", "messages.0.content"),
        ("user", None, "invalid_request_error", "messages.0.content"),
        ("user", ["x"], "invalid_request_error", "messages.0.content"),
        ("user", [{"type": "tool_result"}], "invalid_request_error", "tool_use_id"),
        ("assistant", [{"type": "tool_use", "name": "x", "input": {}}], "invalid_request_error", "id"),
        ("user", [{"type": "text", "text": "x", "cache_control": 1}], "invalid_request_error", "cache_control"),
        (
            "user",
            [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}],
            "invalid_request_error",
            "messages.0.content.0.cache_control.ttl",
        ),
    ],
)
def test_what_is_refused(role: str, content: object, type_: str, part: str) -> None:
    with pytest.raises(ApiError) as caught:
        transcript((role, content))
    assert caught.value.failure.type == type_
    assert part in str(caught.value)
