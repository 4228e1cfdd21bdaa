"""The end of a job, and the messages of its errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from segue.loop.events import Timings
from segue.policy.reasons import CacheReport


class EndReason(StrEnum):
    """Why a reply ended."""

    EOS = "eos"
    LIMIT = "limit"
    WORD = "word"
    CANCELLED = "cancelled"
    ERROR = "error"


class ErrorType(StrEnum):
    """The error types of llama-server's API that the loop can raise."""

    INVALID_REQUEST = "invalid_request_error"
    EXCEED_CONTEXT = "exceed_context_size_error"
    UNAVAILABLE = "unavailable_error"
    SERVER = "server_error"


@dataclass(frozen=True, slots=True)
class JobError:
    """The reason why a job failed. `details` are further fields of the error object (`n_prompt_tokens`, `n_ctx`)."""

    type: ErrorType
    message: str
    details: Mapping[str, int] = field(default_factory=dict)


INTERNAL_ERROR: Final = JobError(ErrorType.SERVER, "Internal error; the server's log has its type and place")
"""The error that a client gets for an unexpected exception, whose message may name files or quote a prompt."""


def context_exceeded(n_prompt: int, n_ctx: int) -> JobError:
    """The error for a prompt of `n_prompt` tokens that leaves no room for a reply in a context of `n_ctx` tokens.

    Agents shorten a conversation when they recognise this error, most of them by its wording. The message contains the
    wordings of llama-server, OpenAI and Anthropic: change none of them.
    """
    message = (
        f"prompt is too long: {n_prompt} tokens > {n_ctx - 1} maximum; the request exceeds the available context size: "
        f"this model's maximum context length is {n_ctx} tokens. "
        "Shorten the conversation, or start the server with a larger --ctx-size"
    )
    return JobError(ErrorType.EXCEED_CONTEXT, message, {"n_prompt_tokens": n_prompt, "n_ctx": n_ctx})


@dataclass(frozen=True, slots=True)
class JobEnd:
    """The end of a job. `truncated`: the context was full before the reply ended."""

    reason: EndReason
    timings: Timings
    report: CacheReport | None
    id_slot: int
    truncated: bool = False
    error: JobError | None = None
