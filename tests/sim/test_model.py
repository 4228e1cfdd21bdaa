"""Sizes of known models, against what libllama reports or measures."""

from segue.sim.model import MODELS


def test_sizes() -> None:
    dense, sparse, short = (MODELS[name] for name in ("Qwen3.6-27B", "Qwen3.5-122B-A10B", "LFM2-8B-A1B"))
    assert dense.n_bytes_cell == 64 << 10
    assert f"{dense.n_bytes_state / 2**20:.1f}" == "149.6"
    assert sparse.n_bytes_cell == 24 << 10
    assert f"{sparse.n_bytes_state / 2**20:.1f}" == "149.1"
    assert (short.n_bytes_cell, short.n_bytes_state) == (12 << 10, 18 * 2 * 2048 * 4)
