"""Ways to load a model on which libllama aborts."""

import subprocess
from types import SimpleNamespace

import pytest

from segue.engine.errors import ModelError
from segue.engine.model import ModelParams
from segue.engine.trial import try_overrides, try_tensor_split
from tests.kit.models import model_path


@pytest.mark.parametrize("n_layers", [-1, 100_000])
def test_an_abort_is_an_error_here(n_layers: int) -> None:
    with pytest.raises(ModelError, match=r"^--override-kv: libllama cannot load qwen35.gguf .* qwen35.block_count$"):
        try_overrides(model_path("qwen35"), [("qwen35.block_count", n_layers)])


@pytest.mark.parametrize("epsilon", [-1.0, float("nan")])
def test_an_abort_in_the_first_computation_is_an_error_too(epsilon: float) -> None:
    with pytest.raises(ModelError, match="--override-kv: libllama cannot load"):
        try_overrides(model_path("llama"), [("llama.attention.layer_norm_rms_epsilon", epsilon)])


@pytest.mark.parametrize(
    "override", [("qwen35.context_length", 777), ("qwen35.block_count", 2), ("qwen35.rope.freq_base", 5e6)]
)
def test_what_works_or_is_refused_is_left_to_the_load(override: tuple[str, float]) -> None:
    try_overrides(model_path("qwen35"), [override, ("general.name", "other")])


def test_a_split_on_which_libllama_aborts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=-6))
    with pytest.raises(ModelError, match=r"^--split-mode tensor: .* llama\.gguf .* pass --split-mode layer$"):
        try_tensor_split(model_path("llama"), ModelParams(split_mode="tensor"))


def test_a_split_that_works_or_is_refused_is_left_to_the_load() -> None:
    places = ((r"\.ffn", "CPU"),)
    try_tensor_split(model_path("llama"), ModelParams(devices=(), tensor_split=(1.0,), tensor_places=places))
    try_tensor_split(model_path("llama"), ModelParams(split_mode="tensor", devices=("CUDA7",)))
