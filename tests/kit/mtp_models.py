"""Tiny models with a layer that predicts the token after the next, and the server below HTTP that drafts with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from segue.demo.layers import attention, delta_net, embeddings, experts, feed_forward, norms
from segue.demo.model_file import Architecture, Tensor, Value, WeightType, matrix, vector, write_model
from segue.drafting.mtp import MtpDrafter
from segue.engine.base import Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure_mtp
from segue.engine.model import Model, ModelParams
from segue.engine.mtp_engine import MtpEngine
from segue.engine.nextn import find_nextn
from tests.kit.rig import Rig
from tests.kit.written_files import written_once

_ADDS = ("attn_output.weight", "ssm_out.weight", "ffn_down.weight")
_AGREEING_GAIN = 0.01
_LARGER: Final[Mapping[str, Any]] = {
    "n_layer": 12,
    "n_embd": 1024,
    "n_ff": 3072,
    "n_head": 16,
    "d_state": 64,
    "n_head_state": 16,
    "weight_type": "Q8_0",
}


def write_qwen35_mtp(
    path: Path,
    *,
    agrees: bool = False,
    trunk_gain: float = _AGREEING_GAIN,
    n_layer: int = 4,
    n_embd: int = 64,
    n_ff: int = 128,
    n_head: int = 2,
    d_head: int = 32,
    d_state: int = 32,
    n_head_state: int = 2,
    n_experts: int = 0,
    n_guessing: int = 1,
    weight_type: WeightType = "F32",
) -> None:
    """Write a Qwen3.5 model of random weights, with experts or without, and `n_guessing` layers for further tokens.

    If it `agrees`, its layers add so little, and that one copies its token so well, that most of its guesses hold;
    the more the trunk's layers add, scaled by `trunk_gain`, the fewer.
    """
    n_head_key, n_conv, n_head_kv, every = max(1, n_head_state // 2), 4, max(1, n_head // 2), 4
    metadata: dict[str, Value] = {
        "context_length": 262144,
        "embedding_length": n_embd,
        "block_count": n_layer + n_guessing,
        "nextn_predict_layers": n_guessing,
        "feed_forward_length": n_ff,
        "attention.head_count": n_head,
        "attention.head_count_kv": n_head_kv,
        "attention.key_length": d_head,
        "attention.value_length": d_head,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "full_attention_interval": every,
        "rope.freq_base": 1e7,
        "rope.dimension_count": d_head // 4,
        "rope.dimension_sections": [d_head // 16, d_head // 16, 0, 0],
        "ssm.conv_kernel": n_conv,
        "ssm.inner_size": d_state * n_head_state,
        "ssm.state_size": d_state,
        "ssm.time_step_rank": n_head_state,
        "ssm.group_count": n_head_key,
    }
    attending = attention(n_embd, n_head, n_head_kv, d_head, normed=True, gated=True)
    if n_experts:
        metadata |= {
            "expert_count": n_experts,
            "expert_used_count": 2,
            "expert_feed_forward_length": n_ff,
            "expert_shared_feed_forward_length": n_ff,
        }
    rest = norms(n_embd, "attn_norm", "post_attention_norm")
    rest += experts(n_embd, n_ff, n_experts) if n_experts else feed_forward(n_embd, n_ff)
    recurrent = delta_net(n_embd, d_state, n_head_key, n_head_state, n_conv)
    blocks = [
        _scaled(rest + (recurrent if (i + 1) % every else attending), trunk_gain if agrees else 1.0)
        for i in range(n_layer)
    ]
    joining = matrix("nextn.eh_proj", 2 * n_embd, n_embd)
    blocks += [
        [
            *_scaled(rest + attending, _AGREEING_GAIN if agrees else 1.0),
            replace(joining, fill=_token_only) if agrees else joining,
            vector("nextn.enorm", n_embd),
            vector("nextn.hnorm", n_embd),
            vector("nextn.shared_head_norm", n_embd),
        ]
    ] * n_guessing
    name = "qwen35moe" if n_experts else "qwen35"
    write_model(path, Architecture(name, metadata, embeddings(n_embd), blocks), seed=0, weight_type=weight_type)


MTP_MODELS: Final[dict[str, Callable[[Path], None]]] = {
    "qwen35-mtp": write_qwen35_mtp,
    "qwen35-mtp-agrees": partial(write_qwen35_mtp, agrees=True),
    "qwen35moe-mtp": partial(write_qwen35_mtp, n_ff=64, n_experts=4),
}


LARGER_MTP_MODELS: Final[dict[str, Callable[[Path], None]]] = {
    "qwen35-140m-mtp-most": partial(write_qwen35_mtp, agrees=True, trunk_gain=0.05, **_LARGER),
    "qwen35-140m-mtp-half": partial(write_qwen35_mtp, agrees=True, trunk_gain=0.2, **_LARGER),
    "qwen35-140m-mtp-none": partial(write_qwen35_mtp, **_LARGER),
}
"""Models of 140 million weights, of whose guesses most hold, about half, or none."""


@cache
def mtp_path(name: str) -> Path:
    """The file of one of `MTP_MODELS` or `LARGER_MTP_MODELS`."""
    return written_once(f"{name}.gguf", (MTP_MODELS | LARGER_MTP_MODELS)[name])


class MtpRig(Rig):
    """A loop that drafts with the model's own layer."""

    def __init__(self, path: Path, **sizes: Any) -> None:
        super().__init__(path, make_drafter=_make_drafter, **sizes)

    @override
    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:
        self.model = Model(path, ModelParams(loads_mtp=True))
        engine = open_mtp(self.model, params)
        return engine, fingerprint(engine.target, params)

    @override
    def close_engine(self) -> None:
        assert isinstance(self.engine, MtpEngine)
        self.engine.close()
        self.model.close()


def open_mtp(model: Model, params: ContextParams) -> MtpEngine:
    """Both contexts of a model."""
    nextn = find_nextn()
    assert nextn is not None
    shape = measure_mtp(model, params, nextn)
    return MtpEngine(Context(model, params, shape), params, nextn, shape)


def _make_drafter(engine: Engine) -> MtpDrafter:
    assert isinstance(engine, MtpEngine)
    return MtpDrafter(engine)


def _scaled(tensors: Sequence[Tensor], gain: float) -> list[Tensor]:
    """The same tensors, with what they add to the hidden rows scaled."""

    def scaled(tensor: Tensor) -> Tensor:
        return replace(tensor, fill=lambda rng, shape: gain * tensor.fill(rng, shape))

    return [scaled(tensor) if tensor.name in _ADDS else tensor for tensor in tensors]


def _token_only(_rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Half of an identity: the token goes through, the hidden row does not."""
    return np.eye(shape[0], shape[1], dtype=np.float32)
