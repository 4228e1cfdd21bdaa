"""The traps of libllama's memory cannot be stepped into."""

import logging
import re
from collections.abc import Iterator

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import EngineError, NoRoomError, StateError
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.memory import MemoryKind
from tests.kit.conversation import text
from tests.kit.models import MODELS, bert_path, model_path, names_where
from tests.kit.rig import EXACT


@pytest.fixture
def context(model_name: str) -> Iterator[Context]:
    """A small context of each model."""
    model = Model(model_path(model_name))
    params = ContextParams(n_cells=512, n_seq_max=6, n_batch=256, n_ubatch=256, **EXACT)
    context = Context(model, params, measure(model, params))
    yield context
    context.close()
    model.close()


def test_measured_sizes_are_those_of_real_states(context: Context) -> None:
    shape = context.shape
    context.decode([Chunk(0, text(1, 200))])
    whole = context.save(0, partial=False).n_bytes
    expected = 200 * shape.n_bytes_cell + shape.n_bytes_state
    assert abs(whole - expected) < 400
    if shape.kind is not MemoryKind.ATTENTION:
        assert abs(context.save(0, partial=True).n_bytes - shape.n_bytes_state) < 400
        assert context.state_bytes(0, partial=True) == context.save(0, partial=True).n_bytes


def test_an_encoder_is_never_read() -> None:
    model = Model(bert_path())
    params = ContextParams(n_cells=256, n_seq_max=2, **EXACT)
    shape = measure(model, params)
    assert (shape.n_bytes_cell, shape.n_bytes_state, shape.n_bytes_segment) == (0, 0, 0)
    context = Context(model, params, shape)
    assert not context.can_generate
    assert context.has_flash_attention() is None
    with pytest.raises(EngineError, match="encoder"):
        context.decode([Chunk(0, text(1, 10), LAST_ROW)])
    context.close()
    model.close()


def test_the_kind_of_memory_is_known(context: Context, model_name: str) -> None:
    assert context.shape.kind is MODELS[model_name].kind
    assert context.shape.n_swa == MODELS[model_name].n_swa


def test_a_recurrent_tail_cannot_be_cut(context: Context) -> None:
    context.decode([Chunk(0, text(1, 200))])
    if context.shape.kind.has_recurrent:
        with pytest.raises(ValueError, match="no tail"):
            context.rewind(0, 100)
        return
    context.copy(0, 1, trims_window=True)
    context.drop(0)
    if context.shape.kind.has_window:
        with pytest.raises(ValueError, match="window"):
            context.rewind(1, 100)
    else:
        context.rewind(1, 100)
        assert context.length(1) == 100


def test_a_sequence_in_use_is_not_overwritten(context: Context) -> None:
    context.decode([Chunk(0, text(1, 50))])
    context.copy(0, 1)
    state = context.save(0, partial=False)
    with pytest.raises(ValueError, match="in use"):
        context.copy(0, 1)
    with pytest.raises(ValueError, match="in use"):
        context.load(state, 1)


@pytest.mark.parametrize(
    "model_name", names_where(lambda kind: kind.shares_cells and kind is not MemoryKind.ATTENTION), indirect=True
)
def test_a_partial_state_needs_its_cells(context: Context) -> None:
    context.decode([Chunk(0, text(1, 50))])
    part = context.save(0, partial=True)
    with pytest.raises(ValueError, match="borrow"):
        context.load(part, 1)
    with pytest.raises(ValueError, match="holds"):
        context.borrow(2, 1, 50, part)
    with pytest.raises(ValueError, match="without a state"):
        context.borrow(0, 1, 50, None)
    with pytest.raises(ValueError, match="does not belong"):
        context.borrow(0, 1, 49, part)


@pytest.mark.parametrize("model_name", names_where(lambda kind: kind.shares_cells), indirect=True)
def test_full_cells_change_nothing(context: Context) -> None:
    for seq, n in enumerate((256, 200)):
        context.decode([Chunk(seq, text(seq, n))])
    with pytest.raises(NoRoomError):
        context.decode([Chunk(2, text(2, 100))])
    assert [context.length(seq) for seq in range(3)] == [256, 200, 0]
    context.drop(1)
    row = context.decode([Chunk(2, text(2, 100), LAST_ROW)])[0][0]
    assert np.isfinite(context.logits(row)).all()


@pytest.mark.parametrize("model_name", names_where(lambda kind: kind.shares_cells), indirect=True)
def test_a_blob_that_does_not_fit_leaves_others_whole(context: Context) -> None:
    context.decode([Chunk(0, text(0, 200))])
    state = context.save(0, partial=False)
    context.load(state, 1)
    with pytest.raises(NoRoomError):
        context.load(state, 2)
    assert context.length(2) == 0
    assert [context.length(seq) for seq in (0, 1)] == [200, 200]


@pytest.mark.parametrize("model_name", names_where(lambda kind: kind.shares_cells), indirect=True)
def test_a_state_of_another_context_is_refused_and_leaves_others_whole(context: Context) -> None:
    kind = context.shape.kind
    context.decode([Chunk(0, text(0, 50))])
    other = Context(context.model, ContextParams(n_cells=512, n_seq_max=6, **EXACT | {"type_k": "f16"}), context.shape)
    try:
        other.decode([Chunk(0, text(0, 50))])
        state, cells = other.save(0, partial=False), [other.save_cells(0, *ends, 5) for ends in ((0, 20), (20, 50))]
        part = None if kind is MemoryKind.ATTENTION else other.save(0, partial=True)
    finally:
        other.close()
    own = context.save_cells(0, 0, 20, 5)
    with pytest.raises(StateError, match="mismatched key type"):
        context.load(state, 1)
    with pytest.raises(StateError, match="mismatched key type"):
        context.put_cells(1, cells, 50, part, 5)
    with pytest.raises(StateError, match=r"different formats|mismatched key type"):
        context.put_cells(1, [own, cells[1]], 50, part, 5)
    if kind.has_window:
        with pytest.raises(StateError, match="mismatched key type"):
            context.borrow(0, 1, 50, part)
    assert [context.length(seq) for seq in range(6)] == [50, 0, 0, 0, 0, 0]
    assert context.span(1) == context.span(5) == (-1, -1)
    assert np.isfinite(context.logits(context.decode([Chunk(0, text(1, 1), LAST_ROW)])[0][0])).all()


def test_ids_that_libllama_would_abort_at_are_refused(context: Context) -> None:
    context.decode([Chunk(0, text(1, 20))])
    for seq in (-1, 6):
        with pytest.raises(ValueError, match="ids run from 0 to 5"):
            context.span(seq)
        with pytest.raises(ValueError, match="ids run from 0 to 5"):
            context.drop(seq)
        with pytest.raises(ValueError, match="ids run from 0 to 5"):
            context.copy(seq, 1)
        with pytest.raises(ValueError, match="ids run from 0 to 5"):
            context.copy(0, seq)
        with pytest.raises(ValueError, match="ids run from 0 to 5"):
            context.decode([Chunk(seq, text(1, 2), LAST_ROW)])
    assert [context.length(seq) for seq in range(6)] == [20, 0, 0, 0, 0, 0]


def test_a_batch_of_nothing_or_too_much_is_refused(context: Context) -> None:
    for chunks in (
        [],
        [Chunk(0, text(1, 0), LAST_ROW)],
        [Chunk(0, text(1, 200), LAST_ROW), Chunk(1, text(1, 57), LAST_ROW)],
    ):
        with pytest.raises(ValueError, match="batch"):
            context.decode(chunks)
    assert context.length(0) == context.length(1) == 0


def test_a_token_that_is_not_in_the_vocabulary_ends_its_call_only(context: Context) -> None:
    context.decode([Chunk(0, text(1, 20))])
    for token in (-1, context.n_vocab, 2**31 - 1):
        with pytest.raises(EngineError, match="could not decode"):
            context.decode([Chunk(1, np.array([1, token], np.int32), LAST_ROW)])
        assert context.length(1) == 0
    assert context.length(0) == 20


def test_sequences_that_share_nothing_take_no_cells(context: Context) -> None:
    """libllama aborts at a copy of a part."""
    if not context.shape.kind.shares_cells:
        pytest.skip("has no cells")
    context.decode([Chunk(0, text(1, 20))])
    cells = context.save_cells(0, 0, 20, 5)
    part = None if context.shape.kind is MemoryKind.ATTENTION else context.save(0, partial=True)
    params = ContextParams(n_cells=512, n_seq_max=6, is_unified=False, **EXACT)
    apart = Context(context.model, params, context.shape)
    try:
        with pytest.raises(ValueError, match="share nothing"):
            apart.put_cells(1, [cells], 10, part, 5)
    finally:
        apart.close()


def test_logits_are_reserved_for_one_token_a_sequence(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    """By default libllama reserves them for a physical batch, which takes 300 MB at a vocabulary of 150,000."""
    caplog.set_level(logging.DEBUG, "segue.engine.libllama")
    Context(context.model, ContextParams(n_cells=512, n_seq_max=6, **EXACT), context.shape).close()
    assert any(re.search(r"n_outputs_max += 6$", line) for line in caplog.messages)
