"""The case that the project began with, in full length (scenario S26), on the tiny hybrid.

A conversation of 154,658 tokens; then 15 tokens of another kind; then back to the conversation, with one more message.
One slot, so that the small request takes the place of the large one. Tokens read are what counts: the model is so
small only to keep 154,658 of them bearable.
"""

import dataclasses
import random
from collections.abc import Callable
from typing import Final

from bench.client import Chat, Client, Reply
from bench.conversation import conversation
from bench.options import Options
from bench.oracle import Oracle, Renderer
from bench.row import MUST, SEGUE, Goal, Row, Spread
from bench.server import Setup, servers
from bench.text import text
from tests.kit.models import model_path

_N_CONVERSATION: Final = 154_658
_N_QUICK: Final = 20_000
_N_OTHER: Final = 15
_N_MESSAGES: Final = 101
_N_PREDICT: Final = 8
_STEPS: Final = ("the conversation, cold", "15 tokens of another kind", "back to the conversation")


def n_steps(_: Options) -> int:
    """How many requests are sent."""
    return len(_STEPS) * len(servers())


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Send the three requests to each server."""
    n_conversation = _N_QUICK if options.is_quick else _N_CONVERSATION
    model = model_path("qwen35")
    setup = Setup(model, n_ctx=n_conversation + 4096, n_slots=1, n_threads=options.threads)
    renderer = Renderer(model)
    chat = exactly(n_conversation, renderer)
    replies: dict[str, list[Reply]] = {}
    must: dict[str, list[int]] = {}
    for name, server in servers().items():
        with server(setup) as client:
            replies[name], must[name] = _send(client, chat, Oracle(renderer), advance)
    rows = [
        _row(step, [r[i] for r in replies.values()], list(replies), must[SEGUE][i]) for i, step in enumerate(_STEPS)
    ]
    waits = {name: _spread(r[-1].total_s) for name, r in replies.items()}
    return [*rows, Row("s26", "back to the conversation, until the reply", "s", waits)]


def exactly(n_tokens: int, renderer: Renderer) -> Chat:
    """A conversation whose prompt has that many tokens."""
    chat = dataclasses.replace(conversation("s26", n_tokens - 4096, _N_MESSAGES), n_predict=_N_PREDICT)
    *before, last = chat.messages
    n_missing = n_tokens - renderer.n_tokens(chat)
    return dataclasses.replace(chat, messages=(*before, last | {"content": last["content"] + "x" * n_missing}))


def _send(client: Client, chat: Chat, oracle: Oracle, advance: Callable[[], None]) -> tuple[list[Reply], list[int]]:
    """The three replies, and what had to be read for each."""
    rng = random.Random(26)
    first = client.chat(chat)
    n_first = oracle.judge(chat, first.text).n_must
    advance()
    other = client.complete([rng.randrange(33, 127) for _ in range(_N_OTHER)], _N_PREDICT)
    advance()
    said = ({"role": "assistant", "content": text(rng, 200)}, {"role": "user", "content": text(rng, 100)})
    back = dataclasses.replace(chat, messages=(*chat.messages, *said))
    again = client.chat(back)
    n_again = oracle.judge(back, again.text).n_must
    advance()
    return [first, other, again], [n_first, _N_OTHER, n_again]


def _row(step: str, replies: list[Reply], names: list[str], n_must: int) -> Row:
    values = {name: _spread(reply.n_read) for name, reply in zip(names, replies, strict=True)} | {MUST: _spread(n_must)}
    ratio = _spread(values[SEGUE].median / n_must)
    return Row("s26", f"{step}: tokens read", "tokens", values, ratio, SEGUE, MUST, Goal(1.0))


def _spread(value: float) -> Spread:
    return Spread.of([value])
