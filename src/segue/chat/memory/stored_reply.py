"""A reply as the model wrote it, and its form in the side store."""

import json
from dataclasses import dataclass

_END = b"\0"
"""JSON has none."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply, whose prompt ended with `suffix` behind its last message.

    `tokens` are int32 ids from the last special token before the reply on, without the one that ended it; the first
    `n_head` of them are the prompt's.
    """

    suffix: str
    text: str
    tokens: bytes
    n_head: int

    def packed(self) -> bytes:
        """All of it."""
        texts = json.dumps([self.suffix, self.text, self.n_head], ensure_ascii=False)
        return texts.encode(errors="surrogatepass") + _END + self.tokens


def unpacked(packed: bytes) -> StoredReply:
    """The stored reply that was packed."""
    texts, _, tokens = packed.partition(_END)
    suffix, text, n_head = json.loads(texts)
    return StoredReply(suffix, text, tokens, n_head)
