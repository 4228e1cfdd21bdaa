"""What a trial without weights says of a context is what the context then takes."""

from typing import Any

import llama_cpp
import pytest

from segue.engine.context_params import ContextParams
from segue.engine.dry_run import dry_context, dry_mtp_context, figures
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.fit.buffers import N_CELLS_MEASURED
from segue.fit.figures import ContextFigures
from tests.kit.models import MODELS, bert_path, model_path
from tests.kit.mtp_models import MTP_MODELS, mtp_path

N_ROUNDING = 12_000


def tried(model: Model, n_seq_max: int = 1, *, is_unified: bool = True) -> ContextFigures:
    small, large = (ContextParams(n_cells=n, n_seq_max=n_seq_max, is_unified=is_unified) for n in N_CELLS_MEASURED)
    return figures(model, small, dry_context(model, small), dry_context(model, large))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("n_cells", "n_seq_max"), [(4096, 5), (65_536, 9)])
def test_a_real_context_takes_as_much(name: str, n_cells: int, n_seq_max: int) -> None:
    params = ContextParams(n_cells=n_cells, n_seq_max=n_seq_max, n_threads=1)
    dry, real = Model(model_path(name), ModelParams(is_dry=True)), Model(model_path(name), ModelParams(repacks=False))
    try:
        expected, found = dry_context(real, params), dry_context(dry, params)
        assert found == expected
        memory = tried(dry)
        in_all = memory.n_bytes_cell * n_cells + memory.n_bytes_state * n_seq_max + memory.n_bytes_batch
        assert in_all == pytest.approx(sum(cache.n_bytes for cache in expected.caches), rel=0.06, abs=N_ROUNDING * 9)
        assert in_all >= sum(cache.n_bytes for cache in expected.caches) - N_ROUNDING
    finally:
        dry.close()
        real.close()


@pytest.mark.parametrize("name", MODELS)
def test_cells_and_states_are_as_large_as_those_that_are_copied(name: str) -> None:
    dry, real = Model(model_path(name), ModelParams(is_dry=True)), Model(model_path(name))
    try:
        memory, shape = tried(dry), measure(real, ContextParams(n_cells=256, n_seq_max=1, n_threads=1))
        # Copies have the position and the sequences of each cell as well.
        assert memory.n_bytes_cell == pytest.approx(shape.n_bytes_cell, abs=32)
        assert memory.n_bytes_state == pytest.approx(shape.n_bytes_state, rel=0.12, abs=N_ROUNDING)
        assert len(memory.layers) == int(dry.meta[f"{dry.meta['general.architecture']}.block_count"])
        assert (memory.n_bytes_recurrent > 0) == real.kind.has_recurrent
    finally:
        dry.close()
        real.close()


def test_layers_without_cells_or_states_take_nothing() -> None:
    model = Model(model_path("lfm2"), ModelParams(is_dry=True))
    try:
        layers = tried(model).layers
        assert [layer.n_bytes_cell > 0 for layer in layers] == [False, True, False, True]
        assert [layer.n_bytes_state > 0 for layer in layers] == [True, False, True, False]
    finally:
        model.close()


def test_an_encoder_takes_no_memory_beside_its_buffers() -> None:
    model = Model(bert_path(), ModelParams(is_dry=True))
    try:
        context = dry_context(model, ContextParams(n_cells=512, n_seq_max=1))
        assert context.caches == ()
        assert sum(context.buffers.values()) > 0
        assert tried(model).n_bytes_cell == 0
    finally:
        model.close()


@pytest.mark.parametrize("name", MODELS)
def test_the_figures_are_the_same_for_any_number_of_sequences(name: str) -> None:
    model = Model(model_path(name), ModelParams(is_dry=True))
    try:
        one = tried(model)
        for n_seq_max, is_unified in ((3, True), (3, False)):
            other = tried(model, n_seq_max, is_unified=is_unified)
            assert other.n_bytes_cell == pytest.approx(one.n_bytes_cell, rel=0.01)
            assert other.n_bytes_state == pytest.approx(one.n_bytes_state, rel=0.05, abs=N_ROUNDING)
    finally:
        model.close()


@pytest.mark.parametrize("name", ["qwen35", "qwen35moe", "mamba2", "rwkv7", "falcon-h1"])
def test_buffers_hold_three_recurrent_states_for_each_sequence_at_most(name: str) -> None:
    """Fitting takes that for granted where states are large, since it tries few sequences then."""
    model = Model(model_path(name), ModelParams(is_dry=True))
    try:
        memory = tried(model)
        few, many = (
            sum(dry_context(model, ContextParams(n_cells=4096, n_seq_max=n)).buffers.values()) for n in (5, 101)
        )
        assert many - few <= 96 * (3 * memory.n_bytes_recurrent + 2 * memory.n_bytes_row)
    finally:
        model.close()


def test_a_model_is_tried_once_for_being_causal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial allocates the states of a sequence, which takes long where they are large."""
    made: list[int] = []
    init = llama_cpp.llama_init_from_model

    def counted(model: object, native: Any) -> Any:
        made.append(int(native.n_ctx))
        return init(model, native)

    monkeypatch.setattr(llama_cpp, "llama_init_from_model", counted)
    model = Model(model_path("qwen35"), ModelParams(is_dry=True))
    try:
        for n_cells in (256, 512):
            dry_context(model, ContextParams(n_cells=n_cells, n_seq_max=1, n_batch=64, n_ubatch=32))
        assert made == [1, 256, 512]
    finally:
        model.close()


@pytest.mark.parametrize("name", MTP_MODELS)
@pytest.mark.parametrize(("n_cells", "n_seq_max"), [(4096, 1), (65_536, 9)])
def test_a_real_context_of_the_layers_for_further_tokens_takes_as_much(name: str, n_cells: int, n_seq_max: int) -> None:
    params = ContextParams(n_cells=n_cells, n_seq_max=n_seq_max, n_threads=1)
    dry, real = (Model(mtp_path(name), ModelParams(loads_mtp=True, is_dry=is_dry)) for is_dry in (True, False))
    try:
        expected = dry_mtp_context(real, params)
        assert dry_mtp_context(dry, params) == expected
        assert sum(expected.buffers.values()) > 0
        (cache,) = expected.caches
        of_one_layer = max(layer.n_bytes_cell for layer in tried(dry).layers)
        assert cache.n_bytes == pytest.approx(of_one_layer * n_cells, rel=0.06, abs=N_ROUNDING)
    finally:
        dry.close()
        real.close()
