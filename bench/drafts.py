"""Replies of real agents, drafted from what was read before: tokens a call, and how long the replies take.

The replies are those of the recordings: they are forced, and every call computes what it would compute anyway. A text
that never repeats itself shows what drafting costs where it is of no use.
"""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bench.embedded import Embedded, Tokens
from bench.options import Options
from bench.row import SEGUE, Goal, Row, compared
from bench.turns import in_turns
from segue.engine.model import open_vocabulary
from tests.kit.models import gemma3_270m_path
from tests.sim.shared import recording

PLAIN: Final = "without drafts"
_N_ROUNDS: Final = 3
_RECORDINGS: Final = ("agent-text/magagent", "agent-text/taubench")
_N_REPLY_TOKENS: Final = 3000
_N_PROMPT_MOST: Final = 1500
_N_CTX: Final = 4096
_RANDOM: Final = "tokens at random"

Conversation = list[tuple[Tokens, Tokens]]


def n_steps(options: Options) -> int:
    """How often a recording is replayed."""
    return 2 * (len(_RECORDINGS) + 1) * (options.repeats(_N_ROUNDS) + 1)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Replay each recording with drafts and without, in turns."""
    model = gemma3_270m_path()
    rows = []
    for what, requests in _texts(model, 200 if options.is_quick else _N_REPLY_TOKENS):
        measured: dict[str, list[tuple[float, float]]] = {SEGUE: [], PLAIN: []}

        def measure(name: str, requests: Conversation = requests, found: dict = measured) -> float:  # type: ignore[type-arg]
            # A server of its own each time, that has read nothing yet.
            served = Embedded(model, n_ctx=_N_CTX, n_slots=1, n_threads=options.threads, drafts=name == SEGUE)
            try:
                return _replay(served, requests, found[name])
            finally:
                served.close()

        n_rounds = options.repeats(_N_ROUNDS)
        speeds = in_turns({name: lambda name=name: measure(name) for name in measured}, n_rounds, advance)  # type: ignore[misc]
        rate = [n_tokens / n_calls for n_tokens, n_calls in measured[SEGUE]]
        is_random = what == _RANDOM
        rows += [
            compared(
                "drafts",
                f"{what}: tokens a call",
                "tokens",
                {SEGUE: rate, PLAIN: [1.0] * len(rate)},
                over=PLAIN,
                goal=None if is_random else Goal(1.8, at_least=True),
            ),
            compared(
                "drafts",
                f"{what}: from the prompt to the end of the reply",
                "tokens/s",
                speeds,
                over=PLAIN,
                goal=Goal(0.98 if is_random else 1.25, at_least=True),
            ),
        ]
    return rows


def _replay(served: Embedded, requests: Conversation, found: list[tuple[float, float]]) -> float:
    """Generated tokens a second, prompts included; notes tokens and calls."""
    started = time.perf_counter()
    n_tokens = n_accepted = 0
    for prompt, reply in requests:
        timings = served.script(prompt, reply).timings
        n_tokens += timings.predicted_n
        n_accepted += timings.draft_n_accepted
    found.append((n_tokens, n_tokens - n_accepted))
    return n_tokens / (time.perf_counter() - started)


def _texts(model: Path, n_reply_tokens: int) -> Iterator[tuple[str, Conversation]]:
    """Prompts with their replies, as tokens."""
    with open_vocabulary(model) as vocabulary:
        for name in _RECORDINGS:
            requests: Conversation = []
            for prompt, reply in _recorded(recording(name)):
                tokens = [vocabulary.tokenize(text, add_special=False, parse_special=False) for text in (prompt, reply)]
                if len(tokens[1]) > 1 and len(tokens[0]) < _N_PROMPT_MOST:
                    requests.append((tokens[0], tokens[1]))
                if sum(len(reply) for _, reply in requests) > n_reply_tokens:
                    break
            yield name.rpartition("/")[2], requests
        rng = np.random.default_rng(5)
        draw = lambda n: rng.integers(1000, vocabulary.n_tokens, n).astype(np.int32)  # noqa: E731
        yield _RANDOM, [(draw(300), draw(300)) for _ in range(max(1, n_reply_tokens // 300))]


def _recorded(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.jsonl*")):
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for line in file:
                request = json.loads(line)
                yield request["input"], request["output"]
