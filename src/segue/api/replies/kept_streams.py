"""Keeps streams that a client may resume: they go on without it, and can be replayed for some minutes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

KEPT_S: Final = 300
"""How long a stream can be replayed after its end."""
_MOST_BYTES: Final = 4 << 20
_MOST_ENDED: Final = 256


class KeptStream:
    """The bytes that one response has sent, of which the last 4 MiB can be sent again. Belongs to the event loop.

    `stopped` is set to stop the response.
    """

    def __init__(self, conversation_id: str, stopped: asyncio.Event, now: float) -> None:
        self.conversation_id = conversation_id
        self.started = now
        self.ended: float | None = None
        self.n_lost = 0
        self.stopped = stopped
        self._data = bytearray()
        self._changed = asyncio.Event()

    @property
    def n_bytes(self) -> int:
        """How much has been sent in all."""
        return self.n_lost + len(self._data)

    def append(self, data: bytes) -> None:
        """Add what the response sends next."""
        self._data += data
        n_over = max(0, len(self._data) - _MOST_BYTES)
        del self._data[:n_over]
        self.n_lost += n_over
        self._tell()

    def end(self, now: float) -> None:
        """The response is complete, or broken off."""
        if self.ended is None:
            self.ended = now
        self._tell()

    async def read(self, start: int) -> AsyncIterator[bytes]:
        """All bytes from `start` on, as they come; fewer if the reader is so slow that some are lost."""
        while start >= self.n_lost:
            data = bytes(self._data[start - self.n_lost :])
            start += len(data)
            if data:
                yield data
            elif self.ended is not None:
                return
            else:
                await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class KeptStreams:
    """The streams that can be resumed, by namespace and by the id that a client gave its conversation.

    A conversation has one; the next one takes its place. Belongs to the event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._streams: dict[tuple[str, str], KeptStream] = {}

    def open(self, namespace: str, conversation_id: str, stopped: asyncio.Event) -> KeptStream:
        """Begin a stream. One that the conversation still has is stopped and forgotten."""
        self.stop(namespace, conversation_id)
        self._forget_old()
        stream = KeptStream(conversation_id, stopped, self._clock())
        self._streams[namespace, conversation_id] = stream
        return stream

    def end(self, stream: KeptStream) -> None:
        """Record that a stream is over."""
        stream.end(self._clock())

    def get(self, namespace: str, conversation_id: str) -> KeptStream | None:
        """The stream of a conversation, if it is still known."""
        self._forget_old()
        return self._streams.get((namespace, conversation_id))

    def stop(self, namespace: str, conversation_id: str) -> None:
        """Stop the stream of a conversation, if there is one, and forget it."""
        stream = self._streams.pop((namespace, conversation_id), None)
        if stream is not None:
            stream.stopped.set()
            stream.end(self._clock())

    def of(self, namespace: str, ids: Iterable[str]) -> list[KeptStream]:
        """The streams of these conversations, each also under the names `id::model`."""
        self._forget_old()
        mine = [stream for (owner, _), stream in self._streams.items() if owner == namespace]
        return [one for id_ in dict.fromkeys(ids) for one in mine if f"{one.conversation_id}::".startswith(f"{id_}::")]

    def _forget_old(self) -> None:
        ended = [key for key, stream in self._streams.items() if stream.ended is not None]
        ended.sort(key=lambda key: self._streams[key].ended or 0.0)
        limit = self._clock() - KEPT_S
        for i, key in enumerate(ended):
            if len(ended) - i > _MOST_ENDED or (self._streams[key].ended or 0.0) <= limit:
                del self._streams[key]
