"""Errors with llama-server's types and codes. Each API formats them in its own way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segue.loop.end import JobError

INVALID_REQUEST = "invalid_request_error"
AUTHENTICATION = "authentication_error"
NOT_FOUND = "not_found_error"
NOT_SUPPORTED = "not_supported_error"
UNAVAILABLE = "unavailable_error"
SERVER = "server_error"

_STATUS = {
    INVALID_REQUEST: 400,
    "exceed_context_size_error": 400,
    AUTHENTICATION: 401,
    NOT_FOUND: 404,
    SERVER: 500,
    NOT_SUPPORTED: 501,
    UNAVAILABLE: 503,
}
_OPENAI_CODES = {"exceed_context_size_error": "context_length_exceeded"}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure: `type` is one of llama-server's, `details` are further fields of its error object.

    `openai_code` is the `code` by which OpenAI's clients know the failure, None where they have none.
    """

    status: int
    type: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)
    openai_code: str | None = None


class ApiError(Exception):
    """An error to answer a request with. `message` goes to the client: it never quotes a prompt.

    `details` are further fields of the error object. `openai_code` is OpenAI's `code`, where that is not implied.
    """

    def __init__(
        self,
        type_: str,
        message: str,
        *,
        status: int | None = None,
        details: Mapping[str, object] | None = None,
        openai_code: str | None = None,
    ) -> None:
        super().__init__(message)
        status = _STATUS[type_] if status is None else status
        code = openai_code or _OPENAI_CODES.get(type_)
        self.failure = Failure(status, type_, message, details or {}, code)


def invalid(message: str) -> ApiError:
    """Make the error for a request that can never work as it is."""
    return ApiError(INVALID_REQUEST, message)


def not_supported(message: str) -> ApiError:
    """Make the error for a request that llama-server may serve and this server does not."""
    return ApiError(NOT_SUPPORTED, message)


def from_job(error: JobError) -> ApiError:
    """Turn a failure that the loop reports into an error for the client."""
    return ApiError(error.type.value, error.message, details=error.details)
