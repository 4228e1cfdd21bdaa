"""Takes replies apart in tests."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

from segue.chat.reply.families import FAMILIES, GENERIC
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought
from segue.chat.reply.whole import Whole, parts_whole

BY_NAME = {family.name: family for family in (*FAMILIES, GENERIC)}


def parse(family: str | Family, pieces: Iterable[str], **options: Any) -> list[Part]:
    """All parts of a reply that comes in pieces; a string comes one character at a time."""
    parser = ReplyParser(BY_NAME[family] if isinstance(family, str) else family, **options)
    parts = [part for piece in pieces for part in parser.feed(piece)]
    return parts + parser.finish()


def whole(family: str | Family, text: str, **options: Any) -> Whole:
    return parts_whole(parse(family, [text], **options))


def n_unfinished(parts: Iterable[Part]) -> int:
    """How many calls were begun and not completed."""
    return sum(isinstance(part, CallOpened) - isinstance(part, CallClosed) for part in parts)


def cut(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted(min(place, len(text)) for place in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def merged(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, with neighbouring texts as one, and likewise arguments."""
    for kind, group in groupby(parts, type):
        if kind is Text or kind is Thought:
            yield kind("".join(part.text for part in group if isinstance(part, Text | Thought)))
        elif kind is CallArguments:
            pieces = [part for part in group if isinstance(part, CallArguments)]
            yield CallArguments(pieces[0].index, "".join(part.text for part in pieces))
        else:
            yield from group


def tool(tool_name: str, /, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool_name, "parameters": {"type": "object", "properties": properties}},
    }


def refuses(function: Callable[..., object], *arguments: object) -> bool:
    """Whether a function raises `ValueError`."""
    try:
        function(*arguments)
    except ValueError:
        return True
    return False
