"""Contexts whose cells a device cannot compute with are refused, where libllama would abort."""

import pytest

from segue.engine import device_tensors, libllama
from segue.engine.context_params import ContextParams, create_context
from segue.engine.dry_run import dry_context
from segue.engine.errors import ModelError
from segue.engine.model import Model, ModelParams
from tests.kit.models import model_path

# A head of 32 numbers of 16 bits for keys, as for values.
N_BYTES_CELL = {"llama": 64, "gemma3": 64, "qwen35": 64}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What a device is asked to hold, which it does up to 1 MiB."""
    found: list[tuple[str, int]] = []

    def holds(device: str, n_bytes: int) -> bool:
        found.append((device, n_bytes))
        return n_bytes <= 1 << 20

    monkeypatch.setattr(libllama, "has_gpu", lambda: True)
    monkeypatch.setattr(device_tensors, "holds_tensor", holds)
    return found


@pytest.mark.parametrize("name", N_BYTES_CELL)
@pytest.mark.parametrize("is_dry", [False, True])
def test_a_context_is_refused_only_where_a_tensor_is_too_large(
    name: str, is_dry: bool, asked: list[tuple[str, int]]
) -> None:
    model = Model(model_path(name), ModelParams(is_dry=is_dry, devices=(), n_gpu_layers=0))
    params = ContextParams(n_cells=16 << 10, n_seq_max=1, n_batch=64, n_ubatch=64)
    if is_dry:
        assert dry_context(model, params).caches
    with pytest.raises(
        ModelError, match=r"^a context of 16640 tokens takes 1 MiB .* CPU cannot .* smaller --ctx-size$"
    ):
        create_context(model, ContextParams(n_cells=(16 << 10) + 1, n_seq_max=1, n_batch=64, n_ubatch=64))
    model.close()
    assert {device for device, _ in asked} == {"CPU"}
    assert asked[-1][1] == N_BYTES_CELL[name] * 16640


def test_a_model_without_attention_has_no_such_tensor(asked: list[tuple[str, int]]) -> None:
    model = Model(model_path("mamba2"), ModelParams(is_dry=True))
    dry_context(model, ContextParams(n_cells=1 << 20, n_seq_max=1, n_batch=64, n_ubatch=64))
    model.close()
    assert asked == []


def test_the_cpu_takes_tensors_of_any_size() -> None:
    assert device_tensors.holds_tensor("CPU", 1 << 44)
    assert device_tensors.holds_tensor("Meta(CUDA0,CUDA1)", 1 << 44)
