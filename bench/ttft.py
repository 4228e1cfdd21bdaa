"""Time to the first token of a follow-up, as a client of either server sees it, by the length of the conversation.

Two kinds: the result of a tool call, where the prompt only grows; and a new message of the user, where the template
strips the reasoning from the history, so that the prompt leaves its past at the last message.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

from bench.agent import Action, Agent, Kit
from bench.client import Client
from bench.options import Options
from bench.row import PEER, Row, compared
from bench.server import Setup, both_servers, servers
from bench.turns import in_turns
from tests.kit.models import model_path

_CONTEXTS: Final = (2048, 8192, 32768)
_QUICK_CONTEXTS: Final = (2048, 8192)
_N_ROUNDS: Final = 5
_KINDS: Final = {Action.TOOL: "after a tool result", Action.USER: "after a new message"}
_N_CHARS: Final = 100
_N_KIT: Final = 900
_N_GROWTH: Final = 450


def n_steps(options: Options) -> int:
    """How many requests are measured, those to warm up among them."""
    n_rounds = options.repeats(_N_ROUNDS) + 1
    return len(_contexts(options)) * (1 + n_rounds * len(_KINDS)) * len(servers())


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Hold a conversation of each length with both servers."""
    setup = Setup(model_path(options.model_name), n_ctx=_CONTEXTS[-1] + 8192, n_slots=1, n_threads=options.threads)
    rows = []
    with both_servers(setup) as clients:
        for n_context in _contexts(options):
            rows += _at(n_context, clients, options.repeats(_N_ROUNDS), advance)
    return rows


def _contexts(options: Options) -> tuple[int, ...]:
    return _QUICK_CONTEXTS if options.is_quick else _CONTEXTS


def _at(n_context: int, clients: dict[str, Client], n_rounds: int, advance: Callable[[], None]) -> list[Row]:
    """The rows of one length, which the conversation has in the middle of the measurement."""
    agents = {}
    for name, client in clients.items():
        rng = random.Random(n_context)
        agents[name] = Agent(Kit.drawn(rng, 200, 2), rng, echoes=True, scale=0.2)
        n_first = max(200, n_context - _N_KIT - n_rounds * _N_GROWTH // 2)
        agents[name].hear(Action.FRESH, client.chat(agents[name].act(Action.FRESH, n_first)).text)
        advance()

    def measure(name: str, kind: Action) -> float:
        reply = clients[name].stream(agents[name].act(kind, _N_CHARS))
        agents[name].hear(kind, reply.text)
        return 1000 * reply.ttft_s

    measures = {(name, kind): partial(measure, name, kind) for kind in _KINDS for name in clients}
    measured = in_turns(measures, n_rounds, advance)
    return [
        compared(
            "ttft",
            f"first token {what}",
            "ms",
            {name: measured[name, kind] for name in clients},
            over=PEER,
            at=n_context,
        )
        for kind, what in _KINDS.items()
    ]
