"""How failures are worded."""

import pytest

from segue.api.replies.failures import anthropic_failure, failure_format, native_failure, openai_failure
from segue.serving.errors import ApiError, Failure


@pytest.mark.parametrize(
    ("type_", "code", "status", "expected"),
    [
        ("invalid_request_error", 400, 400, "invalid_request_error"),
        ("invalid_request_error", 405, 405, "invalid_request_error"),
        ("invalid_request_error", 413, 413, "request_too_large"),
        ("authentication_error", 401, 401, "authentication_error"),
        ("exceed_context_size_error", 400, 400, "invalid_request_error"),
        ("not_found_error", 404, 404, "not_found_error"),
        ("not_supported_error", 501, 400, "invalid_request_error"),
        ("server_error", 500, 500, "api_error"),
        ("unavailable_error", 503, 529, "overloaded_error"),
    ],
)
def test_anthropics_types(type_: str, code: int, status: int, expected: str) -> None:
    body = {"type": "error", "error": {"type": expected, "message": "no"}}
    assert anthropic_failure(Failure(code, type_, "no", {"n_ctx": 8})) == (status, body)


def test_openais_clients_get_openais_code_and_those_of_llama_server_the_status() -> None:
    failure = ApiError("exceed_context_size_error", "no", details={"n_prompt_tokens": 9, "n_ctx": 8}).failure
    told = {"message": "no", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    assert openai_failure(failure) == (400, {"error": {**told, "code": "context_length_exceeded"}})
    assert native_failure(failure) == (400, {"error": {**told, "code": 400}})
    plain = ApiError("server_error", "no").failure
    assert (
        openai_failure(plain)
        == native_failure(plain)
        == (500, {"error": {"code": 500, "message": "no", "type": "server_error"}})
    )


def test_the_path_tells_the_format() -> None:
    at = failure_format
    assert at("/v1/messages") is at("/v1/messages/count_tokens") is anthropic_failure
    assert at("/v1/chat/completions") is at("/v1/completions") is at("/") is openai_failure
    assert at("/completion") is at("/completions") is at("/infill") is native_failure
