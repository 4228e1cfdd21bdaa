"""Clients that neither send nor take data."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from segue.api.middleware.timeouts import Timeouts
from tests.kit.live import live
from tests.kit.waiting import PATIENCE_S

HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


def test_a_body_that_stops_arriving_is_answered_with_408() -> None:
    with live(timeout=1) as running:
        address = urlsplit(running.url)
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as client:
            client.sendall(HEAD)
            answer = b""
            while b"}}" not in answer:
                piece = client.recv(4096)
                assert piece, answer
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["message"] == "The request did not arrive in time"


def test_a_response_that_is_not_taken_is_cut_off() -> None:
    async def stuck(_: Message) -> None:
        await asyncio.Event().wait()

    async def whole() -> Message:
        return {"type": "http.request", "body": b""}

    async def answering(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.body", "body": b"x"})

    with pytest.raises(ClientDisconnect):
        asyncio.run(Timeouts(answering, seconds=1)({"type": "http"}, whole, stuck))


def test_how_long_a_reply_takes_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind its body, a request waits for the client to leave, which may take any time."""
    limits = []

    def limit(seconds: float) -> asyncio.Timeout:
        limits.append(seconds)
        return asyncio.timeouts.timeout(seconds)

    monkeypatch.setattr(asyncio, "timeout", limit)
    messages: list[Message] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b""}]

    async def receive() -> Message:
        return messages.pop()

    async def send(_: Message) -> None:
        pass

    async def app(_: Scope, receive: Receive, _send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert limits == [5]
        assert (await receive())["type"] == "http.disconnect"

    asyncio.run(Timeouts(app, seconds=5)({"type": "http"}, receive, send))
    assert limits == [5]
