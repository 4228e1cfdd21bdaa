"""The format in which the replies to one prompt are parsed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.vocabulary import TokenVocabulary


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """Makes a parser for each reply to one prompt. `tools` are OpenAI's definitions of those that may be called.

    `reasoning_end` ends the reasoning in which a reply begins; empty if it does not begin in reasoning.
    """

    family: Family
    tools: Sequence[Mapping[str, Any]]
    reasoning_end: str

    def parser(self, *, streams_calls: bool = False) -> ReplyParser:
        """A new parser; with `streams_calls`, one that returns arguments before their call is complete."""
        return ReplyParser(
            self.family,
            tools=self.tools,
            reasoning_end=self.reasoning_end,
            parses_calls=bool(self.tools),
            streams_calls=streams_calls,
        )

    def without_reasoning(self) -> "ReplyFormat":
        """The same, but reasoning stays in the text."""
        return ReplyFormat(replace(self.family, reasoning=()), self.tools, "")


def reply_format_after(family: Family, prompt: RenderedPrompt, tools: Sequence[Mapping[str, Any]]) -> ReplyFormat:
    """The format of a reply to the `prompt`."""
    if prompt.begun is not None:
        return ReplyFormat(family, tools, family.reasoning_end_in(prompt.text[prompt.begun :]))
    return ReplyFormat(family, tools, family.reasoning_end_after(prompt.text))


def shown_tokens(family: Family, vocabulary: TokenVocabulary) -> frozenset[int]:
    """The control tokens whose text the family's parser must see."""
    return frozenset(token for piece, token in vocabulary.special_pieces().items() if piece in family.markers)
