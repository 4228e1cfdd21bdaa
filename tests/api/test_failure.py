"""How failures are worded."""

import pytest

from segue.api.failure import anthropic_failure, openai_failure, wording_at


@pytest.mark.parametrize(
    ("type_", "code", "status", "expected"),
    [
        ("invalid_request_error", 400, 400, "invalid_request_error"),
        ("invalid_request_error", 405, 405, "invalid_request_error"),
        ("authentication_error", 401, 401, "authentication_error"),
        ("not_found_error", 404, 404, "not_found_error"),
        ("not_supported_error", 501, 400, "invalid_request_error"),
        ("server_error", 500, 500, "api_error"),
        ("unavailable_error", 503, 529, "overloaded_error"),
    ],
)
def test_anthropics_types(type_: str, code: int, status: int, expected: str) -> None:
    body = {"type": "error", "error": {"type": expected, "message": "no"}}
    assert anthropic_failure({"code": code, "message": "no", "type": type_}) == (status, body)


def test_a_prompt_that_is_too_long_is_told_in_anthropics_words() -> None:
    failure = {"code": 400, "message": "no", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    status, body = anthropic_failure(failure)
    assert status == 400
    assert body["error"] == {
        "type": "invalid_request_error",
        "message": "prompt is too long: 9 tokens > 8 maximum. no",
    }
    assert openai_failure(failure) == (400, {"error": failure})


def test_the_path_tells_the_wording() -> None:
    assert wording_at("/v1/messages") is wording_at("/v1/messages/count_tokens") is anthropic_failure
    assert wording_at("/v1/chat/completions") is wording_at("/") is openai_failure
