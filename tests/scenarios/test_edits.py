"""S5 in full: the last message is edited, anywhere in it, with little room and whatever checkpoints may cost."""

import random

import numpy as np
import pytest

from tests.conftest import MakeRig
from tests.kit.conversation import N_HEADER, chat, text
from tests.kit.reference import Reference
from tests.kit.rig import Rig
from tests.kit.waiting import wait_until

N_CLOSING = 2
N_STATES = 16
SYSTEM = ("system", text(1, 90))


def small(make_rig: MakeRig, where: str, *, n_cut_cost: float, idle_s: float | None = None) -> Rig:
    """A rig with room for 16 states, parked or on the host, for which a checkpoint costs as much as so many tokens."""
    sizes = {"n_ctx": 21_000, "n_cells": 44_000, "n_batch": 1024, "n_ubatch": 512}
    if where == "parked":
        rig = make_rig(**sizes, n_parked=N_STATES, n_host_bytes=1, idle_s=idle_s)
    else:
        shape = make_rig(n_ctx=512, n_cells=512, n_parked=1).shape
        n_bytes = N_STATES * (shape.n_bytes_state + shape.n_bytes_logits) + sizes["n_cells"] * shape.n_bytes_cell
        rig = make_rig(**sizes, n_parked=2, n_host_bytes=n_bytes, idle_s=idle_s)
    rig.cache.prices.token_s, rig.cache.prices.overhead_s = 1e-3, n_cut_cost * 1e-3
    return rig


def n_again(rig: Rig, reference: Reference | None, n: int, n_back: int, seed: int, *, rests: bool = False) -> int:
    """Tokens read again after an edit so many tokens before the end of a message of `n`."""
    long, new = text(seed, n), text(seed + 1, 12)
    new[0] = (long[n - n_back] + 1) % 256 if n_back else new[0]
    rig.ask(chat(SYSTEM, ("user", long)).tokens, 1, marks=chat(SYSTEM, ("user", long)).marks)
    if rests:
        wait_until(lambda: not rig.loop.idle_checkpoints.has_work, "checkpoints inside the message")
    edited = chat(SYSTEM, ("user", np.concatenate([long[: n - n_back], new, long[n - n_back :]])))
    heard = rig.ask(edited.tokens, 3, marks=edited.marks)
    if reference is not None:
        reference.agrees(edited.tokens, heard)
    n_new = len(new) + n_back + N_CLOSING + N_HEADER + 1
    return heard.n_read - n_new


@pytest.mark.parametrize(("where", "n_cut_cost"), [("parked", 256.0), ("host", 256.0)])
def test_s5_an_edit_anywhere_in_a_long_message(
    make_rig: MakeRig, reference: Reference, where: str, n_cut_cost: float
) -> None:
    rig = small(make_rig, where, n_cut_cost=n_cut_cost)
    for seed, (n, n_back) in enumerate([(500, 0), (501, 130), (900, 25), (2100, 61)]):
        assert n_again(rig, reference, n, n_back, 10 * seed) < max(64, 3 * n_back)


@pytest.mark.parametrize("where", ["parked", "host"])
def test_s5_an_edit_in_a_short_message_after_a_rest(make_rig: MakeRig, reference: Reference, where: str) -> None:
    rig = small(make_rig, where, n_cut_cost=256.0, idle_s=0.0)
    for seed, (n, n_back) in enumerate([(70, 1), (120, 20), (300, 62), (440, 63), (440, 100)]):
        assert n_again(rig, reference, n, n_back, 10 * seed, rests=True) < max(64, 3 * n_back)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("where", "n_cut_cost"), [("parked", 8.0), ("parked", 256.0), ("host", 256.0)])
def test_s5_two_hundred_edits(make_rig: MakeRig, where: str, n_cut_cost: float) -> None:
    rig = small(make_rig, where, n_cut_cost=n_cut_cost)
    random_of = random.Random(5)
    for seed in range(200):
        n = int(500 * 40 ** random_of.random())
        n_back = min(n, int(n ** random_of.random()))
        assert n_again(rig, None, n, n_back, 10 * seed) < max(64, 3 * n_back), (n, n_back)
