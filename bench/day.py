"""A day of four coding agents on two slots: how many prompt tokens each server reads.

Two agents each of two products, which have some 7,000 tokens of system prompt and tools. Their requests come
interleaved, one at a time, so that the counts do not depend on timing. Their days hold tool loops, answers, exact
retries, edits of the last message, undoing two messages, new conversations with the same system prompt, and titles
asked for in between. A prompt has 13,000 tokens on average, of which 5 % are new; in real Claude Code requests it is
4 %.

What llama-server reads depends on the day: 2.3, 2.5 and 3.7 times what must be read for the first three seeds.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from bench.agent import Action, Agent, Kit
from bench.client import Client
from bench.options import Options
from bench.oracle import Due, Oracle, Renderer
from bench.row import MUST, PEER, PREFIX, SEGUE, Goal, Row, compared
from bench.server import Setup, servers
from tests.kit.models import model_path

_SEED: Final = 1
_N_REQUESTS_AGENT: Final = 40
_N_CTX_SLOT: Final = 32768
_SCALE: Final = 0.6


def requests(*, is_quick: bool) -> Iterator[tuple[Agent, Action]]:
    """The day: who does what next. The same for every server."""
    rng = random.Random(_SEED)
    products = (Kit.drawn(rng, 5000, 6), Kit.drawn(rng, 4000, 5))
    agents = [Agent(products[i % 2], random.Random(f"{_SEED}.{i}"), echoes=i % 2 == 0, scale=_SCALE) for i in range(4)]
    days = [_actions(rng, 8 if is_quick else _N_REQUESTS_AGENT) for _ in agents]
    order = [i for i, day in enumerate(days) for _ in day]
    rng.shuffle(order)
    for i in order:
        yield agents[i], days[i].pop(0)


def _actions(rng: random.Random, n: int) -> list[Action]:
    """An agent's day of `n` requests: tool loops, and what its user does after each."""
    actions = [Action.FRESH, Action.TITLE]
    while len(actions) < n:
        actions += [Action.TOOL] * rng.randint(1, 5)
        actions += [Action.RETRY] * (rng.random() < 0.15)
        following = rng.choices((Action.USER, Action.EDIT, Action.UNDO, Action.FRESH), (24, 1, 1, 1))[0]
        actions += [following] if following is not Action.FRESH else [Action.FRESH, Action.TITLE]
    return actions[:n]


def n_steps(options: Options) -> int:
    """How many requests all servers get together."""
    return sum(1 for _ in requests(is_quick=options.is_quick)) * len(servers())


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Send the day to each server."""
    model = model_path(options.model_name)
    setup = Setup(model, n_ctx=2 * _N_CTX_SLOT, n_slots=2, n_threads=options.threads)
    renderer = Renderer(model)
    rows = []
    seconds: dict[str, list[float]] = {}
    for name, server in servers().items():
        with server(setup) as client:
            started = time.perf_counter()
            due, n_read = _send(client, Oracle(renderer), options, advance)
            seconds[name] = [time.perf_counter() - started]
        must = {name: [float(n_read)], MUST: [float(sum(d.n_must for d in due))]}
        goal = Goal(1.02) if name == SEGUE else None
        rows.append(compared("day", "prompt tokens read", "tokens", must, of=name, over=MUST, goal=goal))
        prefix = {name: [float(n_read)], PREFIX: [float(sum(d.n_beyond_prefix for d in due))]}
        rows.append(compared("day", "beside the longest common prefix", "tokens", prefix, of=name, over=PREFIX))
    return [*rows, compared("day", "all requests, one after the other", "s", seconds, over=PEER)]


def _send(client: Client, oracle: Oracle, options: Options, advance: Callable[[], None]) -> tuple[list[Due], int]:
    """Send the day; what had to be read, and how much was. RuntimeError if their prompts differ."""
    due: list[Due] = []
    n_read = 0
    for agent, action in requests(is_quick=options.is_quick):
        chat = agent.act(action)
        reply = client.chat(chat)
        agent.hear(action, reply.text)
        due.append(oracle.judge(chat, reply.text))
        n_read += reply.n_read
        if reply.n_prompt != due[-1].n_prompt:
            raise RuntimeError(f"a prompt of {due[-1].n_prompt} tokens has {reply.n_prompt} on the server")
        advance()
    return due, n_read
