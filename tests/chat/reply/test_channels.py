"""Messages with headers: reasoning, text and calls, each told by its header."""

import pytest

from segue.chat.reply.whole import Whole
from tests.chat.reply.kit import whole

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


def test_calls_stay_text_where_none_are_wanted() -> None:
    assert whole("gpt-oss", THOUGHT + CALL[:-8], parses_calls=False) == Whole('{"a": 1}', "thought", ())
