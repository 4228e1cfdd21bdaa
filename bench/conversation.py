"""Conversations to be read cold: unlike any other, and as long as asked for."""

import random
from typing import Final

from bench.client import Chat, Message
from bench.text import text

_ROLES: Final = ("user", "assistant")


def conversation(seed: object, n_chars: int, n_messages: int) -> Chat:
    """A system prompt of a fifth of the characters, then messages of equal length, the last one the user's.

    `n_messages` is odd. Another seed gives other text from the first character of the system prompt on.
    """
    rng = random.Random(repr(seed))
    n_system = n_chars // 5
    n_each = (n_chars - n_system) // n_messages
    messages: list[Message] = [{"role": "system", "content": f"{rng.getrandbits(32):08x} {text(rng, n_system - 9)}"}]
    messages += [{"role": _ROLES[i % 2], "content": text(rng, n_each)} for i in range(n_messages)]
    return Chat(tuple(messages), (), n_predict=1)
