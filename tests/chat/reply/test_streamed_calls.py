"""Calls that are passed on while they are written come to the same as whole ones, and never too much."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text
from segue.chat.reply.whole import parts_whole
from tests.chat.reply.kit import BY_NAME, cut, merged, n_unfinished, parse, tool
from tests.chat.reply.test_parser import junk
from tests.chat.reply.test_round_trip import ELEMENTS, KEYS, TEXTS, VALUES, WRITERS

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
WRITE = tool("f", path=TEXT, n=NUMBER, content=TEXT)


def streamed(family: str | Family, text: str, cuts: list[int] | None = None, **options: Any) -> list[Part]:
    pieces = list(text) if cuts is None else cut(text, cuts)
    return parse(family, pieces, streams_calls=True, **options)


def check(family: str | Family, text: str, cuts: list[int], **options: Any) -> list[Part]:
    """The parts are those of all other pieces; if all its calls are complete, the reply is that of whole calls."""
    parts = streamed(family, text, cuts, **options)
    assert list(merged(parts)) == list(merged(streamed(family, text, [], **options)))
    said = parts_whole(parse(family, [text], **options))
    assert parts_whole(parts) == said if not n_unfinished(parts) else parts_whole(parts).calls == said.calls
    for index in {part.index for part in parts if isinstance(part, CallOpened)}:
        own = [part for part in parts if not isinstance(part, Text) and getattr(part, "index", -1) == index]
        arguments = "".join(part.text for part in own if isinstance(part, CallArguments))
        assert arguments, "many clients would run it"
        if CallClosed(index) in own:
            assert isinstance(json.loads(arguments), dict)
        else:
            with pytest.raises(ValueError):  # noqa: PT011
                json.loads(arguments)
    return parts


def elements(family: str, arguments: dict[str, str]) -> str:
    before, parameter, behind = ELEMENTS[family]
    return before + "".join(parameter.format(*pair) for pair in arguments.items()) + behind


WRITE_ALL: dict[str, Callable[[dict[str, Any]], str]] = {
    **WRITERS,
    **{family: partial(elements, family) for family in ELEMENTS},
}


@pytest.mark.parametrize("family", WRITERS)
@settings(max_examples=40)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_any_arguments(family: str, arguments: dict[str, Any], cuts: list[int]) -> None:
    text = WRITERS[family](arguments)
    parts = check(family, text, cuts, tools=[tool("f")])
    assert not n_unfinished(parts)
    ((name, said),) = parts_whole(parts).calls
    assert (name, json.loads(said)) == ("f", arguments)


@pytest.mark.parametrize("family", ELEMENTS)
@settings(max_examples=40)
@given(
    st.dictionaries(KEYS, st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]))),
    st.lists(st.integers(0, 200), max_size=6),
    st.booleans(),
)
def test_any_elements(family: str, arguments: dict[str, str], cuts: list[int], is_typed: bool) -> None:
    tools = [tool("f", **dict.fromkeys(arguments, TEXT))] if is_typed else [tool("f")]
    parts = check(family, elements(family, arguments), cuts, tools=tools)
    assert not n_unfinished(parts)
    assert len(parts_whole(parts).calls) == 1


CONTENT = "def f(a):\n    return [a, \"b\", {1: 'c'}]  # 10 < 20, é, 😀\n" * 4


@pytest.mark.parametrize("family", WRITE_ALL)
def test_arguments_grow_with_the_text(family: str) -> None:
    arguments = {"path": "a/b.py", "n": "12" if family == "Kimi K3" else 12, "content": CONTENT}
    text = WRITE_ALL[family](arguments)
    parts = streamed(family, text, tools=[WRITE])
    assert json.loads(parts_whole(parts).calls[0][1]) == arguments
    # Of all that was written of the last text, no more is missing than may be the beginning of its end.
    begin = text.rindex("20, ")
    for end in range(begin, begin + 4):
        so_far = "".join(part.text for part in streamed_so_far(family, text[:end]) if isinstance(part, CallArguments))
        assert so_far.startswith(json.dumps(arguments)[:40])
        assert so_far[-4:] in text[end - 6 : end]


def streamed_so_far(family: str, text: str) -> list[Part]:
    parser = ReplyParser(BY_NAME[family], tools=[WRITE], streams_calls=True)
    return [part for char in text for part in parser.feed(char)]


@given(junk(), st.lists(st.integers(0, 120), max_size=10), st.booleans())
def test_junk(made: tuple[Family, str], cuts: list[int], is_reasoning: bool) -> None:
    family, text = made
    check(family, text, cuts, reasoning_end="</think>" if is_reasoning else "", tools=[tool("f", a={}, b=TEXT)])


MISTAKES = st.sampled_from(["", '"', "'", ",", "}", "]", "{", ":", "=", "\\", "\\u12", "x", " ", "\n", "</parameter>"])


@pytest.mark.parametrize("family", WRITE_ALL)
@settings(max_examples=60)
@given(st.data())
def test_calls_with_mistakes(family: str, data: st.DataObject) -> None:
    """A call that breaks its notation is mended as it is without being streamed, or stays unfinished."""
    strings = TEXTS.filter(lambda text: "<" not in text) if family in ELEMENTS else TEXTS
    arguments = {"path": data.draw(strings), "n": 3, "content": data.draw(strings)}
    text = WRITE_ALL[family](arguments)
    place = data.draw(st.integers(0, len(text)))
    removed = data.draw(st.integers(0, 2))
    text = text[:place] + data.draw(MISTAKES) + text[place + removed :]
    check(family, text, [place, place + 1], tools=[WRITE])


@pytest.mark.parametrize("family", WRITE_ALL)
def test_a_call_that_is_cut_off_stays_unfinished(family: str) -> None:
    text = WRITE_ALL[family]({"path": "a", "n": 1, "content": "some text of some length"})
    end = text.rindex("some length") + 4
    parts = check(family, text[:end], [], tools=[WRITE])
    assert n_unfinished(parts) == 1
    assert parts_whole(parts) == parts_whole([]), "no tag leaks"
    for end in range(len(text)):
        check(family, text[:end], [], tools=[WRITE])


@pytest.mark.parametrize("family", WRITE_ALL)
def test_what_is_not_on_offer_is_passed_on_as_a_whole(family: str) -> None:
    text = WRITE_ALL[family]({"path": "a", "n": 1, "content": "some text of some length"})
    parts = streamed(family, text, tools=[tool("g")])
    assert sum(isinstance(part, CallArguments) for part in parts) <= 1
    assert parts_whole(parts) == parts_whole(parse(family, [text], tools=[tool("g")]))
