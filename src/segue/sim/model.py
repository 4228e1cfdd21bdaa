"""The sizes of known models' memory, and the work of reading.

Sources: the models' `config.json`, and libllama, which keeps recurrent states as 32-bit floats and attention cells as
16-bit ones (llama-hparams.cpp: `n_embd_r`, `n_embd_s`).
"""

from dataclasses import dataclass
from typing import Final

_F16, _F32 = 2, 4


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """The bytes that one token adds to the attention cells, and those of a checkpoint's own state.

    `n_flops_token` is the work of reading one token without attention, `n_flops_pair` that of attention to each token
    before it.
    """

    name: str
    n_bytes_cell: int
    n_bytes_state: int
    n_flops_token: float
    n_flops_pair: float


def _delta_net(
    name: str, *, n_layers: int, n_kv_heads: int, n_heads: int, n_value_heads: int, n_key_heads: int, n_active: float
) -> SimulatedModel:
    """Qwen3.5's shape: three layers in four hold, per value head, a state of 128 by 128 and the last 3 inputs of a
    convolution over keys, queries and values. Attention heads are 256 wide.
    """
    n_attention = n_layers // 4
    n_recurrent = n_layers - n_attention
    n_state = n_value_heads * 128 * 128 + 3 * (2 * n_key_heads + n_value_heads) * 128
    return SimulatedModel(
        name,
        n_bytes_cell=2 * n_attention * n_kv_heads * 256 * _F16,
        n_bytes_state=n_recurrent * n_state * _F32,
        n_flops_token=2 * n_active,
        n_flops_pair=4.0 * n_attention * n_heads * 256,
    )


def _short_conv(
    name: str, *, n_conv: int, n_attention: int, n_kv_heads: int, n_heads: int, n_embd: int, n_active: float
) -> SimulatedModel:
    """LFM2's shape: convolutions of width 3, of which the last two inputs are kept; attention heads are 64 wide."""
    return SimulatedModel(
        name,
        n_bytes_cell=2 * n_attention * n_kv_heads * 64 * _F16,
        n_bytes_state=n_conv * 2 * n_embd * _F32,
        n_flops_token=2 * n_active,
        n_flops_pair=4.0 * n_attention * n_heads * 64,
    )


MODELS: Final = {
    model.name: model
    for model in (
        _delta_net(
            "Qwen3.6-27B", n_layers=64, n_kv_heads=4, n_heads=24, n_value_heads=48, n_key_heads=16, n_active=27e9
        ),
        _delta_net(
            "Qwen3.5-122B-A10B", n_layers=48, n_kv_heads=2, n_heads=32, n_value_heads=64, n_key_heads=16, n_active=10e9
        ),
        _short_conv("LFM2-8B-A1B", n_conv=18, n_attention=6, n_kv_heads=8, n_heads=32, n_embd=2048, n_active=1.5e9),
    )
}
