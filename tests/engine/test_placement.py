"""Single tensors in buffers of their own."""

import re

import numpy as np
import pytest

from segue.engine.base import Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.pattern_trial import matched_tensors
from segue.engine.placement import HOST, TensorPlace, dense_on_host, experts_on_host
from tests.kit.conversation import text
from tests.kit.models import model_path
from tests.kit.rig import EXACT

EXPERTS = ("ffn_up_exps", "ffn_gate_exps", "ffn_down_exps", "ffn_gate_up_exps", "ffn_up_chexps")
OTHERS = ("ffn_up.weight", "ffn_gate.weight", "ffn_down.weight", "ffn_gate_inp", "ffn_up_shexp", "attn_q.weight")


def layers_with(place: TensorPlace, tensor: str, n_layers: int = 120) -> list[int]:
    pattern, buffer = place
    assert buffer == HOST
    return [layer for layer in range(n_layers) if re.search(pattern, f"blk.{layer}.{tensor}")]


@pytest.mark.parametrize("n_layers", [1, 2, 10, 12, 111])
def test_the_experts_of_the_first_layers_and_no_others(n_layers: int) -> None:
    for tensor in EXPERTS:
        assert layers_with(experts_on_host(n_layers), f"{tensor}.weight") == list(range(n_layers))
        assert layers_with(dense_on_host(n_layers), f"{tensor}.weight") == []
    for tensor in OTHERS:
        assert layers_with(experts_on_host(n_layers), tensor) == []
    for tensor in OTHERS[:3]:
        assert layers_with(dense_on_host(n_layers), tensor) == list(range(n_layers))


@pytest.mark.parametrize("n_layers", [None, 512, 10**12])
def test_the_experts_of_all_layers(n_layers: int | None) -> None:
    assert layers_with(experts_on_host(n_layers), "ffn_up_exps.weight", 1000) == list(range(1000))
    assert layers_with(experts_on_host(n_layers), "ffn_up.weight") == []


def test_libllama_finds_the_same_tensors() -> None:
    patterns = [experts_on_host()[0], experts_on_host(2)[0], experts_on_host(999)[0], dense_on_host(2)[0]]
    everywhere, first, most, dense = matched_tensors(model_path("qwen35moe"), patterns)
    assert everywhere == most > first
    assert len(everywhere) == 2 * len(first)
    assert not dense
    experts, dense = matched_tensors(model_path("llama"), patterns[2:])
    assert (len(experts), len(dense)) == (0, 3 * 2)


@pytest.mark.parametrize("places", [(experts_on_host(),), (experts_on_host(1), (r"blk\.\d+\.attn", HOST))])
def test_a_place_changes_no_reply_and_no_fingerprint(places: tuple[TensorPlace, ...]) -> None:
    written = []
    for chosen in ((), places):
        model = Model(model_path("qwen35moe"), ModelParams(tensor_places=chosen, devices=(), n_gpu_layers=0))
        sizes = ContextParams(n_cells=256, n_seq_max=1, n_batch=64, n_ubatch=64, **EXACT)
        context = Context(model, sizes, measure(model, sizes))
        found = fingerprint(context, sizes)
        rows = context.decode([Chunk(0, text(1, 20), logits_for=(-1,))])
        written.append((found, np.array(context.logits(rows[0][0]))))
        context.close()
        model.close()
    (found, logits), (other, same) = written
    assert found == other
    assert np.array_equal(logits, same)


def test_an_unknown_buffer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match=r"^--override-tensor: no buffer type named 'CUDA7'; .* has: .*CPU"):
        Model(model_path("llama"), ModelParams(tensor_places=(("exps", "CUDA7"),)))


@pytest.mark.parametrize("name", ["CUDA7", "CPU"])
def test_a_device_that_is_not_there_is_refused_and_so_is_the_cpu(name: str) -> None:
    with pytest.raises(
        ModelError, match=rf"^--device: this build of libllama has no device named '{name}' to use; it "
    ):
        Model(model_path("llama"), ModelParams(devices=(name,)))


def test_more_shares_than_devices_are_refused() -> None:
    with pytest.raises(ModelError, match=r"^--tensor-split has 17 shares, for at most 16 devices$"):
        Model(model_path("llama"), ModelParams(tensor_split=(1.0,) * 17))
