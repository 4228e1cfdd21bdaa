"""What moving state costs those who decode meanwhile: conversations come from the host, a gibibyte in ten seconds.

Each is asked for a token more, comes into the context, and leaves it again. Attention then spans its cells too, so that
libllama decodes slower for everybody, which no way of moving could avoid. Hence what is judged is the time outside
libllama's decoding and sampling: by how much more it grows than by the moves' own time, and how long it lasts at most,
beside what moving a segment of the largest size would take.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from bench.embedded import Embedded, Tokens
from bench.options import Options
from bench.row import SEGUE, Goal, Row, Spread, compared
from bench.stopwatch import watching_libllama
from segue.engine.context import Context
from tests.kit.models import model_path

_N_CTX: Final = 65_536
_N_STREAMS: Final = 4
_N_CONVERSATIONS: Final = 4
_N_TOKENS: Final = 16_384
_N_QUICK: Final = 1_024
_WINDOW_S: Final = 10.0
_MOVED_BYTES: Final = 1 << 30
_RAMP_S: Final = 0.1
_N_ROUNDS: Final = 3
_MOVES: Final = ("put_cells", "save_cells", "save", "load", "put_state", "borrow", "copy")
_ALONE: Final = "without moves"
_ONE_SEGMENT: Final = "one segment"
_N_BYTES_SEGMENT: Final = 32 << 20
_AT_MOST: Final = Goal(1)


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in some seconds. Shares are of these; `outside_share` is that outside libllama's decoding."""

    seconds: float
    tokens_s: float
    outside_share: float
    moved_bytes: int
    moving_share: float
    longest_pause_s: float

    @property
    def segment_s(self) -> float:
        """What moving the largest segment takes at the rate of this window's moves."""
        return _N_BYTES_SEGMENT * self.moving_share * self.seconds / self.moved_bytes


@dataclass(slots=True)
class Moves:
    """The calls that moved state: how long each took, and what all moved."""

    seconds: list[float] = field(default_factory=list)
    n_bytes: int = 0


def n_steps(options: Options) -> int:
    """How many windows are measured, and conversations read before."""
    return 2 * options.repeats(_N_ROUNDS) + _N_CONVERSATIONS


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Let replies go on, with and without moves beside them, in turns."""
    n_tokens = _N_QUICK if options.is_quick else _N_TOKENS
    rng = np.random.default_rng(0)
    segue = Embedded(model_path(options.model_name), n_ctx=_N_CTX, n_slots=_N_STREAMS + 1, n_threads=options.threads)
    try:
        conversations = []
        for _ in range(_N_CONVERSATIONS):
            conversations.append(_random(rng, n_tokens))
            segue.run([conversations[-1]], 1)
            advance()
        _window(segue, conversations, rng)  # memory that is used for the first time is slow
        alone: list[Window] = []
        moving: list[Window] = []
        for _ in range(options.repeats(_N_ROUNDS)):
            alone.append(_window(segue, [], rng))
            advance()
            moving.append(_window(segue, conversations, rng))
            advance()
    finally:
        segue.close()
    return _rows(alone, moving, n_tokens)


def _rows(alone: list[Window], moving: list[Window], n_tokens: int) -> list[Row]:
    beyond = [100 * (b.outside_share - b.moving_share - a.outside_share) for a, b in zip(alone, moving, strict=True)]
    speeds = {SEGUE: [one.tokens_s for one in moving], _ALONE: [one.tokens_s for one in alone]}
    pauses = {
        SEGUE: [1000 * one.longest_pause_s for one in moving],
        _ONE_SEGMENT: [1000 * one.segment_s for one in moving],
    }
    shares = {SEGUE: Spread.of([100 * one.moving_share for one in moving])}
    moved = {SEGUE: Spread.of([one.moved_bytes / 2**20 for one in moving])}
    return [
        Row("moves", "moved in 10 s", "MiB", moved, at=n_tokens),
        Row("moves", "the moves' own time", "%", shares, at=n_tokens),
        Row("moves", "decoding time lost beside it", "%", {SEGUE: Spread.of(beyond)}, goal=Goal(5), at=n_tokens),
        compared("moves", "longest pause of the replies", "ms", pauses, over=_ONE_SEGMENT, goal=_AT_MOST, at=n_tokens),
        compared("moves", "decoding, attention over what came included", "tokens/s", speeds, over=_ALONE, at=n_tokens),
    ]


def _window(segue: Embedded, conversations: list[Tokens], rng: np.random.Generator) -> Window:
    """Ten seconds of replies, the conversations going on beside them as fast as makes a gibibyte of moves."""
    with (
        segue.streaming([_random(rng, 8) for _ in range(_N_STREAMS)]) as times,
        watching_libllama() as watch,
        _watching_moves() as moves,
    ):
        time.sleep(_RAMP_S)
        started = time.perf_counter()
        until = started + _WINDOW_S
        for conversation in cycle(conversations):
            segue.run([np.concatenate((conversation, _random(rng, 1)))], 1)
            due = started + _WINDOW_S * moves.n_bytes / _MOVED_BYTES
            time.sleep(max(0.0, min(due, until) - time.perf_counter()))
            if time.perf_counter() >= until:
                break
        time.sleep(max(0.0, until - time.perf_counter()))
        seconds = time.perf_counter() - started
        n_generated = sum(started < at <= started + seconds for one in times for at in one)
        return Window(
            seconds,
            n_generated / seconds,
            sum(watch.outside_s) / seconds,
            moves.n_bytes,
            sum(moves.seconds) / seconds,
            max(watch.outside_s),
        )


@contextmanager
def _watching_moves() -> Iterator[Moves]:
    """Time all calls meanwhile that bring state into a context or copy it out."""
    moves = Moves()

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = call(*arguments, **named)
            moves.seconds.append(time.perf_counter() - started)
            moves.n_bytes += _n_bytes(result) + sum(_n_bytes(one) for one in arguments)
            return result

        return wrapped

    with ExitStack() as stack:
        for name in _MOVES:
            stack.enter_context(patch.object(Context, name, timed(getattr(Context, name))))
        yield moves


def _n_bytes(value: Any) -> int:
    """Of a state or of cells, or of a list of them; 0 for anything else."""
    if isinstance(value, list):
        return sum(_n_bytes(one) for one in value)
    return int(getattr(value, "n_bytes", 0))


def _random(rng: np.random.Generator, n_tokens: int) -> Tokens:
    return rng.integers(33, 127, n_tokens, np.int32)
