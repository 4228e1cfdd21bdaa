"""The first token of a long conversation after a restart, beside reading it again: as a client sees it."""

import tempfile
import time
from collections.abc import Callable
from typing import Final

from bench.conversation import conversation
from bench.options import Options
from bench.row import SEGUE, Goal, Row, compared
from bench.server import Setup, segue_server
from tests.kit.models import model_path

_N_CONVERSATION: Final = 32_000
_N_QUICK: Final = 4_000
_N_MESSAGES: Final = 41
_N_ROUNDS: Final = 3
_STORED_S: Final = 3.0
_COLD: Final = "reading it again"


def n_steps(options: Options) -> int:
    """How many conversations are held."""
    return options.repeats(_N_ROUNDS)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Read a conversation, restart the server, and ask for the same again."""
    n_tokens = _N_QUICK if options.is_quick else _N_CONVERSATION
    setup = Setup(model_path(options.model_name), n_ctx=40_960, n_slots=1, n_threads=options.threads)
    measured: dict[str, list[float]] = {SEGUE: [], _COLD: []}
    for i in range(options.repeats(_N_ROUNDS)):
        chat = conversation(f"restart {i}", n_tokens, _N_MESSAGES)
        with tempfile.TemporaryDirectory() as folder:
            for name in (_COLD, SEGUE):
                with segue_server(setup, "--cache-dir", folder) as client:
                    measured[name].append(1000 * client.stream(chat).ttft_s)
                    time.sleep(_STORED_S)
        advance()
    return [
        compared(
            "restart", "first token", "ms", measured, over=SEGUE, of=_COLD, goal=Goal(20, at_least=True), at=n_tokens
        )
    ]
