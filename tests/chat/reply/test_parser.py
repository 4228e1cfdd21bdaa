"""A reply comes apart the same however it falls into pieces, and nothing of it is lost."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from segue.chat.reply.families import FAMILIES, GENERIC
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.parts import Text, Thought
from segue.chat.reply.whole import Whole, parts_whole
from tests.chat.reply.kit import BY_NAME, cut, merged, parse, tool, whole
from tests.chat.reply.work import Work

EVERY = st.sampled_from((*FAMILIES, GENERIC))
CALL = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
FILLERS = ["{", "}", "[", "]", '"', "'", "\\", ":", ",", "f", "(a=1)", "\n", " ", '{"name": "f", "arguments": {}}', ">"]


@st.composite
def junk(draw: st.DrawFn) -> tuple[Family, str]:
    """A family, and a text out of its markers, pieces of them, and what stands between."""
    family = draw(EVERY)
    markers = sorted(family.markers)
    cut_off = [marker[:-1] for marker in markers] + [marker[1:] for marker in markers]
    return family, "".join(draw(st.lists(st.sampled_from(markers + cut_off + FILLERS), max_size=12)))


@given(junk(), st.lists(st.integers(0, 120), max_size=10), st.booleans(), st.booleans())
@example((BY_NAME["Hermes"], CALL + "\n" + CALL), [], False, True)
def test_pieces_do_not_matter(made: tuple[Family, str], cuts: list[int], is_reasoning: bool, parses: bool) -> None:
    family, text = made
    at_once = list(merged(parse(family, [text], reasoning_end="</think>" if is_reasoning else "", parses_calls=parses)))
    for pieces in (list(text), cut(text, cuts)):
        assert (
            list(merged(parse(family, pieces, reasoning_end="</think>" if is_reasoning else "", parses_calls=parses)))
            == at_once
        )


@given(EVERY, st.text("ab \n{}[]<>", max_size=40))
def test_text_without_markers_stays_as_it_is(family: Family, text: str) -> None:
    assert parts_whole(parse(family, text)) == Whole(text, "", ())


@given(junk())
def test_what_is_no_call_is_not_lost(made: tuple[Family, str]) -> None:
    family, text = made
    said = parts_whole(parse(family, text))
    if said.calls or family.has_channels or any(form.allows_noise for form in family.forms):
        return
    # tags mean something, and so does an opener with nothing behind it; white space goes with them
    without = [tag for pair in family.reasoning for tag in pair] + [*family.wrappers]
    without += [opener for form in family.forms for opener in form.openers] + ["\n", " "]

    def bare(text: str) -> list[str]:
        for tag in without:
            text = text.replace(tag, "")
        return sorted(text)

    assert bare(said.content + said.reasoning) == bare(text)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>not JSON</tool_call> and more",
        'before\n\n<tool_call>{"name": "f", "arguments": {"a": 1}',
        'before\n<tool_call>{"no name": 1}</tool_call>\nafter\n',
        "<tool_call>\n<function=f>\n<parameter=a>\n1",
        "<tool_call>\n<function=f>\nstray</function>",
        "</tool_call></think>",
        "text <think> in it",
        "half a tag <tool_c",
    ],
)
def test_malformed_calls_are_text(text: str) -> None:
    assert whole("Hermes", text) == Whole(text, "", ())


def test_a_call_behind_a_malformed_one_is_found() -> None:
    assert whole("Hermes", '<tool_call>{"name": <tool_call>' + CALL) == Whole(
        '<tool_call>{"name": <tool_call>', "", (("f", '{"a": 1}'),)
    )


def test_a_call_that_the_end_cuts_off_is_left_out_behind_whole_ones() -> None:
    assert whole("Hermes", CALL + '\n<tool_call>{"name": "g"') == Whole("", "", (("f", '{"a": 1}'),))
    assert whole("Hermes", "Wait.\n<tool_call>") == Whole("Wait.", "", ())


def test_reasoning() -> None:
    assert whole("Hermes", "<think>\na\n\nb\n</think>\n\nc\n") == Whole("c\n", "a\n\nb", ())
    assert whole("Hermes", "a</think>b", reasoning_end="</think>") == Whole("b", "a", ())
    assert whole("Hermes", "\n<think>a</think>b", reasoning_end="</think>") == Whole("b", "a", ())
    assert whole("Hermes", "a " + CALL, reasoning_end="</think>") == Whole("", "a " + CALL, ())
    assert whole("Qwen XML", "a\n" + CALL, reasoning_end="</think>") == Whole("", "a", (("f", '{"a": 1}'),))
    assert whole("Hermes", CALL + "<think>a</think>b") == Whole("b", "a", (("f", '{"a": 1}'),))


@pytest.mark.parametrize(
    ("thought", "rest"),
    [
        ("the tag `</think>` ends it</think>", "x"),
        ("the tag ``</think>`` ends it</think>", "x"),
        ("`<think>a</think>` is an example\n</think>", "x"),
        ('the "</think>" tag</think>', "x"),
        ("'</think>' is a tag</think>", "x"),
        ("a line:\n</think>", "`x`"),
        ("read `foo`</think>", "`bar` is"),
        ("I don't</think>", "'x'"),
        ("```\n</think>", "```x"),
    ],
)
def test_thoughts_may_quote_a_tag(thought: str, rest: str) -> None:
    said = Whole(rest, thought.removesuffix("</think>").rstrip("\n"), ())
    for text in (f"<think>{thought}{rest}", f"<think>{thought}\n\n{rest}"):
        assert whole("Hermes", text) == said
        assert list(merged(parse("Hermes", text))) == list(merged(parse("Hermes", [text])))
    assert whole("Hermes", thought + rest, reasoning_end="</think>") == said


def test_so_it_is_with_every_familys_tags() -> None:
    for family in BY_NAME.values():
        for begin, end in family.reasoning:
            text = f"{begin}a `{end}` b{end}c"
            assert whole(family, text) == Whole("c", f"a `{end}` b", ())


def test_calls_stay_text_where_none_are_wanted() -> None:
    text = "<think>a</think>x " + CALL
    assert whole("Hermes", text, parses_calls=False) == Whole("x " + CALL, "a", ())
    assert whole("Llama 3", '{"name": "f", "parameters": {}}', parses_calls=False).calls == ()


def test_unmarked_calls_name_a_tool_on_offer() -> None:
    text = '{"name": "f", "parameters": {"a": 1}}'
    assert whole("Llama 3", text, tools=[tool("f")]).calls == (("f", '{"a": 1}'),)
    assert whole("Llama 3", text, tools=[tool("g")]) == Whole(text, "", ())
    assert whole("Llama 3", "so: " + text, tools=[tool("f")]).calls == ()


def test_what_is_certain_comes_at_once() -> None:
    parser = ReplyParser(BY_NAME["Llama 3"], tools=[tool("f")])
    assert parser.feed('{"na') == []
    assert list(merged(parser.feed("tion"))) == [Text('{"nation')]
    parser = ReplyParser(BY_NAME["Llama 4"], tools=[tool("f")])
    assert list(merged(parser.feed("[It's so"))) == [Text("[It's so")]
    parser = ReplyParser(BY_NAME["Hermes"])
    assert parser.feed("<think>a") == [Thought("a")]
    assert parser.feed("</thi") == []
    assert parser.feed("s") == [Thought("</this")]
    assert parser.feed("</think>\n\nb <") == [Text("b ")]
    assert len(parser.feed(CALL[1:-12])) == 3


@pytest.mark.parametrize(
    ("family", "begin", "unit"),
    [
        ("Hermes", "", "<"),
        ("Hermes", "", "\n"),
        ("Hermes", "", "<tool_call>"),
        ("Hermes", "<tool_call>", "{"),
        ("Qwen XML", "<function=f><parameter=a>", "</parameter>"),
        ("Qwen XML", "<function=f><parameter=a></parameter>", " "),
        ("DeepSeek", '<｜DSML｜calls><｜DSML｜invoke name="f" ', "a"),
        ("Gemma 4", "<|tool_call>call:f{a", " "),
        ("Gemma 4", "<|tool_call>call:f", "{a:"),
        ("Kimi K2", "<|tool_call_begin|>", ":1"),
        ("Llama 4", "", "[f("),
        ("gpt-oss", "", "<|channel|>"),
    ],
)
def test_work_grows_with_the_text_only(family: str, begin: str, unit: str) -> None:
    def work(n_chars: int) -> int:
        with Work() as done:
            parse(family, f"{begin}{unit * (n_chars // len(unit))}\n")
        return done.n_steps

    assert work(8_000) < 5 * work(2_000)
