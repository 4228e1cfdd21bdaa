"""A trace: the requests of a recording, in the order in which they are replayed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heapify, heappop, heapreplace
from itertools import groupby
from pathlib import Path
from random import Random

from segue.sim.request import TraceRequest
from segue.sim.traces import claude_code, mooncake, text
from segue.sim.traces.error import TraceError

_GAP_LEAST_S, _GAP_MOST_S = 1.0, 60.0
PAUSE_S = 10.0


class Format(StrEnum):
    """The format of a recording."""

    CLAUDE_CODE = "claude-code"
    MOONCAKE = "mooncake"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Interleaving:
    """The interleaving of a recording's conversations.

    `n_conversations` of them, all if None, in an order drawn with `seed`; `concurrency` of them run at a time.
    """

    concurrency: int = 32
    seed: int = 1
    n_conversations: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests by rising `at_s`, whose paths count blocks of `n_block_tokens` tokens."""

    name: str
    n_block_tokens: int
    requests: tuple[TraceRequest, ...]

    @property
    def n_prompt_tokens(self) -> int:
        """The tokens of all prompts."""
        return sum(request.n_prompt_tokens for request in self.requests)


def load(path: Path, form: Format, interleaving: Interleaving) -> Trace:
    """Read a recording. Raises TraceError.

    Mooncake's requests have times and no conversations, so they are replayed as they arrived.
    """
    try:
        if form is Format.MOONCAKE:
            return Trace(path.stem, mooncake.N_BLOCK_TOKENS, tuple(mooncake.read(path)))
        read: Callable[[Path], list[TraceRequest]] = claude_code.read if form is Format.CLAUDE_CODE else text.read
        n_block = claude_code.N_BLOCK_TOKENS if form is Format.CLAUDE_CODE else text.N_BLOCK_TOKENS
        return Trace(path.stem, n_block, interleave(read(path), interleaving))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{path} is not a {form.value} trace: {error}") from error


def interleave(requests: list[TraceRequest], interleaving: Interleaving) -> tuple[TraceRequest, ...]:
    """Interleave conversations, each of which is listed in one piece; the result's times start at 0.

    A request follows the one before it in its conversation after the recorded time, but not sooner than 1 s or later
    than 60 s. When a conversation ends, the next one starts 10 s later.
    """
    conversations = [list(group) for _, group in groupby(requests, key=lambda request: request.conversation)]
    Random(interleaving.seed).shuffle(conversations)
    waiting = iter(conversations[: interleaving.n_conversations])
    running = [(0.0, i, 0, found) for i, found in zip(range(interleaving.concurrency), waiting, strict=False)]
    heapify(running)
    result = []
    while running:
        at_s, i, k, conversation = running[0]
        result.append(replace(conversation[k], at_s=at_s))
        if k + 1 < len(conversation):
            heapreplace(running, (at_s + gap_s(conversation[k], conversation[k + 1]), i, k + 1, conversation))
        elif (following := next(waiting, None)) is not None:
            heapreplace(running, (at_s + PAUSE_S, i, 0, following))
        else:
            heappop(running)
    return tuple(result)


def gap_s(request: TraceRequest, following: TraceRequest) -> float:
    """The time from a request to the next one of its conversation: as recorded, within 1 to 60 s."""
    return min(max(following.at_s - request.at_s, _GAP_LEAST_S), _GAP_MOST_S)
