"""What is kept of a stream, and for how long."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import ParamSpec

import pytest

from segue.api.replies.kept_streams import KEPT_S, KeptStream, KeptStreams

P = ParamSpec("P")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def in_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def read(stream: KeptStream, start: int = 0) -> bytes:
    return b"".join([data async for data in stream.read(start)])


@in_loop
async def test_a_reader_gets_what_was_sent_and_what_follows() -> None:
    stream = KeptStreams().open("", "a", asyncio.Event())
    stream.append(b"one ")
    readers = [asyncio.create_task(read(stream, start)) for start in (0, 2)]
    await asyncio.sleep(0)
    for part in (b"two ", b"three"):
        stream.append(part)
        await asyncio.sleep(0)
    stream.end(1.0)
    assert [await reader for reader in readers] == [b"one two three", b"e two three"]
    assert await read(stream, 8) == b"three"
    assert await read(stream, 99) == b""


@in_loop
async def test_of_a_long_stream_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.replies.kept_streams._MOST_BYTES", 10)
    stream = KeptStreams().open("", "a", asyncio.Event())
    slow = stream.read(0)
    stream.append(b"0123456")
    assert await anext(slow) == b"0123456"
    for part in (b"789", b"abcdefghijklm", b"n"):
        stream.append(part)
    stream.end(1.0)
    assert (stream.n_lost, stream.n_bytes) == (14, 24)
    assert await read(stream, 14) == b"efghijklmn"
    assert await read(stream, 13) == b""
    assert [data async for data in slow] == []


@in_loop
async def test_a_conversation_has_one_stream_in_each_namespace() -> None:
    streams, stopped = KeptStreams(), [asyncio.Event() for _ in range(3)]
    first = streams.open("", "a", stopped[0])
    other = streams.open("key", "a", stopped[1])
    assert streams.get("", "a") is first
    second = streams.open("", "a", stopped[2])
    assert [event.is_set() for event in stopped] == [True, False, False]
    assert await read(first) == b""
    assert streams.get("", "a") is second
    assert streams.get("key", "a") is other
    streams.stop("key", "a")
    streams.stop("key", "unknown")
    assert stopped[1].is_set()
    assert streams.get("key", "a") is None


@in_loop
async def test_streams_are_found_by_their_conversation_alone() -> None:
    streams = KeptStreams()
    made = {name: streams.open("", name, asyncio.Event()) for name in ("a", "a::model", "ab", "b")}
    streams.open("key", "a", asyncio.Event())
    assert streams.of("", ["a", "a", "c"]) == [made["a"], made["a::model"]]
    assert streams.of("", ["a::model"]) == [made["a::model"]]
    assert streams.of("", []) == []


@in_loop
async def test_a_stream_that_has_ended_is_forgotten_after_a_while() -> None:
    clock = Clock()
    streams = KeptStreams(clock)
    streams.open("", "runs", asyncio.Event())
    ended = streams.open("", "ended", asyncio.Event())
    streams.end(ended)
    clock.now += KEPT_S - 1
    assert streams.get("", "ended") is ended
    clock.now += 1
    assert streams.get("", "ended") is None
    assert streams.get("", "runs") is not None


@in_loop
async def test_of_many_streams_that_have_ended_the_last_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.replies.kept_streams._MOST_ENDED", 2)
    clock = Clock()
    streams = KeptStreams(clock)
    for name in ("a", "b", "c"):
        streams.end(streams.open("", name, asyncio.Event()))
        clock.now += 1
    assert [one.conversation_id for one in streams.of("", ["a", "b", "c"])] == ["b", "c"]
