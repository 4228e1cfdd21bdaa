"""How fast states are copied, measured on a clock that copies move, and on real contexts."""

import pytest

from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure, measure_copies
from segue.engine.model import Model
from segue.memory import MemoryKind
from tests.kit.models import model_path
from tests.kit.slow_copies import FAST_BYTES_S, N_REAL_BYTES, SLOW_BYTES_S, SlowEngine


@pytest.mark.parametrize("kind", list(MemoryKind))
@pytest.mark.parametrize("bytes_s", [SLOW_BYTES_S, FAST_BYTES_S])
def test_rates_of_a_simulated_machine(kind: MemoryKind, bytes_s: float) -> None:
    engine = SlowEngine(kind, bytes_s=bytes_s)
    rates = measure_copies(engine, engine.clock)
    assert rates.save_bytes_s * N_REAL_BYTES == pytest.approx(bytes_s, rel=0.1)
    assert rates.load_bytes_s * N_REAL_BYTES == pytest.approx(bytes_s, rel=0.1)
    assert not engine.occupied()
    assert [copy.call for copy in engine.copies] == ["save", "load"] * (
        1 if bytes_s == SLOW_BYTES_S and kind.has_state_part else 2
    )


@pytest.mark.parametrize("name", ["llama", "gemma3", "mamba2", "qwen35", "lfm2-window"])
def test_measuring_leaves_a_context_empty(name: str) -> None:
    model = Model(model_path(name))
    params = ContextParams(n_cells=256, n_seq_max=2, n_batch=64, n_ubatch=64, n_threads=1, n_threads_batch=1)
    context = Context(model, params, measure(model, params))
    try:
        rates = measure_copies(context)
        assert rates.save_bytes_s > 0
        assert rates.load_bytes_s > 0
        assert context.length(0) == 0
        assert context.span(0) == (-1, -1)
    finally:
        context.close()
        model.close()
