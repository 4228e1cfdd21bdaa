"""A draft context follows its sequences wherever they go, and guesses what it would guess if it had read them alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segue.demo.model_file import matrix, write_model
from segue.engine.base import Chunk, Tokens
from segue.engine.context_params import ContextParams
from segue.engine.errors import EngineError, ModelError
from segue.engine.guesses import Guess, GuessRequest
from segue.engine.model import Model, ModelParams
from segue.engine.model_files import has_mtp
from segue.engine.mtp_context import Piece
from segue.engine.mtp_engine import MTP, MtpEngine
from segue.engine.state import MODEL
from tests.kit.architectures import Sizes, llama
from tests.kit.conversation import text
from tests.kit.models import QWEN35_TINY, model_path
from tests.kit.mtp_models import MTP_MODELS, mtp_path, open_mtp, qwen35_mtp
from tests.kit.rig import EXACT

_N = 150
_TOLERANCE = 1e-4


@pytest.fixture(params=MTP_MODELS, scope="module")
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Each model that predicts further tokens."""
    model = Model(mtp_path(request.param), ModelParams(loads_mtp=True))
    assert model.has_mtp
    yield model
    model.close()


def _open(model: Model, n_cells: int = 1024, n_batch: int = 256) -> MtpEngine:
    sizes = {"n_cells": n_cells, "n_seq_max": 8, "n_batch": n_batch, "n_ubatch": min(n_batch, 128), "n_rows": 32}
    return open_mtp(model, ContextParams(**(EXACT | sizes)))


@pytest.fixture
def engine(model: Model) -> Iterator[MtpEngine]:
    """A small engine."""
    engine = _open(model)
    yield engine
    engine.close()


def _path(seed: int, n: int) -> Tokens:
    return np.array(text(seed, n), np.int32)


def _read(engine: MtpEngine, seq: int, tokens: Tokens) -> None:
    engine.decode([Chunk(seq, tokens)])


def _guess(engine: MtpEngine, seq: int, path: Tokens, n: int = 3) -> Guess:
    return engine.guess([GuessRequest(seq, path, n)])[0]


def _agree(a: Guess, b: Guess) -> None:
    assert len(a.tokens) == len(b.tokens) == 3
    assert a.tokens == b.tokens
    np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=_TOLERANCE)


@pytest.fixture
def wanted(model: Model) -> Guess:
    """The guess after `_path(1, _N)`, read in one call."""
    engine = _open(model)
    _read(engine, 0, _path(1, _N)[:-1])
    guess = _guess(engine, 0, _path(1, _N))
    engine.close()
    return guess


def test_a_guess_does_not_depend_on_how_the_path_was_read(engine: MtpEngine, wanted: Guess) -> None:
    path = _path(1, _N)
    for i in (0, 50, 51, 52, 53):
        _read(engine, 0, path[i : i + 50 if i == 0 else i + 1])
    _guess(engine, 0, path[:55])
    _read(engine, 0, path[54:-1])
    _agree(_guess(engine, 0, path), wanted)
    _agree(_guess(engine, 0, path), wanted)


def test_all_sequences_are_guessed_at_once(engine: MtpEngine, wanted: Guess) -> None:
    path, other = _path(1, _N), _path(2, 80)
    engine.decode([Chunk(0, other[:-1]), Chunk(1, path[:-1])])
    alone = _guess(engine, 0, other)
    found = engine.guess(
        [GuessRequest(0, other, 3), GuessRequest(1, path, 3), GuessRequest(2, path, 3), GuessRequest(3, other, 0)]
    )
    _agree(found[0], alone)
    _agree(found[1], wanted)
    assert not found[2].tokens
    assert not found[3].tokens


@pytest.mark.parametrize("n_kept", [0, 1, 2, 4])
def test_a_rejected_tail_leaves_nothing(engine: MtpEngine, wanted: Guess, n_kept: int) -> None:
    path, n_read = _path(1, _N), _N - 1 - n_kept
    _read(engine, 0, path[:n_read])
    _guess(engine, 0, path[: n_read + 1])
    mark = engine.mark(0, 7)
    engine.decode([Chunk(0, np.concatenate([path[n_read:-1], _path(3, 5)]))])
    if n_kept:
        # What holds is known before it is read again.
        _agree(_guess(engine, 0, path), wanted)
    engine.roll_back(0, mark)
    engine.release(mark)
    if n_kept:
        _agree(_guess(engine, 0, path), wanted)
        _read(engine, 0, path[n_read:-1])
    _agree(_guess(engine, 0, path), wanted)


def test_a_copy_is_followed(engine: MtpEngine, wanted: Guess) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:100])
    engine.copy(0, 3)
    _read(engine, 0, _path(4, 20))
    _read(engine, 3, path[100:-1])
    _agree(_guess(engine, 3, path), wanted)
    engine.drop(0)
    engine.copy(3, 0)
    engine.drop(3)
    _agree(_guess(engine, 0, path), wanted)


@pytest.mark.parametrize("reads_on", [False, True])
def test_a_borrowed_prefix_is_followed(engine: MtpEngine, wanted: Guess, reads_on: bool) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:100])
    state = engine.save(0, partial=True)
    _read(engine, 0, _path(4, 20))
    engine.borrow(0, 3, 100, state)
    if reads_on:
        _read(engine, 0, _path(5, 100))
    _read(engine, 3, path[100:-1])
    _agree(_guess(engine, 3, path), wanted)


@pytest.mark.parametrize("end", [100, 149])
def test_saved_cells_and_rows_come_back(engine: MtpEngine, wanted: Guess, end: int) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:end])
    _guess(engine, 0, path[: end + 1])
    state = engine.save(0, partial=True)
    cells = [engine.save_cells(0, a, b, 6) for a, b in ((0, 40), (40, end))]
    assert all(MTP in parts for parts in (state.parts, *(run.parts for run in cells)))
    engine.drop(0)
    _read(engine, 0, path[:20])
    engine.put_cells(0, cells, end, state, 6)
    engine.put_cells(1, [engine.cut(cells[0], 40)], 40, replace(state, n_tokens=40), 6)
    engine.put_cells(1, cells[1:], end, state, 6)
    for seq in (0, 1):
        _read(engine, seq, path[end:-1]) if end < _N - 1 else None
        _agree(_guess(engine, seq, path), wanted)


def test_a_whole_state_comes_back(engine: MtpEngine, wanted: Guess) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:-1])
    _guess(engine, 0, path)
    whole = engine.save(0, partial=False)
    assert whole.n_bytes == engine.state_bytes(0, partial=False)
    engine.load(whole, 4)
    _agree(_guess(engine, 4, path), wanted)
    _agree(_guess(engine, 0, path), wanted)


def test_a_checkpoint_takes_one_attention_layer_more_and_a_row(tmp_path: Path) -> None:
    write_model(tmp_path / "deep.gguf", qwen35_mtp(**QWEN35_TINY | {"n_layer": 12}), seed=0)
    n_bytes = []
    for path in (mtp_path("qwen35-mtp"), tmp_path / "deep.gguf"):
        model = Model(path, ModelParams(loads_mtp=True))
        engine = _open(model)
        _read(engine, 0, _path(1, _N))
        cells = engine.save_cells(0, 0, _N, 6)
        assert len(engine.save(0, partial=True).parts[MTP]) == 4 * engine.n_embd
        assert len(engine.save(0, partial=False).parts[MTP]) == len(cells.parts[MTP]) + 4 * engine.n_embd
        n_bytes.append((len(cells.parts[MODEL]), len(cells.parts[MTP])))
        engine.close()
        model.close()
    # The first model has one layer of attention, the second three.
    (one_layer, beside_one), (three_layers, beside_three) = n_bytes
    assert beside_one == beside_three <= one_layer < three_layers


@pytest.mark.parametrize("n_bytes", [8, 300, 900])
def test_parts_of_another_format_are_passed_over(engine: MtpEngine, n_bytes: int) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:-1])
    whole, state, cells = engine.save(0, partial=False), engine.save(0, partial=True), engine.save_cells(0, 0, 149, 6)
    odd = {MTP: np.arange(n_bytes, dtype=np.uint8)}
    whole, state = (replace(one, parts={**one.parts, **odd}) for one in (whole, state))
    engine.load(whole, 1)
    engine.put_cells(2, [replace(cells, parts={**cells.parts, **odd})], 149, state, 6)
    for seq in (1, 2):
        assert len(_guess(engine, seq, path).tokens) == 3


def test_without_cells_it_guesses_too_and_reads_on(engine: MtpEngine) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:100])
    whole = engine.save(0, partial=False)
    engine.load(replace(whole, parts={MODEL: whole.parts[MODEL]}), 4)
    assert MTP not in engine.save(4, partial=True).parts
    assert engine.state_bytes(4, partial=False) == engine.save(4, partial=False).n_bytes
    assert not _guess(engine, 4, path[:99]).tokens
    assert len(_guess(engine, 4, path[:101]).tokens) == 3
    _read(engine, 4, path[100:-1])
    assert len(_guess(engine, 4, path).tokens) == 3


@pytest.mark.parametrize("may_jump", [True, False])
def test_cells_may_be_missing_in_the_middle(engine: MtpEngine, may_jump: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._mtp, "_may_jump", may_jump)
    path = _path(1, _N)
    _read(engine, 0, path[:100])
    cells, state = engine.save_cells(0, 40, 100, 6), engine.save(0, partial=True)
    engine.drop(0)
    _read(engine, 1, path[:40])
    cells = replace(cells, parts={MODEL: cells.parts[MODEL]})
    state = replace(state, parts={MODEL: state.parts[MODEL]})
    engine.put_cells(1, [cells], 100, state, 6)
    assert len(_guess(engine, 1, path[:101]).tokens) == 3
    _read(engine, 1, path[100:-1])
    assert len(_guess(engine, 1, path).tokens) == 3


def test_a_reply_that_nothing_drafts_is_not_fed(engine: MtpEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _path(1, _N)
    _read(engine, 0, path[:50])
    n_fed: list[int] = []
    read = engine._mtp.read

    def count(pieces: Sequence[Piece]) -> bool:
        n_fed.extend(len(piece.tokens) for piece in pieces)
        return read(pieces)

    monkeypatch.setattr(engine._mtp, "read", count)
    for token in path[50:-1]:
        _read(engine, 0, token[None])
    engine.copy(0, 3)
    engine.copy(0, 4)
    assert sum(n_fed) <= 50
    _read(engine, 4, _path(2, 60))
    assert sum(n_fed) >= 60
    n_fed.clear()
    for seq in (0, 3):
        assert len(_guess(engine, seq, path).tokens) == 3
    assert sum(n_fed) < 150
    _read(engine, 0, _path(2, 60))
    n_fed.clear()
    _read(engine, 0, _path(3, 60))
    assert sum(n_fed) == 60


def test_contexts_come_back_together_or_not_at_all(engine: MtpEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.unload_context()

    def fail(*_: object) -> None:
        raise ModelError("no memory for it")

    with monkeypatch.context() as patched:
        patched.setattr("segue.engine.mtp_engine.MtpContext", fail)
        with pytest.raises(ModelError, match="no memory"):
            engine.load_context()
    with pytest.raises(EngineError, match="not loaded"):
        engine.span(0)
    engine.load_context()
    _read(engine, 0, _path(1, 50))
    assert len(_guess(engine, 0, _path(1, 51)).tokens) == 3


def test_where_there_is_no_room_it_guesses_nothing(model: Model) -> None:
    engine = _open(model, n_cells=256, n_batch=64)
    path = _path(1, 256)
    for i in range(0, 255, 51):
        _read(engine, 0, path[i : i + 51])
    assert len(_guess(engine, 0, path).tokens) <= 1
    _read(engine, 0, path[255:])
    engine.drop(0)
    _read(engine, 0, path[:50])
    assert len(_guess(engine, 0, path[:51]).tokens) == 3
    engine.close()


def test_layers_that_are_not_loaded_are_not_computed(model: Model) -> None:
    for plain in (Model(model.path), Model(model_path("qwen35"), ModelParams(loads_mtp=True))):
        assert not plain.has_mtp
        with pytest.raises(ValueError, match="not loaded"):
            _open(plain)
        plain.close()


def test_several_such_layers_are_left_alone(tmp_path: Path) -> None:
    """libllama would abort when it computes them."""
    path = tmp_path / "two.gguf"
    write_model(path, qwen35_mtp(n_guessing=2), seed=0)
    model = Model(path, ModelParams(loads_mtp=True))
    assert not model.has_mtp
    model.close()


def test_another_architecture_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "llama.gguf"
    plain = llama(Sizes())
    write_model(
        path, replace(plain, blocks=[[*block, matrix("nextn.eh_proj", 128, 64)] for block in plain.blocks]), seed=0
    )
    assert not has_mtp(path)
    assert has_mtp(mtp_path("qwen35-mtp"))
