"""Line ends around tags are the template's, all others the model's."""

from segue.chat.reply.parts import CallArguments, CallOpened, Text, Thought
from segue.chat.reply.sink import Sink


def test_without_tags_nothing_changes() -> None:
    sink = Sink()
    for text in [" ", "\n", "a ", "b\n", "\nc", "\n"]:
        sink.say(text)
    sink.finish()
    assert "".join(part.text for part in sink.taken() if isinstance(part, Text)) == " \na b\n\nc\n"


def test_line_ends_around_tags_are_dropped() -> None:
    sink = Sink()
    sink.say("\n")
    sink.cut(is_thought=True)
    sink.say("\n thought \n")
    sink.cut(is_thought=False)
    sink.say("\n\nanswer\n")
    sink.call("f", "{}")
    sink.say("\n")
    sink.call("g", "{}")
    sink.say("\nmore")
    sink.finish()
    assert sink.taken() == [
        Thought(" thought "),
        Text("answer"),
        CallOpened(0, "f"),
        CallArguments(0, "{}"),
        CallOpened(1, "g"),
        CallArguments(1, "{}"),
        Text("\nmore"),
    ]
    assert sink.taken() == []


def test_only_white_space_may_turn_out_to_be_the_templates() -> None:
    sink = Sink()
    sink.say("word ")
    assert sink.taken() == [Text("word ")]
    sink.say("\n")
    assert sink.taken() == []
    sink.say("x")
    assert sink.taken() == [Text("\nx")]
