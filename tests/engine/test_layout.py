"""The bytes of each layer are those of the file, experts apart from the rest, in all parts of a split file."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from segue.engine.layout import read_layout
from segue.engine.model import Model, ModelParams
from tests.fit.simulated import layout
from tests.kit.models import MODELS, model_path
from tests.kit.real_shapes import REAL_SHAPES
from tests.kit.shape_files import shape_path


@pytest.mark.parametrize("name", MODELS)
def test_all_tensors_are_found_and_each_belongs_to_a_layer_or_to_the_ends(name: str) -> None:
    model = Model(model_path(name), ModelParams(is_dry=True))
    try:
        found = read_layout(model.path, model.meta)
        assert sum(tensor.n_bytes for tensor in found.tensors) == model.size_bytes
        layers = {tensor.layer for tensor in found.tensors} - {None}
        assert layers == set(range(found.n_layers))
        assert found.has_experts == ("expert_count" in "".join(model.meta))
    finally:
        model.close()


def test_a_token_uses_some_of_the_experts() -> None:
    model = Model(model_path("qwen35moe"), ModelParams(is_dry=True))
    try:
        found = read_layout(model.path, model.meta)
        experts = sum(tensor.n_bytes for tensor in found.tensors if tensor.is_expert)
        inputs = sum(tensor.n_bytes for tensor in found.loaded if tensor.is_input)
        whole = sum(tensor.n_bytes for tensor in found.loaded) - inputs
        assert 0 < found.expert_share < 1
        assert found.active_bytes == pytest.approx(whole - experts * (1 - found.expert_share), abs=1)
    finally:
        model.close()


N_PARAMS = {"Qwen3.6-27B": 26.9e9, "Qwen3.5-122B-A10B": 122.1e9, "LFM2-24B-A2B": 23.8e9, "Gemma-4-26B-A4B": 25.2e9}


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_libllama_takes_the_headers_of_real_shapes(name: str) -> None:
    model = Model(shape_path(name, "Q4_K_M"), ModelParams(is_dry=True))
    try:
        found = read_layout(model.path, model.meta)
        assert sum(tensor.n_bytes for tensor in found.tensors) == model.size_bytes
        assert found.tensors == layout(name, "Q4_K_M").tensors
        assert model.n_params == pytest.approx(N_PARAMS[name], rel=0.01)
    finally:
        model.close()


def test_all_parts_of_a_split_file_are_read(tmp_path: Path) -> None:
    for part, layers in ((1, (0, 1)), (2, (2,))):
        writer = GGUFWriter(tmp_path / f"model-{part:05}-of-00002.gguf", "llama")
        for layer in layers:
            writer.add_tensor(f"blk.{layer}.attn_q.weight", np.zeros((4, 8), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    meta = {"general.architecture": "llama", "llama.block_count": "3", "llama.nextn_predict_layers": "1"}
    found = read_layout(tmp_path / "model-00001-of-00002.gguf", meta)
    assert [tensor.layer for tensor in found.tensors] == [0, 1, 2]
    assert [tensor.layer for tensor in found.loaded] == [0, 1], "the last one predicts further tokens"
