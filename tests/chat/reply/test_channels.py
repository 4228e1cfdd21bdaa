"""Messages with headers: reasoning, text and calls, each told by its header."""

import pytest

from segue.chat.reply.whole import Whole
from tests.chat.reply.kit import merged, parse, tool, whole

THOUGHT = "<|channel|>analysis<|message|>thought<|end|>"
CALL = '<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>'
FINAL = "<|start|>assistant<|channel|>final<|message|>answer<|return|>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (THOUGHT + FINAL, Whole("answer", "thought", ())),
        (THOUGHT + CALL + FINAL, Whole("answer", "thought", (("f", '{"a": 1}'),))),
        ("plain text", Whole("plain text", "", ())),
        (FINAL, Whole("answer", "", ())),
        ("<|message|>answer", Whole("answer", "", ())),
        ("<|channel|>analysis<|message|>thought" + FINAL, Whole("answer", "thought", ())),
        (THOUGHT + CALL.replace("}", ""), Whole(CALL.replace("}", ""), "thought", ())),
        (THOUGHT + CALL + CALL[:-9], Whole("", "thought", (("f", '{"a": 1}'),))),
        (THOUGHT + "<|start|>assistant<|channel|>fin", Whole("", "thought", ())),
        (THOUGHT + "<|start|>what: is this", Whole("<|start|>what: is this", "thought", ())),
        (CALL.replace('{"a": 1}', "[1]"), Whole(CALL.replace('{"a": 1}', "[1]"), "", ())),
    ],
)
def test_messages(text: str, said: Whole) -> None:
    assert whole("gpt-oss", text) == said


TOOLS = [tool("ping"), tool("f", a={"type": "integer"}, q={"type": "string"})]
PING = (("ping", "{}"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<|channel|>final The answer is 42.", Whole("The answer is 42.", "", ())),
        ("<|channel|>final\n\nThe answer.<|return|>", Whole("The answer.", "", ())),
        ("<|channel|>final json is a format", Whole("json is a format", "", ())),
        ("<|channel|>finally", Whole("<|channel|>finally", "", ())),
        ("<|channel|>analysis Hm.<|end|><|start|>assistant<|channel|>final Yes.", Whole("Yes.", "Hm.", ())),
        ("<|channel|>analysis Hm. <|channel|>final Yes.", Whole("Yes.", "Hm. ", ())),
        ("<|channel|>analysis Hm. <|channel|>final<|message|>Yes.", Whole("Yes.", "Hm. ", ())),
        ("<|channel|>analysis<|message|>Hm.<|channel|>final<|message|>Yes.", Whole("Yes.", "Hm.", ())),
        ("<|channel|>final<|message|>Write <|channel|>final here", Whole("Write <|channel|>final here", "", ())),
        ("<|channel|>final Why <|message|>not", Whole("Why not", "", ())),
        ('<|channel|>commentary to=f {"a": 1}<|call|>', Whole("", "", (("f", '{"a": 1}'),))),
        ('<|channel|>commentary to=f json{"a": 1}', Whole("", "", (("f", '{"a": 1}'),))),
        ("<|channel|>commentary to=f<|message|>{'a': 1, q=\"x\"}", Whole("", "", (("f", '{"a": 1, "q": "x"}'),))),
    ],
)
def test_headers_may_lack_their_end(text: str, said: Whole) -> None:
    assert whole("gpt-oss", text, tools=TOOLS) == said
    assert list(merged(parse("gpt-oss", text, tools=TOOLS))) == list(merged(parse("gpt-oss", [text], tools=TOOLS)))


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>commentary to=ping <|constrain|>json",
        "<|channel|>commentary to=functions.ping <|constrain|>json",
        "<|start|>assistant to=ping<|channel|>commentary json",
        " to=ping<|channel|>commentary",
        "to=ping<|channel|>analysis",
    ],
)
def test_a_tool_on_offer_needs_no_prefix(header: str) -> None:
    text = header + "<|message|>{}<|call|>"
    assert whole("gpt-oss", text, tools=TOOLS) == Whole("", "", PING)
    assert whole("gpt-oss", text, tools=TOOLS, parses_calls=False).calls == ()


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>commentary to=pong <|constrain|>json<|message|>{}<|call|>",
        "<|channel|>commentary to=python code<|message|>print(1)<|call|>",
        "<|channel|>commentary to=functions.f<|message|>{'a': 1} and<|call|>",
        '<|channel|>commentary to=functions.f<|message|>{"a": 1, "a": 2}<|call|>',
        "<|channel|>commentary to=functions.`f<|message|>{}<|call|>",
    ],
)
def test_what_is_for_no_tool_stays_as_written(text: str) -> None:
    said = whole("gpt-oss", text, tools=TOOLS)
    assert (said.content.removesuffix("<|call|>"), said.calls) == (text.removesuffix("<|call|>"), ())


def test_a_broken_call_behind_a_whole_one_is_not_lost() -> None:
    broken = CALL.replace('{"a": 1}', '{"a": 1')
    assert whole("gpt-oss", CALL + broken) == Whole(broken, "", (("f", '{"a": 1}'),))


def test_calls_stay_text_where_none_are_wanted() -> None:
    assert whole("gpt-oss", THOUGHT + CALL[:-8], parses_calls=False) == Whole('{"a": 1}', "thought", ())
