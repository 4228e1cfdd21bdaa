"""How each API words a failure, given llama-server's error object: `code`, `message`, `type` and further numbers."""

from collections.abc import Callable, Mapping

Failure = Mapping[str, object]
Worded = tuple[int, dict[str, object]]
"""A status and a body."""

_ANTHROPIC = {
    "authentication_error": (401, "authentication_error"),
    "exceed_context_size_error": (400, "invalid_request_error"),
    "not_found_error": (404, "not_found_error"),
    # Clients repeat a request that was answered with 501, in vain.
    "not_supported_error": (400, "invalid_request_error"),
    "server_error": (500, "api_error"),
    "unavailable_error": (529, "overloaded_error"),
}


def openai_failure(failure: Failure) -> Worded:
    """The error under its name; llama-server has the same form."""
    code = failure["code"]
    assert isinstance(code, int)
    return code, {"error": dict(failure)}


def anthropic_failure(failure: Failure) -> Worded:
    """Anthropic's types and statuses. Clients shorten a conversation when told that the prompt is too long."""
    code = failure["code"]
    assert isinstance(code, int)
    status, type_ = _ANTHROPIC.get(str(failure["type"]), (code, "invalid_request_error"))
    message = failure["message"]
    if "n_prompt_tokens" in failure and "n_ctx" in failure:
        message = f"prompt is too long: {failure['n_prompt_tokens']} tokens > {failure['n_ctx']} maximum. {message}"
    return status, {"type": "error", "error": {"type": type_, "message": message}}


def wording_at(path: str) -> Callable[[Failure], Worded]:
    """How the API that has this path words failures."""
    return anthropic_failure if path.startswith("/v1/messages") else openai_failure
