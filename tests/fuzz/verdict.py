"""What is wrong with an answer to a fuzzed request."""

import json
from collections.abc import Sequence

from segue.api.middleware.auth import PUBLIC_PATHS
from tests.fuzz.case import Case
from tests.fuzz.client import Answer
from tests.fuzz.framing import Asked

_OPENAI = {"code", "message", "type"}
_ANTHROPIC = {"type", "message"}
_CODES: dict[object, int] = {"context_length_exceeded": 400, "model_not_found": 404}
"""OpenAI's own codes, which stand in place of the status."""
_FAILURES = (b'"server_error"', b'"api_error"', b'"unavailable_error"', b'"overloaded_error"')


def fault(case: Case, answers: Sequence[Answer], foreign: str) -> str:
    """What is wrong with the answers to a case, empty if nothing; `foreign` is a text that they must not have."""
    if case.is_http and case.waits and len(answers) < len(case.asked):
        return f"{len(answers)} answers to {len(case.asked)} requests"
    for asked, answer in zip(case.asked, answers, strict=False):
        if foreign.encode() in answer.body:
            return "it tells what another key's holder said"
        wrong = _fault(asked, answer) if case.is_http or answer.status >= 500 else ""
        if wrong:
            return f"{wrong}: {answer.status} {answer.body[:500]!r}"
    return ""


def _fault(asked: Asked, answer: Answer) -> str:
    if not asked.has_key and asked.method != "OPTIONS" and asked.path not in PUBLIC_PATHS and answer.status != 401:
        return "no key was needed"
    if answer.status >= 400:
        return _fault_of_error(asked, answer)
    if answer.content_type.startswith("text/event-stream"):
        return _fault_of_stream(answer.body)
    if answer.body and not _is_json(answer.body):
        return "it is not JSON"
    return ""


def _fault_of_error(asked: Asked, answer: Answer) -> str:
    """501 says that a field asks for what is not there; no other failure may be the server's."""
    if answer.status >= 500 and answer.status != 501:
        return "the server failed"
    if answer.status == 499:
        return "the server believes that the client is gone"
    if asked.method == "HEAD":
        return ""
    if not _is_json(answer.body):
        return "the error is not JSON"
    body = json.loads(answer.body)
    if asked.path.startswith("/v1/messages"):
        is_right = body.get("type") == "error" and body.get("error", {}).keys() == _ANTHROPIC
    else:
        error = body.get("error", {})
        is_right = error.keys() >= _OPENAI and _CODES.get(error["code"], error["code"]) == answer.status
    return "" if is_right else "the error does not have the API's form"


def _fault_of_stream(body: bytes) -> str:
    events = body.split(b"\n\n")
    if events.pop():
        return "the stream ends in an event"
    for event in events:
        data = event.partition(b"data: ")[2] if not event.startswith(b":") else b"{}"
        if data != b"[DONE]" and not _is_json(data):
            return "an event is not JSON"
        if any(failure in data for failure in _FAILURES) and b'"error"' in data:
            return "the server failed in the stream"
    return "" if events else "the stream is empty"


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except ValueError:
        return False
    except RecursionError:
        # It was sent as deep as that, and is told again.
        return True
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)
