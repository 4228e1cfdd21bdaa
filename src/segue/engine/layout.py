"""Reads from a GGUF file what a model's layers weigh."""

from collections.abc import Mapping
from pathlib import Path

from segue.engine.model_files import tensor_sizes
from segue.fit.layout import ModelLayout, TensorSize


def read_layout(model: Path, meta: Mapping[str, str], *, loads_mtp: bool = False) -> ModelLayout:
    """The layout of a model's file, or of all parts of a split one, with its metadata as `Model.meta` has it.

    With `loads_mtp`, layers that predict further tokens count. Raises OSError.
    """
    prefix = meta.get("general.architecture", "")
    n_layers = int(meta.get(f"{prefix}.block_count", 0))
    # Layers that predict further tokens come last, and libllama loads them only if asked to.
    n_predicting = 0 if loads_mtp else int(meta.get(f"{prefix}.nextn_predict_layers", 0))
    n_experts = int(meta.get(f"{prefix}.expert_count", 0))
    n_used = int(meta.get(f"{prefix}.expert_used_count", n_experts))
    tensors = tuple(TensorSize(name, n_bytes) for name, n_bytes in tensor_sizes(model))
    return ModelLayout(tensors, n_layers, n_layers - n_predicting, n_used / n_experts if n_experts else 1.0)
