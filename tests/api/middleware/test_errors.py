"""Errors have one shape, and say nothing of prompts."""

import json
import logging
import socket
import threading

import pytest

from segue.loop.end import ErrorType, JobError
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"prompt": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"prompt": "x", "temperature": NaN}', "NaN"),
        (b'{"prompt": "x", "temperature": -Infinity}', "-Infinity"),
        (b'{"prompt": "x", "temperature": 1e999}', "number"),
        (b'{"prompt": "x", "metadata": {"x": [-1e999]}}', "number"),
        (b'{"prompt": "x", "n_predict": ' + b"9" * 5000 + b"}", "number"),
        (b'{"prompt": "x", "n_predict": ' + b"9" * 50 + b"}", "n_predict"),
        (b"[" * 200_000, "nested"),
        (b'{"a":' * 200_000, "nested"),
        (b'{"prompt": "x", "metadata": ' + b"[" * 500 + b"]" * 500 + b"}", "nested"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/completion", "/tokenize"])
def test_a_body_that_is_no_json_object(server: Live, path: str, body: bytes, part: str) -> None:
    response = server.http.post(path, content=body)
    if path == "/tokenize" and part in ("temperature", "n_predict"):
        assert response.status_code == 200
        return
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["type"]) == (400, "invalid_request_error")
    assert part in error["message"] or (path == "/v1/chat/completions" and "messages" in error["message"])


def test_escaped_pairs_and_any_content_type_are_fine(server: Live) -> None:
    body = b'{"prompt": "\\ud83d\\ude42", "n_predict": 1}'
    for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "text/plain"}):
        response = server.http.post("/completion", content=body, headers=headers)
        assert response.json()["prompt"] == "<s>🙂"


def test_halves_of_characters_are_replaced(server: Live) -> None:
    """An agent that cut a tool's output within an emoji sends it with every turn."""
    body = b'{"prompt": "a\\ud83d b\\ude42\\ud83d\\ude42", "n_predict": 1, "metadata": {"\\uDFFF": 1}}'
    assert server.http.post("/completion", content=body).json()["prompt"] == "<s>a\ufffd b\ufffd\U0001f642"


def test_what_is_nested_as_deep_as_allowed_is_told_again(server: Live) -> None:
    body = b'{"input": "x", "max_output_tokens": 1, "metadata": {"x": ' + b"[" * 498 + b"]" * 498 + b"}}"
    response = server.http.post("/v1/responses", content=body)
    assert response.status_code == 200
    assert b"[" * 498 in response.content


def test_nested_tools_are_refused_or_rendered(server: Live) -> None:
    for depth in (50, 400, 900, 990):
        schema = "{" + '"a":{' * depth + "}" * depth + "}"
        body = f'{{"messages":[{{"role":"user","content":"x"}}],"tools":[{schema}],"chat_template_kwargs":{schema}}}'
        assert server.http.post("/v1/chat/completions", content=body.encode()).status_code in (200, 400)


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(
    server: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((server.http.base_url.host, server.http.base_url.port)) as connection:
        connection.sendall(b"POST /completion HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert server.http.get("/health").status_code == 200
    for _ in range(3):
        assert server.http.get("/health").status_code == 200
    assert not caplog.records


def test_unknown_paths_and_methods(server: Live) -> None:
    missing = server.http.get("/no/such")
    assert missing.status_code == 404
    assert missing.json()["error"]["type"] == "not_found_error"
    assert server.http.get("/v1/models/").status_code == 404
    wrong = server.http.get("/v1/completions")
    assert wrong.status_code == 405
    assert wrong.json()["error"]["code"] == 405
    assert wrong.headers["allow"] == "POST"


def test_a_body_that_is_too_large(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.intake.body.MAX_BODY_BYTES", 1000)
    response = server.post("/completion", prompt="x" * 2000)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == 413
    # By these words agents know that a shorter conversation would do.
    assert "exceeds the limit of 1000" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (JobError(ErrorType.INVALID_REQUEST, "no"), 400),
        (JobError(ErrorType.SERVER, "no"), 500),
        (JobError(ErrorType.UNAVAILABLE, "no"), 503),
    ],
)
def test_what_the_loop_says_went_wrong(error: JobError, status: int) -> None:
    with live(FakeLoop(error=error)) as running:
        for is_streamed in (False, True):
            response = running.post("/v1/completions", prompt="x", stream=is_streamed, n=2)
            assert response.status_code == status
            assert response.json()["error"] == {
                "code": status,
                "message": "no",
                "type": error.type.value,
                **error.details,
            }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/completion"])
def test_an_error_after_the_first_token_is_the_last_event(path: str) -> None:
    body = {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}
    steps = threading.Semaphore(2)
    with live(FakeLoop(error=JobError(ErrorType.SERVER, "lost"), error_after=2, steps=steps)) as running:
        *chunks, last = running.events(path, on_first=steps.release, **body)
        assert json.loads(last) == {"error": {"code": 500, "message": "lost", "type": "server_error"}}
        assert chunks
        steps.release(3)
        assert running.post(path, **body).status_code == 500


def test_an_unexpected_exception_tells_and_logs_nothing_of_the_prompt(
    server: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("SECRET prompt")

    monkeypatch.setattr("segue.api.intake.completion.from_completion", fail)
    with caplog.at_level(logging.DEBUG):
        response = server.post("/v1/completions", prompt="SECRET")
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    assert "RuntimeError at" in caplog.text
    assert "SECRET" not in response.text + caplog.text
