"""Message ends are exact token positions, in every family's template and vocabulary, whatever is said.

A template may write a message otherwise once the conversation goes on; where each family does so is named here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import pytest
from hypothesis import given

from segue.chat.prefix import common_prefix
from segue.chat.template.template import ChatTemplate
from segue.chat.tokens.tokenizer import PromptTokenizer
from segue.chat.vocabulary import Tokens
from segue.engine.model import Model
from segue.engine.vocabulary import Vocabulary
from tests.chat.conversations import Message, conversations
from tests.chat.writers import NOWHERE, WRITERS, Piece
from tests.kit.families import FAMILIES
from tests.kit.family_models import VOCABULARIES, family_model_path

MOST_CALLS: Final = {"chatml": 2, "qwen": 2, "llama3": 1, "gemma3": 0, "mistral": 2, "harmony": 1}
"""How many calls a family's messages may have."""

MOST_CHARS: Final = 4
"""Of a token that is not special."""

Change = Callable[[Sequence[Message], Sequence[Message], Sequence[Message]], bool]
"""Whether earlier messages are written otherwise once later ones follow; the third are the tools."""


def never(earlier: Sequence[Message], later: Sequence[Message], tools: Sequence[Message]) -> bool:  # noqa: ARG001
    return False


def thoughts_before_a_question(earlier: Sequence[Message], later: Sequence[Message], tools: Sequence[Message]) -> bool:  # noqa: ARG001
    """Qwen drops the thoughts of a turn when the next one begins."""
    begun = max(i for i, message in enumerate(earlier) if message["role"] == "user")
    has_thoughts = any(message.get("reasoning_content") for message in earlier[begun:])
    return has_thoughts and any(message["role"] == "user" for message in later)


def thoughts_before_an_answer(earlier: Sequence[Message], later: Sequence[Message], tools: Sequence[Message]) -> bool:  # noqa: ARG001
    """Harmony drops the thoughts of calls when the turn's answer follows."""
    has_thoughts = any(message.get("reasoning_content") and message.get("tool_calls") for message in earlier)
    return has_thoughts and any(message["role"] == "assistant" and not message.get("tool_calls") for message in later)


def what_moves_on(earlier: Sequence[Message], later: Sequence[Message], tools: Sequence[Message]) -> bool:
    """Mistral writes the tools before the last question, and the system prompt while nothing follows it."""
    has_question = any(message["role"] == "user" for message in later)
    has_system = earlier[0]["role"] == "system" and earlier[-1]["role"] == "user"
    return has_system or (bool(tools) and has_question)


CHANGES: Final[dict[str, Change]] = {
    "chatml": never,
    "qwen": thoughts_before_a_question,
    "llama3": never,
    "gemma3": never,
    "mistral": what_moves_on,
    "harmony": thoughts_before_an_answer,
}


def is_first_tentative(family: str, messages: Sequence[Message]) -> bool:
    """Whether what stands before the first question, tools among it, may be found to end elsewhere later.

    Llama 3 writes a question alone in no loop; Mistral compares each question with the last one.
    """
    if family == "llama3":
        return [message["role"] for message in messages if message["role"] != "system"] == ["user"]
    return family == "mistral" and sum(message["role"] == "user" for message in messages) == 1


@dataclass(frozen=True, slots=True)
class Held:
    """A family's template and vocabulary, as its tiny model's file holds them."""

    family: str
    template: ChatTemplate
    tokenizer: PromptTokenizer
    vocabulary: Vocabulary

    def pieces(self, messages: Sequence[Message], tools: Sequence[Message]) -> list[Piece]:
        return WRITERS[self.family](messages, tools)

    def spelt(self, tokens: Tokens) -> str:
        """What tokens say, without spaces: a vocabulary may add some."""
        said = b"".join(self.vocabulary.piece(token) for token in tokens.tolist())
        return without_spaces(said.decode("utf-8", "ignore"))


@pytest.fixture(scope="module", params=list(VOCABULARIES))
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    model = Model(family_model_path(request.param))
    vocabulary = model.vocabulary
    assert model.chat_template == FAMILIES[request.param]
    template = ChatTemplate(model.chat_template, vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos))
    yield Held(request.param, template, PromptTokenizer(vocabulary), vocabulary)
    model.close()


def whole(vocabulary: Vocabulary, text: str) -> list[int]:
    """The tokens of a text in one go, with BOS once where the model wants it."""
    text = text.removeprefix(vocabulary.text(vocabulary.bos)) if vocabulary.add_bos else text
    tokens: list[int] = vocabulary.tokenize(text, add_special=True, parse_special=True).tolist()
    return tokens


def without_spaces(text: str) -> str:
    return text.replace(" ", "")


def cuts(messages: Sequence[Message]) -> list[int]:
    """After how many messages an earlier request may have been sent: a question, or all results of some calls."""
    roles = [message["role"] for message in messages]
    return [n for n in range(1, len(roles)) if roles[n - 1] in ("user", "tool") and roles[n] != "tool"]


def ends_of(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Index and end in characters of each message that has one."""
    ends = accumulate(len(piece.text) for piece in pieces)
    return [(piece.owner, end) for piece, end in zip(pieces, ends, strict=True) if piece.owner != NOWHERE]


def check_all(held: Held, check: Callable[[list[Message], list[Message]], None]) -> None:
    """Run `check` on random conversations in the family's manner."""
    vocabulary = VOCABULARIES[held.family]

    @given(conversations([*vocabulary.special], most_calls=MOST_CALLS[held.family]))
    def run(conversation: tuple[list[Message], list[Message]]) -> None:
        check(*conversation)

    run()


def test_ends_are_the_messages_own(held: Held) -> None:
    def check(messages: list[Message], tools: list[Message]) -> None:
        rendered = held.template.render(messages, tools)
        pieces = held.pieces(messages, tools)
        assert rendered.text.startswith("".join(piece.text for piece in pieces))
        assert list(zip(rendered.message_indices, rendered.message_ends, strict=True)) == ends_of(pieces)

    check_all(held, check)


def test_ends_are_exact_in_tokens(held: Held) -> None:
    special = tuple(VOCABULARIES[held.family].special)

    def check(messages: list[Message], tools: list[Message]) -> None:
        rendered = held.template.render(messages, tools)
        text, ends = rendered.text, rendered.message_ends
        tokens, marks = held.tokenizer.encode(rendered)
        assert tokens.tolist() == whole(held.vocabulary, text)
        assert len(marks.message_ends) == len(ends)
        for end, n in zip(ends, marks.message_ends, strict=True):
            if text[:end].endswith(special) or text[end:].startswith(special):
                assert tokens[:n].tolist() == whole(held.vocabulary, text[:end])
            else:
                # A token may span what stands before a question and the question itself; it begins before the end.
                before, spelt = without_spaces(text[:end]), held.spelt(tokens[:n])
                assert before.startswith(spelt)
                assert len(before) - len(spelt) < MOST_CHARS

    check_all(held, check)


def test_ends_stay_as_long_as_the_template_writes_the_same(held: Held) -> None:
    """And what it writes otherwise later is only what the family is known for."""

    def check(messages: list[Message], tools: list[Message]) -> None:
        longer = held.template.render(messages, tools)
        tokens, marks = held.tokenizer.encode(longer)
        for n in cuts(messages):
            shorter = held.template.render(messages[:n], tools)
            pieces = held.pieces(messages[:n], tools)
            n_same = common_prefix("".join(piece.text for piece in pieces), longer.text)
            if n_same < sum(len(piece.text) for piece in pieces):
                assert CHANGES[held.family](messages[:n], messages[n:], tools)
            same = [(index, end) for index, end in ends_of(pieces) if end <= n_same]
            if tools and is_first_tentative(held.family, messages[:n]):
                first = [message["role"] for message in messages].index("user")
                same = [(index, end) for index, end in same if index >= first]
            assert set(same) <= set(zip(longer.message_indices, longer.message_ends, strict=True))
            earlier_tokens, earlier_marks = held.tokenizer.encode(shorter)
            positions = dict(zip(shorter.message_ends, earlier_marks.message_ends, strict=True))
            ends = {positions[end] for _, end in same}
            assert ends <= {*marks.message_ends}
            assert earlier_tokens[: max(ends, default=0)].tolist() == tokens[: max(ends, default=0)].tolist()

    check_all(held, check)
