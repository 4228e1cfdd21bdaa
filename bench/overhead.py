"""What Segue adds to libllama: its loop and a bare one, in turns in this process, on the same file and sizes.

No HTTP is in it. Cold reading is measured twice, with a prompt that says nothing of itself, and as a conversation of
many messages, where the figure holds all checkpoints and the splits that they need. Of decoding it is measured too how
long each step spends outside libllama, which noise on the machine hardly touches. Decoding is measured on a larger
model too: what a token costs beside libllama does not grow with the model, so its share shrinks.

There is a moment of rest before each measurement, as between requests of people: the branches that the last one left
behind leave the device then. Under a load without any rest that takes part of the time. The bare loop rests too: caches
and processors that have rested are slow at first.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import numpy as np

from bench.bare import Bare
from bench.embedded import Embedded, Tokens
from bench.options import Options
from bench.row import BARE, SEGUE, Goal, Row, Spread, compared
from bench.speed import CONCURRENCIES
from bench.stopwatch import watching_libllama
from bench.turns import in_turns
from segue.policy.prompt_marks import PromptMarks
from tests.kit.models import model_path

_N_CTX: Final = 32768
_N_SLOTS: Final = 8
_N_ROUNDS: Final = 9
_N_READ: Final = 2048
_N_DECODED: Final = 256
_N_PROMPT: Final = 8
_N_LONG: Final = 8192
_N_MESSAGES: Final = 40
_AS_FAST: Final = Goal(0.97, at_least=True)
_LARGE: Final = "qwen35-140m"
_REST_S: Final = 0.4
_seeds = count()


def n_steps(options: Options) -> int:
    """How many measurements are taken, those to warm up among them."""
    n_decoding = len(CONCURRENCIES) * (1 if options.is_quick else 2)
    return 2 * (len(CONCURRENCIES) + 1 + n_decoding) * (options.repeats(_N_ROUNDS) + 1) + len(CONCURRENCIES)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Measure Segue's loop and the bare one."""
    n_rounds = options.repeats(_N_ROUNDS)
    with _both(options.model_name, options.threads) as (segue, bare):
        rows = [_reading(segue, bare, n, n_rounds, advance) for n in CONCURRENCIES]
        rows.append(_checkpoints(segue, bare, n_rounds, advance))
        rows += [_decoding(segue, bare, n, n_rounds, advance, options.model_name) for n in CONCURRENCIES]
        for n in CONCURRENCIES:
            rows.append(_added(segue, n))
            advance()
    if not options.is_quick:
        with _both(_LARGE, options.threads) as (segue, bare):
            rows += [_decoding(segue, bare, n, n_rounds, advance, _LARGE) for n in CONCURRENCIES]
    return rows


@contextmanager
def _both(name: str, n_threads: int) -> Iterator[tuple[Embedded, Bare]]:
    """Segue and the bare loop, with the same context."""
    model = model_path(name)
    segue = Embedded(model, n_ctx=_N_CTX, n_slots=_N_SLOTS, n_threads=n_threads)
    n_batch, n_ubatch = segue.batch_sizes
    bare = Bare(
        model,
        n_cells=segue.n_cells,
        n_seq_max=segue.n_seq_max,
        n_threads=n_threads,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
    )
    try:
        yield segue, bare
    finally:
        bare.close()
        segue.close()


def _reading(segue: Embedded, bare: Bare, n: int, n_rounds: int, advance: Callable[[], None]) -> Row:
    n_tokens = n * _N_READ
    measures = {
        SEGUE: lambda: n_tokens / _rested(segue).run(_prompts(n, _N_READ), 1),
        BARE: lambda: n_tokens / _rested(segue).on_its_thread(lambda: bare.read(_prompts(n, _N_READ))),
    }
    measured = in_turns(measures, n_rounds, advance)
    return compared("overhead", "cold reading", "tokens/s", measured, over=BARE, goal=_AS_FAST, at=n)


def _checkpoints(segue: Embedded, bare: Bare, n_rounds: int, advance: Callable[[], None]) -> Row:
    n_each = _N_LONG // _N_MESSAGES
    marks = PromptMarks(message_ends=tuple(range(n_each, _N_LONG, n_each)), n_stable=1)
    measures = {
        SEGUE: lambda: 1000 * _rested(segue).run(_prompts(1, _N_LONG), 1, marks),
        BARE: lambda: 1000 * _rested(segue).on_its_thread(lambda: bare.read(_prompts(1, _N_LONG))),
    }
    measured = in_turns(measures, n_rounds, advance)
    what = f"cold reading of {_N_MESSAGES} messages, with splits and checkpoints"
    return compared("overhead", what, "ms", measured, over=BARE, goal=Goal(1.04), at=_N_LONG)


def _decoding(segue: Embedded, bare: Bare, n: int, n_rounds: int, advance: Callable[[], None], model: str) -> Row:
    measures = {
        SEGUE: lambda: _rested(segue).generate(_prompts(n, _N_PROMPT), _N_DECODED),
        BARE: lambda: _rested(segue).on_its_thread(lambda: bare.generate(_prompts(n, _N_PROMPT), _N_DECODED)),
    }
    measured = in_turns(measures, n_rounds, advance)
    return compared("overhead", f"decoding, {model}", "tokens/s", measured, over=BARE, goal=_AS_FAST, at=n)


def _added(segue: Embedded, n: int) -> Row:
    with watching_libllama() as watch:
        segue.run(_prompts(n, _N_PROMPT), 2 * _N_DECODED)
    steps = watch.outside_s[_N_DECODED:]
    spread = Spread.of([1e6 * seconds / n for seconds in steps])
    return Row("overhead", "added to a token", "µs", {SEGUE: spread}, goal=Goal(150), at=n)


def _rested(segue: Embedded) -> Embedded:
    time.sleep(_REST_S)
    return segue


def _prompts(n: int, n_tokens: int) -> list[Tokens]:
    """New prompts of printable bytes, each unlike all others."""
    rng = np.random.default_rng(next(_seeds))
    return list(rng.integers(33, 127, (n, n_tokens), np.int32))
