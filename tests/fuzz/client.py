"""One client's connection: it sends a case's bytes in the case's manner, and takes what comes back."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

import h11

from tests.fuzz.case import Case, Manner
from tests.fuzz.patience import within

_PAUSE_S = 0.3
_DRIP_S = 0.002
_N_DRIPS = 50
_READ_BYTES = 1 << 16
# A case without a right to an answer is given up when nothing comes for so long.
_PATIENCE_S = 0.3
# libllama needs seconds to tokenise the longest texts, if it has a core to itself.
_LONG_TAKES = 5
# A server may close what was idle for longer.
_FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    content_type: str
    body: bytes


class ExcessError(Exception):
    """There was more than the answers."""


class Client:
    """A connection to `port` of this machine, opened again where a case left it closed or in doubt.

    `n_again` cases were played again on a new one, because the old one ended before an answer began: the server closes
    what is idle, and may do so in the very moment in which more is sent. Every HTTP client does that.
    """

    def __init__(self, port: int, bound_s: float) -> None:
        self._port = port
        self._bound_s = bound_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0
        self.n_again = 0

    async def play(self, case: Case) -> list[Answer]:
        """Act the case; its answers as far as there are any. Raises TimeoutError if one is due and does not come,
        ExcessError if there is more.
        """
        is_first_try = self._streams is not None and case.manner is Manner.PLAIN and case.is_http
        answers = await self._try(case)
        if is_first_try and not answers:
            self.n_again += 1
            answers = await self._try(case)
        return answers

    async def _try(self, case: Case) -> list[Answer]:
        is_stale = time.monotonic() - self._used > _FRESH_S
        if case.manner is not Manner.PLAIN or not case.is_http or is_stale:
            await self.close()
        if self._streams is None:
            self._streams = await self._opened(is_deaf=case.manner is Manner.DEAF)
        reader, writer = self._streams
        sending = asyncio.create_task(_send(writer, case))
        is_open = False
        try:
            if not case.waits:
                await sending
                return []
            answers: list[Answer] = []
            # Bytes that were no request may wait for more of them, as long as the connection stands.
            with contextlib.nullcontext() if case.is_http else contextlib.suppress(TimeoutError):
                bound_s = self._bound_s * (_LONG_TAKES if case.is_long else 1)
                is_open = await within(bound_s if case.is_http else _PATIENCE_S, _take(reader, case, answers))
            return answers
        finally:
            is_open = is_open and sending.done()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            self._used = time.monotonic()
            if not is_open:
                await self.close(resets=case.manner in (Manner.VANISHING, Manner.LEAVING))

    async def close(self, *, resets: bool = False) -> None:
        """Close the connection, with a reset as a process that dies or a machine that goes away would."""
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        if resets:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _opened(self, *, is_deaf: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        end = socket.socket()
        if is_deaf:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self._port))
        return await asyncio.open_connection(sock=end, limit=_READ_BYTES)


async def _send(writer: asyncio.StreamWriter, case: Case) -> None:
    wire = case.wire
    with contextlib.suppress(OSError):
        match case.manner:
            case Manner.PLAIN | Manner.LEAVING:
                await _write(writer, wire)
            case Manner.DRIPPING:
                size = max(1, len(wire) // _N_DRIPS)
                for start in range(0, len(wire), size):
                    await _write(writer, wire[start : start + size])
                    await asyncio.sleep(_DRIP_S)
            case Manner.PAUSING:
                await _write(writer, wire[: len(wire) * 2 // 3])
                await asyncio.sleep(_PAUSE_S)
                await _write(writer, wire[len(wire) * 2 // 3 :])
            case Manner.VANISHING:
                await _write(writer, wire[: len(wire) // 2])
                await asyncio.sleep(_DRIP_S)
            case Manner.DEAF:
                await _write(writer, wire)
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.sleep(_PAUSE_S)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _take(reader: asyncio.StreamReader, case: Case, answers: list[Answer]) -> bool:
    """Take answers to what the case asked, and say whether the connection is fit for more requests."""
    left = b""
    is_open = case.is_http
    for asked in case.asked:
        http = h11.Connection(h11.CLIENT)
        for event in _request(asked.method):
            http.send(event)
        if left:
            http.receive_data(left)
        answer = await _answer(reader, http)
        if answer is None:
            return False
        answers.append(answer)
        is_open = is_open and http.their_state is h11.DONE
        left = http.trailing_data[0]
    if left and case.is_http:
        raise ExcessError("the server says more than it was asked")
    return is_open


def _request(method: str) -> Iterator[h11.Event]:
    """What h11 must hear to read an answer; the case has sent bytes of its own."""
    yield h11.Request(method=method, target="/", headers=[("Host", "x")])
    yield h11.EndOfMessage()


async def _answer(reader: asyncio.StreamReader, http: h11.Connection) -> Answer | None:
    """The next answer; None if the connection ends before it is whole."""
    head: h11.Response | None = None
    body = bytearray()
    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError:
            # An end in the middle; the client cannot tell a fault from a refusal to listen on.
            return None
        match event:
            case h11.NEED_DATA:
                try:
                    http.receive_data(await reader.read(_READ_BYTES))
                except OSError:
                    return None
            case h11.Response():
                head = event
            case h11.Data():
                body += event.data
            case h11.EndOfMessage() if head is not None:
                kind = next((value for name, value in head.headers if name == b"content-type"), b"")
                return Answer(head.status_code, kind.decode("latin-1"), bytes(body))
            case h11.ConnectionClosed() | h11.PAUSED:
                return None
