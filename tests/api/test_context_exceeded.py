"""A prompt that is too long is told in the words and by the codes that agents look for."""

import json
import re
from typing import Any

import pytest

from segue.engine.fim import FimTokens
from segue.loop.end import ErrorType, JobError, context_exceeded
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import live

N_CTX = 64
LONG = "x" * 100
CHAT = {"messages": [{"role": "user", "content": LONG}]}
WORDS = (
    r"prompt is too long: (\d+) tokens > 63 maximum",
    r"the request exceeds the available context size",
    r"maximum context length is 64 tokens",
    r"--ctx-size",
)
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/chat/completions": CHAT,
    "/v1/completions": {"prompt": LONG},
    "/v1/responses": {"input": LONG},
    "/v1/messages": CHAT,
    "/completion": {"prompt": LONG},
    "/completions": {"prompt": LONG},
    "/infill": {"input_prefix": "a", "input_suffix": "b", "prompt": LONG, "n_predict": 1},
}
NATIVE = ("/completion", "/completions", "/infill")
LATE = context_exceeded(100, N_CTX)


class Gaps(ByteVocabulary):
    """With control characters for gaps, which /infill needs."""

    fim = FimTokens(0, 1, 2)


def check_words(message: str) -> int:
    """The number of tokens that the message tells."""
    for words in WORDS:
        assert re.search(words, message), message
    found = re.search(WORDS[0], message)
    assert found is not None
    return int(found.group(1))


def check_error(path: str, error: dict[str, Any]) -> None:
    n_prompt = check_words(error["message"])
    assert n_prompt >= N_CTX
    if path == "/v1/messages":
        assert error["type"] == "invalid_request_error"
        return
    assert error["type"] == "exceed_context_size_error"
    assert error["code"] == (400 if path in NATIVE else "context_length_exceeded")
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (n_prompt, N_CTX)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_before_it_is_read(path: str, is_streamed: bool) -> None:
    with live(FakeLoop(n_ctx=N_CTX), vocabulary=Gaps()) as running:
        response = running.post(path, **ENDPOINTS[path], stream=is_streamed)
        assert running.loop.jobs == []
    if path == "/v1/responses" and is_streamed:
        check_events(response.text)
    else:
        assert response.status_code == 400
        check_error(path, response.json()["error"])


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_when_the_loop_has_no_room_for_it(path: str, is_streamed: bool) -> None:
    short = {name: "x" if value == LONG else value for name, value in ENDPOINTS[path].items()}
    short |= {"messages": [{"role": "user", "content": "x"}]} if "messages" in short else {}
    with live(FakeLoop(error=LATE), vocabulary=Gaps()) as running:
        response = running.post(path, **short, stream=is_streamed)
    if path == "/v1/responses" and is_streamed:
        check_events(response.text)
    else:
        assert response.status_code == 400
        check_error(path, response.json()["error"])


@pytest.mark.parametrize("path", sorted(ENDPOINTS.keys() - {"/v1/responses"}))
def test_in_the_middle_of_a_stream(path: str) -> None:
    short = {"prompt": "x", "input": "x", "messages": [{"role": "user", "content": "x"}], "input_prefix": "x"}
    with live(FakeLoop(error=LATE, error_after=2, delay_s=0.05), vocabulary=Gaps()) as running:
        *_, last = running.events(path, **short)
    check_error(path, json.loads(last)["error"])


def test_in_the_middle_of_a_response() -> None:
    with live(FakeLoop(error=LATE, error_after=2, delay_s=0.05)) as running:
        *_, last = running.events("/v1/responses", input="x")
    error = json.loads(last)["response"]["error"]
    assert error["code"] == "context_length_exceeded"
    check_words(error["message"])


def test_other_failures_of_a_streamed_response_keep_their_status() -> None:
    with live(FakeLoop(error=JobError(ErrorType.SERVER, "no"))) as running:
        assert running.post("/v1/responses", input="x", stream=True).status_code == 500
        assert running.post("/v1/responses", input=3, stream=True).status_code == 400


def check_events(text: str) -> None:
    """Codex only knows the failure when it is an event of a stream."""
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    kinds = ["response.created", "response.in_progress", "response.failed"]
    assert [event["type"] for event in events] == names == kinds
    assert [event["sequence_number"] for event in events] == [0, 1, 2]
    response = events[-1]["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", "context_length_exceeded")
    assert response["id"] == events[0]["response"]["id"]
    check_words(response["error"]["message"])
