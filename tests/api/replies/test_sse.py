"""Streams on a real connection: pings, clients that vanish, a server that stops."""

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from segue.api.replies import respond
from segue.api.replies.generation import Generation
from segue.commands.serve.start import make_service
from segue.loop.end import EndReason
from segue.serving.plan import GenerationPlan
from segue.settings import Settings
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live
from tests.kit.waiting import PATIENCE_S

PATHS = ["/v1/chat/completions", "/v1/completions", "/completion"]
BODY: dict[str, Any] = {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}


def endless(steps: threading.Semaphore | None = None) -> FakeLoop:
    """A loop whose replies end by their limit or when they are cancelled, in some haste or in `steps`."""
    return FakeLoop(reply=lambda _: itertools.repeat(ord("a")), delay_s=0 if steps else 0.001, steps=steps)


@contextmanager
def connection(running: Live, path: str, body: dict[str, Any]) -> Iterator[socket.socket]:
    """A request sent over a socket of the test's own."""
    address = httpx.URL(running.url)
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n"
    with socket.create_connection((address.host, address.port or 80), timeout=PATIENCE_S) as client:
        client.sendall(head.encode() + raw)
        yield client


def read_until(client: socket.socket, mark: bytes, n: int = 1) -> bytes:
    received = b""
    while received.count(mark) < n:
        part = client.recv(65536)
        assert part, received
        received += part
    return received


@pytest.mark.parametrize("path", PATHS)
def test_silence_is_broken_by_pings(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.replies.respond.FIRST_EVENT_S", 0.05)
    with live(sse_ping_interval=1) as running:
        running.loop.gate.clear()
        with connection(running, path, {**BODY, "stream": True}) as client:
            assert b"200 OK" in read_until(client, b": ping\n\n", 3)
            running.loop.gate.set()
            assert read_until(client, b"0\r\n\r\n").count(b"data: ") > 5


@pytest.mark.parametrize("own_s", [None, 7, -1])
def test_how_long_a_silence_may_last(own_s: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    intervals_s: list[float] = []
    monkeypatch.setattr(Generation, "signal_silence", lambda _, interval_s: intervals_s.append(interval_s))
    with live() as running:
        running.events("/v1/completions", **BODY, sse_ping_interval=own_s)
    assert intervals_s == [respond.FIRST_EVENT_S, own_s or 30]


def test_what_is_not_positive_stops_the_clock_of_silence() -> None:
    async def main() -> list[bool]:
        service = make_service(Settings(model="fake.gguf"))
        generation = Generation(asyncio.Queue[Any]().get, service, GenerationPlan((), (), 0, is_live=False))
        generation.signal_silence(5)
        first = generation._timer
        assert first is not None
        was_running = not first.cancelled()
        generation.signal_silence(-1)
        generation.close()
        return [was_running, first.cancelled(), generation._timer is first]

    assert asyncio.run(main()) == [True] * 3


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_client_that_vanishes_cancels_its_jobs(path: str, is_streamed: bool) -> None:
    with live(endless()) as running:
        with connection(running, path, {**BODY, "stream": is_streamed, "n": 2}) as client:
            if is_streamed:
                read_until(client, b"data: ", 3)
            else:
                running.loop.wait_for_jobs(1)
        running.loop.wait_for_ends(2)
        assert [end.reason for end in running.loop.ends] == [EndReason.CANCELLED] * 2


def test_a_client_that_vanishes_before_the_first_token_cancels_too() -> None:
    with live() as running:
        running.loop.gate.clear()
        with connection(running, "/v1/completions", {**BODY, "stream": True}):
            running.loop.wait_for_jobs(1)
        running.loop.wait_for_ends(1)
        assert running.loop.ends[0].reason is EndReason.CANCELLED


def test_the_server_serves_on_after_many_clients_vanished() -> None:
    with live(endless()) as running:
        for _ in range(10):
            with connection(running, "/v1/chat/completions", {**BODY, "stream": True}) as client:
                read_until(client, b"data: ")
        running.loop.wait_for_ends(10)
        assert running.post("/v1/completions", prompt="x", max_tokens=3).status_code == 200


def test_each_token_goes_out_before_the_next_one_is_made() -> None:
    steps = threading.Semaphore(0)
    with (
        live(endless(steps)) as running,
        connection(running, "/v1/completions", {**BODY, "stream": True, "max_tokens": 6}) as client,
    ):
        for _ in range(6):
            steps.release()
            assert read_until(client, b'"text":"a"').count(b'"text":"a"') == 1


def test_tokens_that_come_within_the_pace_go_out_together_each_in_an_event_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("segue.api.replies.sse.PACE_S", 1.0)
    with (
        live(endless()) as running,
        connection(running, "/v1/completions", {**BODY, "stream": True, "max_tokens": 200}) as client,
    ):
        received, n_chunks = b"", 0
        while b"[DONE]" not in received:
            received += client.recv(1 << 20)
            n_chunks += 1
    assert received.count(b'"text":"a"') == 200
    assert n_chunks < 100


def test_two_streams_at_once_do_not_mix() -> None:
    with live(FakeLoop(delay_s=0.002)) as running:
        texts: dict[int, str] = {}

        def ask(seed: int) -> None:
            with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as http:
                response = http.post("/v1/completions", json={"prompt": "x", "stream": True, "seed": seed})
            events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
            texts[seed] = "".join(event["choices"][0]["text"] for event in events)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [texts[seed].split("-")[1] for seed in range(8)] == [str(seed) for seed in range(8)]


def test_a_closed_loop_is_unavailable() -> None:
    with live() as running:
        running.loop.close()
        response = running.post("/v1/completions", prompt="x")
        assert response.status_code == 503
        assert response.json()["error"]["type"] == "unavailable_error"
