"""Formats failures as each API does."""

from collections.abc import Callable

from starlette.responses import JSONResponse

from segue.serving.errors import ApiError, Failure

FormattedFailure = tuple[int, dict[str, object]]
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
_TOO_LARGE = 413
_NATIVE_PATHS = frozenset({"/completion", "/completions", "/infill"})


def native_failure(failure: Failure) -> FormattedFailure:
    """Format a failure as llama-server does: its `code` is the status."""
    told = {"code": failure.status, "message": failure.message, "type": failure.type}
    return failure.status, {"error": {**told, **failure.details}}


def openai_failure(failure: Failure) -> FormattedFailure:
    """Format a failure as llama-server does, but with OpenAI's `code` where there is one."""
    told = {"code": failure.openai_code or failure.status, "message": failure.message, "type": failure.type}
    return failure.status, {"error": {**told, **failure.details}}


def anthropic_failure(failure: Failure) -> FormattedFailure:
    """Format a failure with Anthropic's types and statuses."""
    other = "request_too_large" if failure.status == _TOO_LARGE else "invalid_request_error"
    status, type_ = _ANTHROPIC.get(failure.type, (failure.status, other))
    return status, {"type": "error", "error": {"type": type_, "message": failure.message}}


def failure_format(path: str) -> Callable[[Failure], FormattedFailure]:
    """The function that formats failures for the API that has this path."""
    if path.startswith("/v1/messages"):
        return anthropic_failure
    return native_failure if path in _NATIVE_PATHS else openai_failure


def error_response(error: ApiError, path: str) -> JSONResponse:
    """The error as a whole response of the endpoint `path`."""
    status, body = failure_format(path)(error.failure)
    return JSONResponse(body, status)
