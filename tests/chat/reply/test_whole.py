"""Parts are joined by what they are."""

from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought
from segue.chat.reply.whole import Whole, parts_whole


def test_whole() -> None:
    parts: list[Part] = [
        Thought("a"),
        Text("x"),
        CallOpened(0, "f"),
        CallArguments(0, "{"),
        CallOpened(1, "g"),
        CallArguments(0, "}"),
        CallClosed(0),
        CallOpened(2, "h"),
        CallArguments(2, "{"),
        CallClosed(1),
        Text("y"),
        Thought("b"),
    ]
    assert parts_whole(parts) == Whole("xy", "ab", (("f", "{}"), ("g", "")))
    assert parts_whole([]) == Whole("", "", ())
