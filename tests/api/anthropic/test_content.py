"""Parts of replies to content blocks."""

import json

from segue.api.anthropic.content import SIGNATURE, ContentWriter, content_of
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought

PARTS: list[Part] = [
    Thought("Hm"),
    Thought("m"),
    Text("I "),
    Text("look."),
    CallOpened(0, "ls"),
    CallArguments(0, '{"path"'),
    CallArguments(0, ': "/"}'),
    CallClosed(0),
    CallOpened(1, "pwd"),
    CallArguments(1, "{}"),
    CallClosed(1),
]


def events(parts: list[Part]) -> list[dict[str, object]]:
    writer = ContentWriter()
    return [*(event for part in parts for event in writer.add(part)), *writer.finish()]


def test_blocks() -> None:
    thinking, text, ls, pwd = content_of(PARTS)
    assert thinking == {"type": "thinking", "thinking": "Hmm", "signature": SIGNATURE}
    assert text == {"type": "text", "text": "I look."}
    assert ls | {"id": ""} == {"type": "tool_use", "id": "", "name": "ls", "input": {"path": "/"}}
    assert pwd | {"id": ""} == {"type": "tool_use", "id": "", "name": "pwd", "input": {}}
    assert ls["id"].startswith("toolu_")
    assert ls["id"] != pwd["id"]
    assert content_of([]) == []


def test_events_open_fill_and_close_one_block_after_another() -> None:
    told = [(event["type"], event["index"]) for event in events(PARTS)]
    start, delta, stop = (f"content_block_{what}" for what in ("start", "delta", "stop"))
    assert told == [
        *[(start, 0), (delta, 0), (delta, 0), (delta, 0), (stop, 0)],
        *[(start, 1), (delta, 1), (delta, 1), (stop, 1)],
        *[(start, 2), (delta, 2), (delta, 2), (stop, 2)],
        *[(start, 3), (delta, 3), (stop, 3)],
    ]
    kinds = [event["delta"]["type"] for event in events(PARTS) if isinstance(event.get("delta"), dict)]  # type: ignore[index]
    assert kinds == [
        *["thinking_delta", "thinking_delta", "signature_delta"],
        *["text_delta", "text_delta", "input_json_delta", "input_json_delta", "input_json_delta"],
    ]


def test_arguments_that_cannot_be_said_again_are_kept_as_text() -> None:
    arguments = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    call, text = content_of([CallOpened(0, "f"), CallArguments(0, arguments), CallClosed(0)])
    assert call["input"] == {}
    assert text == {"type": "text", "text": arguments}


def test_only_complete_calls_count() -> None:
    writer = ContentWriter()
    parts: list[Part] = [CallOpened(0, "f"), CallArguments(0, '{"a": '), Text("so")]
    parts += [CallOpened(1, "f"), CallArguments(1, "{}")]
    told = [event["type"] for part in parts for event in writer.add(part)]
    assert told.count("content_block_start") == 3
    assert writer.n_calls == 0
    assert not list(writer.add(CallClosed(1)))
    assert writer.n_calls == 1


def test_a_call_without_arguments_has_none() -> None:
    (call,) = content_of([CallOpened(0, "f"), CallArguments(0, "{}"), CallClosed(0)])
    assert call["input"] == {}
    assert json.dumps(call)
