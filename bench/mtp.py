"""Decoding with drafts of the model's own layer: beside none, beside llama-server, and beside what rows allow.

Three models, of whose guesses most hold, about half, or none. The ceiling is what the times of rows, measured in the
same run without Segue, allow for guesses that hold as often, if the best number of them were known and cost nothing.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Final

from bench.bare import Bare
from bench.client import Client
from bench.options import Options
from bench.row import PEER, SEGUE, Goal, Row, Spread, compared
from bench.server import Setup, has_peer, peer_server, segue_server
from bench.speed import N_DECODED, decoded_with
from bench.turns import in_turns
from tests.kit.mtp_models import mtp_path

PLAIN: Final = "Segue, no drafts"
PEER_PLAIN: Final = "llama-server, no drafts"
CEILING: Final = "ceiling"
_MODELS: Final = {
    "most hold": ("qwen35-140m-mtp-most", {1: 1.5, 4: 1.35}),
    "half hold": ("qwen35-140m-mtp-half", {1: 0.98, 4: 0.98}),
    "none holds": ("qwen35-140m-mtp-none", {1: 0.98, 4: 0.98}),
}
_QUICK: Final = {"most hold": ("qwen35-mtp-agrees", {1: 1.5, 4: 1.35})}
_AS_PEER: Final = Goal(0.93, at_least=True)
_N_ROUNDS: Final = 5
_N_DRAFTS_MOST: Final = 8
_N_ROW_TRIES: Final = 15


def _n_servers() -> int:
    return 4 if has_peer() else 2


def n_steps(options: Options) -> int:
    """How many replies, or sets of replies, are measured."""
    models = _QUICK if options.is_quick else _MODELS
    return sum(len(goals) for _, goals in models.values()) * (options.repeats(_N_ROUNDS) + 1) * _n_servers()


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Measure both servers with drafts and without, in turns."""
    rows = []
    for what, (name, goals) in (_QUICK if options.is_quick else _MODELS).items():
        setup = Setup(mtp_path(name), n_ctx=4 * 2048, n_slots=4, n_threads=options.threads, spec_type="none")
        drafting = Setup(setup.model, setup.n_ctx, setup.n_slots, setup.n_threads, spec_type="draft-mtp")
        starts = {PLAIN: segue_server(setup), SEGUE: segue_server(drafting)}
        if has_peer():
            starts |= {PEER_PLAIN: peer_server(setup), PEER: peer_server(drafting)}
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(max(goals)) as pool:
            clients = {who: stack.enter_context(start) for who, start in starts.items()}
            for n, limit in goals.items():
                rows += _decoding(what, setup, clients, pool, n, limit, options, advance)
    return rows


def _decoding(
    what: str,
    setup: Setup,
    clients: dict[str, Client],
    pool: ThreadPoolExecutor,
    n: int,
    limit: float,
    options: Options,
    advance: Callable[[], None],
) -> list[Row]:
    accepted: list[tuple[int, int]] = []
    measures = {
        who: partial(_decode, pool, client, n, accepted if who == SEGUE else []) for who, client in clients.items()
    }
    measured = in_turns(measures, options.repeats(_N_ROUNDS), advance)
    n_drafted, n_accepted = map(sum, zip(*accepted, strict=True))
    rate = n_accepted / max(1, n_drafted)
    ceiling = _ceiling(setup, n, rate)
    plain = compared(
        "mtp", f"{what}: over none", "tokens/s", measured, over=PLAIN, goal=Goal(limit, at_least=True), at=n
    )
    allowed = Row(
        "mtp",
        f"{what}: share that holds, and what rows allow",
        "",
        {"accepted": Spread.of([rate]), CEILING: Spread.of([ceiling])},
        at=n,
    )
    beside = compared(
        "mtp", f"{what}: over llama-server's drafts", "tokens/s", measured, over=PEER, goal=_AS_PEER, at=n
    )
    alone = compared("mtp", f"{what}: over llama-server's replies without", "tokens/s", measured, over=PEER_PLAIN, at=n)
    return [plain, allowed, beside, alone] if has_peer() else [plain, allowed]


def _decode(pool: ThreadPoolExecutor, client: Client, n: int, accepted: list[tuple[int, int]]) -> float:
    def send(prompt: list[int]) -> None:
        reply = client.complete(prompt, n_predict=N_DECODED)
        accepted.append((reply.n_drafted, reply.n_accepted))

    return decoded_with(pool, send, n)


def _ceiling(setup: Setup, n: int, rate: float) -> float:
    """How much faster than without, if each guess holds at this rate and the best number of them is verified."""
    bare = Bare(
        setup.model,
        n_cells=setup.n_ctx,
        n_seq_max=setup.n_slots,
        n_threads=setup.n_threads,
        n_batch=setup.n_batch,
        n_ubatch=setup.n_ubatch,
    )
    try:
        seconds = [
            median(bare.rows(n, 1 + n_drafts) for _ in range(_N_ROW_TRIES)) for n_drafts in range(_N_DRAFTS_MOST + 1)
        ]
    finally:
        bare.close()
    n_tokens = [sum(rate**i for i in range(1 + n_drafts)) for n_drafts in range(_N_DRAFTS_MOST + 1)]
    return max(n_kept * seconds[0] / taken for n_kept, taken in zip(n_tokens, seconds, strict=True))
