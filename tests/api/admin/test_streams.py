"""Streams that outlive their client, and are taken up again."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from segue.loop.end import EndReason
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live
from tests.kit.waiting import PATIENCE_S

NAME = {"X-Conversation-Id": "talk::org/model"}
AT = "/v1/stream?conv_id=talk%3A%3Aorg%2Fmodel"
CHAT = {"messages": [{"role": "user", "content": "x"}], "stream": True}


@pytest.fixture
def steps() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def running(steps: threading.Semaphore) -> Iterator[Live]:
    with live(FakeLoop(steps=steps), api_key=["k", "other"]) as running:
        running.http.headers["Authorization"] = "Bearer k"
        yield running
        steps.release(1000)


def test_a_stream_is_sent_again_from_any_byte(running: Live, steps: threading.Semaphore) -> None:
    steps.release(1000)
    sent = running.http.post("/v1/chat/completions", json=CHAT, headers=NAME).content
    again = running.http.get(AT)
    assert again.headers["content-type"].startswith("text/event-stream")
    assert again.content == sent
    assert sent.endswith(b"data: [DONE]\n\n")
    assert running.http.get(f"{AT}&from=10").content == sent[10:]
    (told,) = running.post("/v1/streams/lookup", conversation_ids=["talk", "unknown"]).json()
    assert (told["conversation_id"], told["is_done"], told["total_bytes"]) == ("talk::org/model", True, len(sent))
    assert told["started_at"] <= told["completed_at"]


def test_a_stream_goes_on_without_its_client(running: Live, steps: threading.Semaphore) -> None:
    steps.release(2)
    with running.http.stream("POST", "/v1/chat/completions", json=CHAT, headers=NAME) as response:
        first = next(response.iter_raw())
    # The client has gone. Whoever reads along gets all of it, the rest as it is written.
    with running.http.stream("GET", AT) as replay:
        parts = replay.iter_raw()
        read = next(parts)
        steps.release(1000)
        read += b"".join(parts)
    assert read.startswith(first)
    assert read.endswith(b"data: [DONE]\n\n")
    running.loop.wait_for_ends(1)
    assert running.loop.ends[0].reason is EndReason.EOS


def test_a_stream_without_a_name_ends_with_its_client(running: Live, steps: threading.Semaphore) -> None:
    steps.release(2)
    with running.http.stream("POST", "/v1/chat/completions", json=CHAT) as response:
        next(response.iter_raw())
    running.loop.wait_for_ends(1)
    assert running.loop.ends[0].reason is EndReason.CANCELLED


@pytest.mark.parametrize("has_left", [False, True])
def test_a_stream_can_be_stopped(running: Live, steps: threading.Semaphore, has_left: bool) -> None:
    steps.release(2)
    with running.http.stream("POST", "/v1/chat/completions", json=CHAT, headers=NAME) as response:
        parts = response.iter_raw()
        next(parts)
        if has_left:
            response.close()
        assert running.http.delete(AT).status_code == 204
        if not has_left:
            assert b"[DONE]" not in b"".join(parts)
    running.loop.wait_for_ends(1)
    assert running.loop.ends[0].reason is EndReason.CANCELLED
    assert running.http.get(AT).status_code == 404
    assert running.http.delete(AT).status_code == 204


def test_the_next_stream_of_a_conversation_takes_its_place(running: Live, steps: threading.Semaphore) -> None:
    steps.release(2)
    with running.http.stream("POST", "/v1/chat/completions", json=CHAT, headers=NAME) as response:
        next(response.iter_raw())
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(running.http.post, "/v1/chat/completions", json=CHAT, headers=NAME)
            # The only slot is free again at once.
            running.loop.wait_for_ends(1)
            steps.release(1000)
            sent = second.result(PATIENCE_S).content
    assert [end.reason for end in running.loop.ends] == [EndReason.CANCELLED, EndReason.EOS]
    assert running.http.get(AT).content == sent


def test_what_is_no_stream_is_not_kept(running: Live, steps: threading.Semaphore) -> None:
    steps.release(1000)
    assert running.http.post("/completion", json={"prompt": "x"}, headers=NAME).status_code == 200
    assert running.http.post("/completion", json={"prompt": 1.5, "stream": True}, headers=NAME).status_code == 400
    assert running.http.get(AT).status_code == 404


def test_the_streams_of_another_key_are_not_seen(running: Live, steps: threading.Semaphore) -> None:
    steps.release(1000)
    running.http.post("/v1/chat/completions", json=CHAT, headers=NAME)
    other = {"Authorization": "Bearer other"}
    assert running.http.get(AT, headers=other).status_code == 404
    assert running.http.post("/v1/streams/lookup", json={"conversation_ids": ["talk"]}, headers=other).json() == []
    assert running.http.delete(AT, headers=other).status_code == 204
    assert running.http.get(AT).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?conv_id=", 400), ("?conv_id=a", 404), ("?conv_id=talk&from=x", 400), ("?conv_id=talk&from=-1", 400)],
)
def test_wrong_questions(running: Live, steps: threading.Semaphore, query: str, status: int) -> None:
    steps.release(1000)
    running.http.post("/v1/chat/completions", json=CHAT, headers={"X-Conversation-Id": "talk"})
    assert running.http.get(f"/v1/stream{query}").status_code == status
    if "from" not in query:
        assert running.http.delete(f"/v1/stream{query}").status_code == (204 if "conv_id=a" in query else 400)
    assert running.http.get("/v1/stream?conv_id=talk&from=99999999999999999999999999").status_code == 400
