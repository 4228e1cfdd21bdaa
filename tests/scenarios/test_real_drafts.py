"""On real weights, replies with drafts are those without, but where two tokens were as good as equal."""

from contextlib import closing
from functools import partial
from typing import Any, Final

import numpy as np
import pytest

from segue.drafting.tree import TreeDrafter
from segue.engine.base import LAST_ROW, Chunk
from tests.kit.models import gemma3_270m_path
from tests.kit.rig import Rig

_NOISE: Final = 2e-2
"""How far a batch moves logits of this model, as a fraction of the largest: from the table in docs/exactness.md."""
_PROMPTS: Final = (
    "def area(shape):\n    return shape.width * shape.height\n\n\ndef perimeter(shape):\n    return 2 * (",
    '[{"name": "Ada", "born": 1815}, {"name": "Grace", "born": 1906}, {"name": "Alan", "born": 1912}, {"name": "',
    "The river runs from the hills to the sea. The road runs from the town to the sea. The railway runs from",
)
_N_REPLY: Final = 96


def _near_ties(rig: Rig, prompt: list[int], reply: list[int]) -> list[float]:
    """Read a reply token by token; where it has the second best one, how far that was behind, by the largest logit."""
    engine, found = rig.engine, []
    tokens = np.array(prompt, np.int32)
    for token in reply:
        row = engine.decode([Chunk(0, tokens, LAST_ROW)])[0][0]
        logits = engine.logits(row).copy()
        largest = np.abs(logits).max()
        logits[list(rig.model.vocabulary.eog_tokens)] = -np.inf
        second, best = np.argsort(logits)[-2:].tolist()
        if token != best:
            assert token == second
            found.append(float((logits[best] - logits[second]) / largest))
        tokens = np.array([token], np.int32)
    engine.drop(0)
    return found


@pytest.mark.long
def test_replies_differ_only_where_two_tokens_are_as_good_as_equal() -> None:
    sizes: dict[str, Any] = {"n_ctx": 1024, "n_cells": 4096, "n_parked": 4}
    n_ties = 0
    with (
        closing(Rig(gemma3_270m_path(), drafter=TreeDrafter(10_000), **sizes)) as drafted,
        closing(Rig(gemma3_270m_path(), **sizes)) as plain,
    ):
        for text in _PROMPTS:
            prompt = plain.model.vocabulary.tokenize(text, add_special=True, parse_special=True).tolist()
            reply = drafted.ask(prompt, _N_REPLY).tokens
            ties = plain.loop.call(partial(_near_ties, plain, prompt, reply)).result()
            assert all(ahead <= _NOISE for ahead in ties), ties
            if not ties:
                assert plain.ask(prompt, _N_REPLY).tokens == reply
            n_ties += len(ties)
        totals = drafted.loop.totals
        print(f"{totals.n_accepted} of {totals.n_drafted} drafts held; {n_ties} near-ties in {totals.n_generated}")
        assert 0 < totals.n_accepted < totals.n_drafted
        assert n_ties <= totals.n_generated // 20
