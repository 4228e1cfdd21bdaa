"""Whatever drafts are taken back, nothing of them is left: two tails that fail leave equal bytes and equal logits."""

from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from segue.engine.base import LAST_ROW, Chunk, Engine, Logits, Tokens
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from tests.kit.conversation import text
from tests.kit.models import MODELS, model_path
from tests.kit.rig import EXACT
from tests.kit.states import Cells, cells

_SHADOW = 1
_CLOSE = 1e-5


@pytest.fixture(scope="module", params=MODELS)
def engine(request: pytest.FixtureRequest) -> Iterator[Context]:
    """A context of each tiny model."""
    model = Model(model_path(request.param))
    sizes = {"n_cells": 1024, "n_seq_max": 4, "n_batch": 128, "n_ubatch": 128, "n_rows": 32}
    params = ContextParams(**(EXACT | sizes))
    context = Context(model, params, measure(model, params))
    yield context
    context.close()
    model.close()


def _read(engine: Engine, tokens: Tokens) -> Logits:
    row = -1
    for start in range(0, len(tokens), engine.n_batch):
        row = engine.decode([Chunk(0, tokens[start : start + engine.n_batch], LAST_ROW)])[0][0]
    return engine.logits(row).copy()


def _verify(engine: Engine, kept: Tokens, tail: Tokens) -> None:
    """Read tokens of which the tail does not hold, and go back to those that do, as a reply with drafts does."""
    n_tokens = engine.length(0)
    inputs = np.concatenate([kept, tail])
    mark = engine.mark(0, _SHADOW) if engine.shape.kind.has_recurrent else None
    engine.decode([Chunk(0, inputs, tuple(range(len(inputs))))])
    if mark is None:
        engine.rewind(0, n_tokens + len(kept))
        return
    engine.roll_back(0, mark)
    engine.release(mark)
    engine.decode([Chunk(0, kept)])


def _left(engine: Context, prompt: Tokens, kept: Tokens, tail: Tokens) -> tuple[list[Cells], Logits]:
    """The state after the prompt and what is kept, and the logits after three more tokens."""
    engine.drop(0)
    _read(engine, prompt)
    _verify(engine, kept, tail)
    assert engine.length(0) == len(prompt) + len(kept)
    assert engine.length(_SHADOW) == 0
    has_ext = engine.model.description.startswith("qwen35")
    return cells(engine.save(0, partial=False), engine.shape.kind, has_ext=has_ext), _read(engine, text(9, 3))


@settings(max_examples=10)
@given(
    n_prompt=st.integers(2, 250),
    n_kept=st.integers(1, 12),
    n_tail=st.integers(1, 12),
    seeds=st.tuples(st.integers(10, 99), st.integers(100, 199)),
)
def test_two_tails_leave_equal_bytes(
    engine: Context, n_prompt: int, n_kept: int, n_tail: int, seeds: tuple[int, int]
) -> None:
    prompt, kept = text(n_prompt, n_prompt), text(n_kept, n_kept)
    (state, logits), (other_state, other_logits) = (_left(engine, prompt, kept, text(seed, n_tail)) for seed in seeds)
    assert state == other_state
    assert np.array_equal(logits, other_logits)
    # And they are what reading nothing else gives, but for the noise of other batches.
    engine.drop(0)
    wanted = _read(engine, np.concatenate([prompt, kept, text(9, 3)]))
    assert np.abs(logits - wanted).max() <= _CLOSE * np.abs(wanted).max()


@pytest.mark.parametrize(("n_other", "is_gone"), [(9, False), (30, True)])
def test_a_call_of_unlike_lengths_overwrites_a_window_that_is_needed_where_cells_are_scarce(
    n_other: int, is_gone: bool
) -> None:
    """That is why replies get equally many tokens there. If this fails, libllama has been mended."""
    model = Model(model_path("gemma3"))
    params = ContextParams(**(EXACT | {"n_cells": 256, "n_seq_max": 4, "n_batch": 128, "n_ubatch": 128}))
    engine = Context(model, params, measure(model, params))
    engine.decode([Chunk(0, text(1, 120))])
    engine.borrow(0, 2, 120, engine.save(0, partial=True))
    engine.decode([Chunk(1, text(2, 30))])
    engine.decode([Chunk(0, text(3, 9)), Chunk(1, text(4, n_other))])
    if is_gone:
        with pytest.raises(ValueError, match="the window before that position is gone"):
            engine.rewind(0, 121)
    else:
        engine.rewind(0, 121)
    engine.close()
    model.close()
