"""What other threads hand to the loop, and what it tells them: token ids only, no text."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from segue.cache.snapshot import SlotSnapshot
from segue.engine.base import MakeMask
from segue.engine.cells import Bytes
from segue.engine.sampling import SamplingParams
from segue.policy.placement import PromptMarks
from segue.policy.reasons import CacheReport

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Job:
    """One prompt to read and one reply to generate.

    `n_predict`: tokens to generate at most; -1 until the context is full, 0 only reads (and so warms the cache).
    `namespace`: whose cache it uses; state never crosses namespaces. `session`: the client's name for what the request
    belongs to, empty for none. `id_slot`: the slot wanted, -1 for any. `use_cache`: False reads the whole prompt again,
    with the same checkpoint positions. `n_probs`: how many of the best tokens to report with each generated one, 0 for
    none (the sampled token's own is then not reported either). `wants_timings`: with each token and all progress too,
    not only at the end. `may_be_interrupted`: the client sees the reply grow, or stop strings end it, so the next
    prompt may go on from inside it. `make_mask`: makes what the reply must follow, on the engine's thread, so it has to
    be quick; None for nothing.
    """

    tokens: Tokens
    sampling: SamplingParams
    marks: PromptMarks
    n_predict: int = -1
    namespace: str = ""
    session: str = ""
    id_slot: int = -1
    use_cache: bool = True
    n_probs: int = 0
    post_sampling_probs: bool = False
    wants_progress: bool = False
    wants_timings: bool = False
    may_be_interrupted: bool = False
    make_mask: MakeMask | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """How a request went, in llama-server's terms: `cache_n` reused, `prompt_n` read, `predicted_n` generated.

    Reading ends with the first token, which the prompt's last logits give; `predicted_ms` run from there to the last.
    """

    cache_n: int
    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float

    @property
    def prompt_per_token_ms(self) -> float:
        """Milliseconds for each token read; 0 if none was."""
        return _ratio(self.prompt_ms, self.prompt_n)

    @property
    def prompt_per_second(self) -> float:
        """Tokens read in a second; 0 if none was read, or no time has passed."""
        return _ratio(1e3 * self.prompt_n, self.prompt_ms)

    @property
    def predicted_per_token_ms(self) -> float:
        """Milliseconds from one generated token to the next; 0 with fewer than two."""
        return _ratio(self.predicted_ms, self._n_intervals)

    @property
    def predicted_per_second(self) -> float:
        """Tokens generated in a second, the first one not counted; 0 with fewer than two, or if no time has passed."""
        return _ratio(1e3 * self._n_intervals, self.predicted_ms)

    @property
    def _n_intervals(self) -> int:
        return max(0, self.predicted_n - 1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a prompt is read: tokens in all, reused from the cache, done so far (reused ones included).

    `timings` are those so far, if the job wants them.
    """

    n_total: int
    n_cached: int
    n_processed: int
    time_ms: float
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token with its log-probability (natural) before sampling, or after it if the job asked so."""

    token: int
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenOut:
    """The `n_generated`-th token; `top` holds the `n_probs` likeliest, best first; `timings` are those so far."""

    token: int
    is_eog: bool
    logprob: float | None
    top: tuple[Candidate, ...]
    n_generated: int
    timings: Timings | None


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
    """Why a job failed. `details` are further fields of the error object (`n_prompt_tokens`, `n_ctx`)."""

    type: ErrorType
    message: str
    details: Mapping[str, int] = field(default_factory=dict)


INTERNAL_ERROR: Final = JobError(ErrorType.SERVER, "Internal error; the server's log has its type and place")
"""What a client hears of a failure that nobody expected, whose own words may name files or quote what was read."""


def context_exceeded(n_prompt: int, n_ctx: int) -> JobError:
    """The error for a prompt of `n_prompt` tokens that leaves no room for a reply in a context of `n_ctx` tokens.

    Agents shorten a conversation when they recognise the error, most of them by its words. These are the words of
    llama-server, of OpenAI and of Anthropic: change none of them.
    """
    message = (
        f"prompt is too long: {n_prompt} tokens > {n_ctx - 1} maximum; the request exceeds the available context size: "
        f"this model's maximum context length is {n_ctx} tokens. "
        "Shorten the conversation, or start the server with a larger --ctx-size"
    )
    return JobError(ErrorType.EXCEED_CONTEXT, message, {"n_prompt_tokens": n_prompt, "n_ctx": n_ctx})


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. `truncated`: the context was full before the reply ended."""

    reason: EndReason
    timings: Timings
    report: CacheReport | None
    id_slot: int
    truncated: bool = False
    error: JobError | None = None


class Listener(Protocol):
    """Hears of a job's progress. Called on the engine thread, which waits for it: be quick and never block."""

    def on_progress(self, progress: Progress) -> None:
        """Hear how far the prompt is: once at the start, then after each batch; only if the job wants progress."""

    def on_token(self, token: TokenOut) -> bool:
        """Hear one token was generated; returning True ends the reply here (a stop string is complete)."""

    def on_end(self, end: JobEnd) -> None:
        """Hear the job is over; called exactly once, last."""


class Ticket(Protocol):
    """A submitted job."""

    @property
    def id(self) -> int:
        """A number that names the job in the log."""

    def cancel(self) -> None:
        """Ask the loop to stop the job soon; any thread, any number of times. `on_end` still follows."""


@dataclass(frozen=True, slots=True)
class SlotView:
    """What `/slots` shows of one slot. `namespace` and the counts are those of its request; "" and 0 without one."""

    id: int
    namespace: str
    is_processing: bool
    id_task: int
    n_ctx: int
    n_prompt_tokens: int
    n_prompt_tokens_processed: int
    n_prompt_tokens_cache: int
    n_decoded: int


class LoopFront(Protocol):
    """The loop as HTTP sees it. All methods may be called from any thread."""

    def submit(self, job: Job, listener: Listener) -> Ticket:
        """Queue a job."""

    def slots(self) -> tuple[SlotView, ...]:
        """A snapshot of the slots."""

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":
        """Pack the path that a slot served last, empty if it was in another namespace; None: ask again in a moment.

        SnapshotError if there is something and nothing of it can be had (`SlotSnapshots.pack`).
        """

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":
        """Unpack a snapshot's arrays; how many tokens. Raises SnapshotError for what cannot be used here.

        The future's error is DamagedError where arrays are not what the snapshot says.
        """

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":
        """Forget the end of the path that a slot served last; how many tokens."""

    @property
    def n_ctx(self) -> int:
        """The most tokens that one prompt and its reply may have."""


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 0.0
