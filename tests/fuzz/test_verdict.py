"""The fuzzer's own judgement: what it must find, and what it must let pass."""

import json

import pytest

from tests.fuzz.case import Case, Manner, make_case
from tests.fuzz.client import Answer
from tests.fuzz.framing import Asked
from tests.fuzz.oddities import LONG_CHARS, Pairs, Raw, written
from tests.fuzz.verdict import fault

CHAT, MESSAGES = Asked("POST", "/v1/chat/completions"), Asked("POST", "/v1/messages?beta=true")
OPENAI = {"error": {"code": 400, "message": "no", "type": "invalid_request_error"}}
ANTHROPIC = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}


def answer(status: int, body: object, content_type: str = "application/json") -> Answer:
    return Answer(status, content_type, body if isinstance(body, bytes) else json.dumps(body).encode())


def stream(body: bytes) -> Answer:
    return answer(200, body, "text/event-stream; charset=utf-8")


def judged(asked: Asked, *answers: Answer, is_http: bool = True) -> str:
    return fault(Case(0, (asked,), b"", is_http=is_http), answers, "a secret")


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (CHAT, answer(200, {"choices": []})),
        (CHAT, answer(400, OPENAI)),
        (CHAT, answer(501, {"error": {"code": 501, "message": "no", "type": "not_supported_error"}})),
        (CHAT, answer(400, {"error": OPENAI["error"] | {"code": "context_length_exceeded"}})),
        (MESSAGES, answer(400, ANTHROPIC)),
        (CHAT, stream(b': ping\n\ndata: {"choices": []}\n\ndata: [DONE]\n\n')),
        (MESSAGES, stream(b'event: ping\ndata: {"type": "ping"}\n\n')),
        (Asked("POST", "/completion", has_key=False), answer(401, {"error": OPENAI["error"] | {"code": 401}})),
        (Asked("GET", "/health", has_key=False), answer(200, {"status": "ok"})),
        (Asked("HEAD", "/health"), answer(405, b"")),
    ],
)
def test_what_is_right(asked: Asked, given: Answer) -> None:
    assert judged(asked, given) == ""


@pytest.mark.parametrize(
    ("asked", "given", "part"),
    [
        (CHAT, answer(500, {"error": {"code": 500, "message": "no", "type": "server_error"}}), "failed"),
        (CHAT, answer(503, {"error": {"code": 503, "message": "no", "type": "unavailable_error"}}), "failed"),
        (CHAT, answer(499, b""), "gone"),
        (CHAT, answer(400, {"detail": "no"}), "form"),
        (CHAT, answer(400, {"error": {"code": 404, "message": "no", "type": "x"}}), "form"),
        (CHAT, answer(404, {"error": OPENAI["error"] | {"code": "context_length_exceeded"}}), "form"),
        (CHAT, answer(400, b"Invalid HTTP request received.", "text/plain"), "not JSON"),
        (MESSAGES, answer(400, OPENAI), "form"),
        (CHAT, answer(200, b"Internal", "text/plain"), "not JSON"),
        (CHAT, answer(200, b'{"x": NaN}'), "not JSON"),
        (CHAT, answer(200, b'{"x": "\xff"}'), "not JSON"),
        (CHAT, answer(200, {"message": "this is a secret"}), "another key"),
        (CHAT, stream(b'data: {"choices": []}\n\ndata: {"cho'), "ends in an event"),
        (CHAT, stream(b""), "empty"),
        (CHAT, stream(b"data: {\n\n"), "not JSON"),
        (CHAT, stream(b'data: {"error":{"code":500,"message":"x","type":"server_error"}}\n\n'), "in the stream"),
        (Asked("POST", "/completion", has_key=False), answer(200, {}), "no key"),
    ],
)
def test_what_is_wrong(asked: Asked, given: Answer, part: str) -> None:
    assert part in judged(asked, given)


def test_an_answer_is_due_to_each_request_of_a_client_that_waits() -> None:
    case = Case(0, (CHAT, CHAT), b"")
    assert "1 answers to 2" in fault(case, [answer(200, {})], "a secret")
    assert fault(Case(0, (CHAT,), b"", Manner.VANISHING), [], "a secret") == ""
    assert judged(CHAT, is_http=False) == ""
    assert judged(CHAT, answer(400, b"Invalid", "text/plain"), is_http=False) == ""
    assert judged(CHAT, answer(500, b"Internal", "text/plain"), is_http=False) != ""


def test_cases_are_the_same_again() -> None:
    for number in range(200):
        assert make_case(3, number, "key", "secret") == make_case(3, number, "key", "secret")
    assert make_case(3, 1, "key", "secret") != make_case(4, 1, "key", "secret")


def test_cases_are_of_every_kind() -> None:
    cases = [make_case(1, number, "key", "a secret") for number in range(3000)]
    assert {case.manner for case in cases} == {*Manner}
    wires = b"".join(case.wire for case in cases)
    for part in (b"[[[[", b"1e400", b"\xff", rb"\ud800", b"a secret", b"NaN", b"chunked", b"Expect"):
        assert part in wires
    assert any(len(case.wire) > LONG_CHARS for case in cases)
    assert any(len(case.asked) > 1 for case in cases)
    assert any(not asked.has_key for case in cases for asked in case.asked)
    assert any(case.wire.count(b'"messages":') > 1 for case in cases if len(case.asked) == 1)


def test_json_is_written_as_it_is_meant() -> None:
    value = {"a": [1, None, "é"], "b": {"c": 2.5}}
    assert json.loads(written(value)) == value
    assert written(Pairs((("a", 1), ("a", Raw(b"1e400"))))) == b'{"a":1,"a":1e400}'
