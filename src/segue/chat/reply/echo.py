"""Clients send replies back in other words than the model wrote; here they become what it wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import numpy as np

from segue.chat.dialect import REASONING_FIELDS
from segue.chat.messages import text_of
from segue.chat.prompt import RenderedPrompt
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.utterances import Utterance, Utterances
from segue.chat.reply.whole import Whole, parts_whole
from segue.chat.sandbox import TemplateError
from segue.chat.tokens import PromptTokenizer
from segue.chat.vocabulary import Tokens

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Turn:
    """A conversation up to a reply that is about to be generated.

    Its prompt ends with `suffix` behind the last message, and `head` are its tokens from the last special one on.
    """

    scope: str
    digest: bytes
    tools: Messages
    suffix: str
    head: Tokens


class Echo:
    """Knows what was said, by the whole conversation before it; nothing is found across scopes. Any thread.

    A reply that a client sends back is taken for one that was given if text and calls are the same, whatever the
    spacing and order of the arguments. Then its reasoning, which many clients leave out, goes to the template as well;
    and where the template writes the same in other words, the model's own words and tokens stand instead. `endings`
    are the texts of the tokens that end a reply.
    """

    def __init__(
        self, family: Family, tokenizer: PromptTokenizer, utterances: Utterances, endings: Sequence[str]
    ) -> None:
        self._family = family
        self._tokenizer = tokenizer
        self._utterances = utterances
        self._endings = tuple(endings)

    def turn(self, scope: str, messages: Messages, tools: Messages, rendered: RenderedPrompt, tokens: Tokens) -> Turn:
        """What `keep` needs to know of a conversation whose prompt has these tokens."""
        n_closed = rendered.message_ends[-1] if rendered.message_ends else len(rendered.text)
        head = self._tokenizer.since_special(tokens)
        return Turn(scope, _digests(scope, messages)[-1], tools, rendered.text[n_closed:], head)

    def keep(self, turn: Turn, text: str, tokens: Sequence[int]) -> None:
        """Keep a reply as it was written, with its tokens but for one that ended it."""
        said = self._whole(text, turn.suffix, turn.tools)
        calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in said.calls]
        digest = _extended(turn.digest, {"role": "assistant", "content": said.content, "tool_calls": calls})
        written = np.concatenate((turn.head, np.array(tokens, np.int32)))
        self._utterances.put(digest, Utterance(turn.suffix, text, written.tobytes()))

    def recalled(self, scope: str, messages: Messages) -> tuple[list[dict[str, Any]], dict[int, Utterance]]:
        """The messages with the reasoning that is known of them, and the utterances that some are, by index."""
        found: dict[int, Utterance] = {}
        recalled = [dict(message) for message in messages]
        for i, (message, digest) in enumerate(zip(recalled, _digests(scope, messages), strict=True)):
            utterance = self._utterances.get(digest) if message.get("role") == "assistant" else None
            if utterance is None:
                continue
            found[i] = utterance
            if not any(message.get(name) for name in REASONING_FIELDS):
                message["reasoning_content"] = self._whole(utterance.text, utterance.suffix, ()).reasoning
        return recalled, found

    def restored(
        self, scope: str, rendered: RenderedPrompt, tools: Messages, found: Mapping[int, Utterance]
    ) -> RenderedPrompt:
        """The prompt with the model's own words, where the template wrote the same in others."""
        ends = dict(zip(rendered.message_indices, rendered.message_ends, strict=True))
        pieces: list[str] = []
        shifts: list[tuple[int, int]] = []
        done = 0
        for index, utterance in sorted(found.items()):
            start, end = ends.get(index - 1), ends.get(index)
            block = self._mended(rendered.text[start:end], utterance, tools) if start and end else None
            if block is None or start is None or end is None:
                continue
            self._tokenizer.learn(scope, np.frombuffer(utterance.tokens, np.int32))
            pieces += [rendered.text[done:start], block]
            shifts.append((end, len(block) - (end - start)))
            done = end
        return _shifted(replace(rendered, text="".join([*pieces, rendered.text[done:]])), shifts)

    def close(self) -> None:
        """Close what the replies are kept in; nothing must be asked afterwards."""
        self._utterances.close()

    def _mended(self, block: str, utterance: Utterance, tools: Messages) -> str | None:
        """A message as the model wrote it; None if the template says something else."""
        n_header = len(utterance.suffix)
        at = max((block.rfind(ending) for ending in self._endings), default=-1)
        if not block.startswith(utterance.suffix) or at < n_header:
            return None
        body = block[n_header:at]
        if body != utterance.text:
            said, written = (self._whole(text, utterance.suffix, tools) for text in (body, utterance.text))
            if _meaning(said) != _meaning(written):
                return None
        return utterance.suffix + utterance.text + block[at:]

    def _whole(self, text: str, suffix: str, tools: Messages) -> Whole:
        """A reply that followed `suffix`, taken apart."""
        is_reasoning = self._family.is_reasoning_after(suffix)
        parser = ReplyParser(self._family, tools=tools, is_reasoning=is_reasoning, parses_calls=bool(tools))
        return parts_whole(parser.feed(text) + parser.finish())


def _shifted(rendered: RenderedPrompt, shifts: Sequence[tuple[int, int]]) -> RenderedPrompt:
    """The offsets that follow from text that grew or shrank by so much before each of some old offsets."""
    sums = list(accumulate(n for _, n in shifts))

    def moved(offsets: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(offset + _before(offset, shifts, sums) for offset in offsets)

    return replace(
        rendered,
        message_ends=moved(rendered.message_ends),
        volatile=moved(rendered.volatile),
        breakpoints=moved(rendered.breakpoints),
    )


def _before(offset: int, shifts: Sequence[tuple[int, int]], sums: Sequence[int]) -> int:
    n = sum(end <= offset for end, _ in shifts)
    return sums[n - 1] if n else 0


def _meaning(said: Whole) -> object:
    return said.content.strip(), said.reasoning.strip(), [(name, _value(arguments)) for name, arguments in said.calls]


def _value(arguments: object) -> object:
    """What arguments say, or themselves if they are no JSON."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return arguments


def _digests(scope: str, messages: Messages) -> list[bytes]:
    """Of the conversation up to and with each message. Ids of calls are not in it: clients change them."""
    digest, digests = blake2b(scope.encode(), digest_size=16).digest(), []
    for message in messages:
        digest = _extended(digest, message)
        digests.append(digest)
    return digests


def _extended(digest: bytes, message: Mapping[str, Any]) -> bytes:
    try:
        text = text_of(message.get("content")).strip()
    except TemplateError:
        text = ""
    calls = [call.get("function") for call in message.get("tool_calls") or () if isinstance(call, Mapping)]
    said = [(one.get("name"), _value(one.get("arguments"))) for one in calls if isinstance(one, Mapping)]
    canonical = json.dumps([message.get("role"), text, said], sort_keys=True, ensure_ascii=True)
    return blake2b(digest + canonical.encode(), digest_size=16).digest()
