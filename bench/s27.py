"""A message that stands in one request only (scenario S27): how many prompt tokens each server reads in eight turns.

A reminder stands so many messages above the end of each request, and the next request lacks it. The first two turns
cannot know that; from the third on only what is new must be read.
"""

import random
from collections.abc import Callable, Iterator
from typing import Final

from bench.client import Chat, Client, Message
from bench.options import Options
from bench.oracle import Oracle, Renderer
from bench.row import MUST, Row, compared
from bench.server import Setup, servers
from bench.text import text
from tests.kit.models import model_path

_N_TURNS: Final = 8
_N_ABOVE: Final = (1, 3, 5)
_N_CHARS: Final = 400


def n_steps(_: Options) -> int:
    """How many requests are sent."""
    return _N_TURNS * len(_N_ABOVE) * len(servers())


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Send a conversation for each place of the reminder to each server."""
    model = model_path("qwen35")
    setup = Setup(model, n_ctx=32768, n_slots=1, n_threads=options.threads)
    renderer = Renderer(model)
    rows = []
    for name, server in servers().items():
        with server(setup) as client:
            for n_above in _N_ABOVE:
                n_read, n_must = _send(client, Oracle(renderer), n_above, advance)
                what = f"a reminder {n_above} messages above the end: tokens read"
                values = {name: [float(n_read)], MUST: [float(n_must)]}
                rows.append(compared("s27", what, "tokens", values, of=name, over=MUST))
    return rows


def turns(n_above: int) -> Iterator[tuple[Message, ...]]:
    """The messages of each request."""
    rng = random.Random(27 + n_above)
    history: list[Message] = [{"role": "system", "content": text(rng, 2 * _N_CHARS)}]
    history += [{"role": ("user", "assistant")[i % 2], "content": text(rng, _N_CHARS)} for i in range(5)]
    for turn in range(_N_TURNS):
        reminder = {"role": "user", "content": f"<reminder>{turn} {text(rng, 100)}</reminder>"}
        at = len(history) - n_above
        yield (*history[:at], reminder, *history[at:])
        history += [{"role": role, "content": text(rng, _N_CHARS)} for role in ("assistant", "user")]


def _send(client: Client, oracle: Oracle, n_above: int, advance: Callable[[], None]) -> tuple[int, int]:
    """How many tokens all requests read, and how many they had to."""
    n_read = n_must = 0
    for messages in turns(n_above):
        chat = Chat(messages, (), n_predict=8)
        reply = client.chat(chat)
        n_read += reply.n_read
        n_must += oracle.judge(chat, reply.text).n_must
        advance()
    return n_read, n_must
