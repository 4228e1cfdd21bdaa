"""Finds how much of an interrupted reply a client has, and the tokens of that much."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from segue.chat.memory.stored_reply import StoredReply
from segue.chat.reply.whole import Whole
from segue.chat.vocabulary import Tokens, TokenVocabulary

_MOST_TRIALS = 8


def part_of(
    stored: StoredReply,
    content: str,
    reasoning: str,
    *,
    whole: Callable[[str], Whole],
    vocabulary: TokenVocabulary,
    tokenize: Callable[[str], Tokens],
) -> StoredReply | None:
    """The beginning of an interrupted reply that says just `content`, or just `reasoning` where there is no content.

    Its tokens are those that the model wrote; of a last one that the client has in part only, the text is tokenised
    anew. `whole` takes a reply's text apart. None if the reply does not begin so.
    """
    text = next(_beginnings(stored.text, content, reasoning.strip(), whole), None)
    if text is None:
        return None
    ids = np.frombuffer(stored.tokens, np.int32)
    n_tokens, n_chars = _within(ids[stored.n_head :], len(text), vocabulary)
    kept = ids[: stored.n_head + n_tokens]
    tokens = np.concatenate((kept, tokenize(text[n_chars:]))) if n_chars < len(text) else kept
    return replace(stored, text=text, tokens=tokens.tobytes())


def _beginnings(text: str, content: str, reasoning: str, whole: Callable[[str], Whole]) -> Iterator[str]:
    """The positions at which `text` may end to equal the client's part, the shortest first."""
    n_blank = len(content) - len(content.rstrip())
    blank, content = content[len(content) - n_blank :], content.strip()
    wanted = content or reasoning
    at = text.find(wanted, _n_reasoning(text, whole) if content else 0) if wanted else -1
    for _ in range(_MOST_TRIALS):
        if at < 0:
            return
        beginning = text[: at + len(wanted)]
        reply = whole(beginning)
        has_content = reply.content.strip() == content and not reply.calls
        if has_content and (not reasoning or reply.reasoning.strip() == reasoning):
            yield beginning + (blank if text.startswith(blank, len(beginning)) else "")
        at = text.find(wanted, at + 1)


def _n_reasoning(text: str, whole: Callable[[str], Whole]) -> int:
    """The end of the reasoning in a reply's text; 0 if there is none, or it was not written in one piece."""
    reasoning = whole(text).reasoning.strip()
    at = text.find(reasoning)
    return at + len(reasoning) if reasoning and at >= 0 else 0


def _within(reply: Tokens, n_chars: int, vocabulary: TokenVocabulary) -> tuple[int, int]:
    """How many first tokens of a reply have their text within its first `n_chars` characters, and how long that is."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    n_tokens = n_within = n = 0
    for i, token in enumerate(reply.tolist(), start=1):
        n += len(decoder.decode(vocabulary.piece(token)))
        if n > n_chars:
            break
        if not decoder.getstate()[0]:
            n_tokens, n_within = i, n
    return n_tokens, n_within
