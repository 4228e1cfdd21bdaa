"""Tells a conversation the time at which it began, so that a prompt which states the time stays the same."""

import time
from collections.abc import Callable

from segue.chat.memory.digests import Messages, digests
from segue.chat.memory.side_store import SideStore

RETRY_S = 300
"""How long the same beginning is the same conversation, though nobody has replied to it yet."""
_KIND = "moment"
_N_BYTES = 8


class ConversationClock:
    """The moments at which conversations began, by digests of the requests in them; any thread.

    A request goes on with a conversation where a reply stands behind all that a former request had asked; whose words
    the reply has does not matter. One that merely begins as a former request did is new, unless it comes soon enough to
    be the same once more. Nothing is found across namespaces.
    """

    def __init__(self, side_store: SideStore, clock: Callable[[], float] = time.time) -> None:
        self._side_store = side_store
        self._clock = clock

    def of(self, namespace: str, messages: Messages) -> int:
        """The moment of the conversation that `messages` are, in epoch seconds; from now on it is known by them."""
        asked = len(messages)
        while asked > 1 and messages[asked - 1].get("role") == "assistant":
            asked -= 1
        ends = digests(namespace, messages[:asked])
        now = int(self._clock())
        moment = self._known(ends, messages, now)
        if moment is None:
            moment = now
        self._side_store.put(_KIND, ends[-1], moment.to_bytes(_N_BYTES, "big"))
        return moment

    def _known(self, ends: list[bytes], messages: Messages, now: int) -> int | None:
        """The moment known by the most of the messages, unless the conversation is another one."""
        found: int | None = None
        for i in reversed(range(len(ends))):
            moment = self._get(ends[i], now)
            if moment is None:
                continue
            found = moment if found is None else found
            is_answered = i + 1 < len(ends) and messages[i + 1].get("role") == "assistant"
            if is_answered or now - found < RETRY_S:
                return found
        return None

    def _get(self, digest: bytes, now: int) -> int | None:
        """A moment that was put, unless it is still to come: then a clock was wrong."""
        value = self._side_store.get(_KIND, digest)
        moment = int.from_bytes(value, "big") if value is not None else None
        return moment if moment is not None and moment <= now else None
