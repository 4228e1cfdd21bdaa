"""Cold reading and decoding speed of both servers, with 1, 4 and 8 requests at once.

Reading: conversations that share nothing, each until its first token. Decoding: raw prompts of a few tokens and long
replies, once in one piece and once as a stream, whose events are counted as bytes only.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Final

from bench.client import Client
from bench.conversation import conversation
from bench.options import Options
from bench.row import PEER, Goal, Row, compared
from bench.server import Setup, both_servers, servers
from bench.turns import in_turns

CONCURRENCIES: Final = (1, 4, 8)
_N_ROUNDS: Final = 7
_N_READ: Final = 2048
N_DECODED: Final = 256
_N_PROMPT: Final = 8
_N_MESSAGES: Final = 9
_seeds = count()


def n_steps(options: Options) -> int:
    """How many measurements are taken, those to warm up among them."""
    return 3 * len(CONCURRENCIES) * (options.repeats(_N_ROUNDS) + 1) * len(servers())


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Measure both servers in turns."""
    setup = Setup(options.model_path, n_ctx=8 * 4096, n_slots=8, n_threads=options.threads)
    kinds = {"cold reading": _read, "decoding": _decode, "decoding, streamed": _decode_streamed}
    rows: list[Row] = []
    until = time.monotonic() + options.limit_s
    with both_servers(setup) as clients, ThreadPoolExecutor(max(CONCURRENCIES)) as pool:
        # The shortest come first, since there may be too little time for the others.
        for n in CONCURRENCIES:
            for what, measure in kinds.items():
                measures = {name: partial(measure, pool, client, n) for name, client in clients.items()}
                measured = in_turns(measures, options.repeats(_N_ROUNDS), advance, until=until)
                if any(measured.values()):
                    goal = Goal(0.95, at_least=True)
                    rows.append(compared("speed", what, "tokens/s", measured, over=PEER, goal=goal, at=n))
    return sorted(rows, key=lambda row: list(kinds).index(row.what))


def _read(pool: ThreadPoolExecutor, client: Client, n: int) -> float:
    chats = [conversation(next(_seeds), _N_READ, _N_MESSAGES) for _ in range(n)]
    started = time.perf_counter()
    replies = list(pool.map(client.chat, chats))
    return sum(reply.n_read for reply in replies) / (time.perf_counter() - started)


def _decode(pool: ThreadPoolExecutor, client: Client, n: int) -> float:
    return decoded_with(pool, partial(client.complete, n_predict=N_DECODED), n)


def _decode_streamed(pool: ThreadPoolExecutor, client: Client, n: int) -> float:
    return decoded_with(pool, partial(client.drain, n_predict=N_DECODED), n)


def decoded_with(pool: ThreadPoolExecutor, send: Callable[[list[int]], object], n: int) -> float:
    """Tokens a second of `n` replies of `N_DECODED` tokens, each to a prompt of its own that `send` is given."""
    rng = random.Random(next(_seeds))
    prompts = [[rng.randrange(33, 127) for _ in range(_N_PROMPT)] for _ in range(n)]
    started = time.perf_counter()
    list(pool.map(send, prompts))
    return n * N_DECODED / (time.perf_counter() - started)
