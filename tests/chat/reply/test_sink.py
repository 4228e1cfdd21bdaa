"""Line ends around tags are the template's, all others the model's."""

from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Text, Thought
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
        CallClosed(0),
        CallOpened(1, "g"),
        CallArguments(1, "{}"),
        CallClosed(1),
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


def test_a_call_grows_until_it_is_complete() -> None:
    sink = Sink(streams_calls=True)
    sink.say("text\n")
    sink.open_call("f")
    sink.add_arguments("")
    assert sink.taken() == [Text("text")]
    sink.add_arguments('{"a": ')
    assert sink.n_calls == 0
    sink.call("f", '{"a": 1}')
    sink.add_arguments("nobody's")
    assert sink.n_calls == 1
    assert sink.taken() == [
        CallOpened(0, "f"),
        CallArguments(0, '{"a": '),
        CallArguments(0, "1}"),
        CallClosed(0),
    ]


def test_a_call_that_turns_out_to_be_another_is_given_up() -> None:
    for name, arguments in (("g", '{"a": 1}'), ("f", '{"b": 1}')):
        sink = Sink(streams_calls=True)
        sink.open_call("f")
        sink.add_arguments('{"a": ')
        sink.call(name, arguments)
        sink.open_call("h")
        assert not sink.give_up_call()
        sink.add_arguments("nobody's")
        sink.open_call("h")
        sink.add_arguments("{")
        assert sink.give_up_call()
        assert not sink.give_up_call()
        sink.call("i", "{}")
        assert sink.taken() == [
            CallOpened(0, "f"),
            CallArguments(0, '{"a": '),
            CallOpened(1, name),
            CallArguments(1, arguments),
            CallClosed(1),
            CallOpened(2, "h"),
            CallArguments(2, "{"),
            CallOpened(3, "i"),
            CallArguments(3, "{}"),
            CallClosed(3),
        ]


def test_calls_are_whole_unless_they_are_streamed() -> None:
    sink = Sink()
    sink.open_call("f")
    sink.add_arguments('{"a": ')
    assert sink.taken() == []
    sink.call("f", '{"a": 1}')
    assert sink.taken() == [CallOpened(0, "f"), CallArguments(0, '{"a": 1}'), CallClosed(0)]
