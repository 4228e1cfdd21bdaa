"""The parts that tiny models are made of, as lists of tensors.

Scales are chosen so that a model's reply depends on its prompt: embeddings are small beside the layers'
output, attention is sharp instead of an average over everything, and recurrent states forget within a few tokens
in some heads and within thousands in others.
"""

import numpy as np
from numpy.typing import NDArray

from segue.demo.model_file import Tensor, constant, matrix, normal, uniform, vector
from segue.demo.vocabulary import N_VOCAB, spoken_tokens

EMBEDDING_STD = 0.5
SHARPNESS = 3.0


def embeddings(n_embd: int, std: float = EMBEDDING_STD, output_norm: str = "output_norm") -> list[Tensor]:
    """Token embeddings, and an output of its own: tied to them, a random model repeats its last token for ever."""
    return [
        Tensor("token_embd.weight", (N_VOCAB, n_embd), normal(std), is_matrix=True),
        vector(output_norm, n_embd),
        Tensor("output.weight", (N_VOCAB, n_embd), _spoken, is_matrix=True),
    ]


def norms(n_embd: int, *names: str) -> list[Tensor]:
    """RMS norms over the embedding."""
    return [vector(name, n_embd) for name in names]


def attention(
    n_embd: int, n_head: int, n_head_kv: int, d_head: int, *, normed: bool = False, gated: bool = False
) -> list[Tensor]:
    """Attention; `normed` norms queries and keys, `gated` makes the query projection carry an output gate too."""
    gain = 1.0 if normed else SHARPNESS**0.5
    projections = [
        matrix("attn_q", n_embd, d_head * n_head * (2 if gated else 1), gain),
        matrix("attn_k", n_embd, d_head * n_head_kv, gain),
        matrix("attn_v", n_embd, d_head * n_head_kv),
        matrix("attn_output", d_head * n_head, n_embd),
    ]
    query_key_norms = [vector("attn_q_norm", d_head, SHARPNESS), vector("attn_k_norm", d_head)]
    return projections + (query_key_norms if normed else [])


def feed_forward(n_embd: int, n_ff: int) -> list[Tensor]:
    """A gated feed-forward part."""
    return _gated(n_embd, n_ff, "")


def experts(n_embd: int, n_ff: int, n_experts: int) -> list[Tensor]:
    """Routed experts and a shared one with a gate, all of width `n_ff`."""
    return [
        matrix("ffn_gate_inp", n_embd, n_experts),
        *_gated(n_embd, n_ff, "_exps", n_experts),
        Tensor("ffn_gate_inp_shexp.weight", (n_embd,), normal(n_embd**-0.5)),
        *_gated(n_embd, n_ff, "_shexp"),
    ]


def delta_net(n_embd: int, d_state: int, n_head_key: int, n_head_value: int, n_conv: int) -> list[Tensor]:
    """The gated delta rule of Qwen3-Next and Qwen3.5, the recurrent part of their hybrids."""
    n_value = d_state * n_head_value
    n_mixed = d_state * n_head_key * 2 + n_value
    return [
        matrix("attn_qkv", n_embd, n_mixed),
        matrix("attn_gate", n_embd, n_value),
        Tensor("ssm_conv1d.weight", (n_mixed, n_conv), normal(0.5)),
        Tensor("ssm_dt.bias", (n_head_value,), uniform(-4, -1)),
        Tensor("ssm_a", (n_head_value,), uniform(-1, -0.05)),
        matrix("ssm_beta", n_embd, n_head_value),
        matrix("ssm_alpha", n_embd, n_head_value),
        Tensor("ssm_norm.weight", (d_state,), constant(1.0)),
        matrix("ssm_out", n_value, n_embd),
    ]


def _gated(n_embd: int, n_ff: int, suffix: str, n_experts: int | None = None) -> list[Tensor]:
    return [
        matrix(f"ffn_gate{suffix}", n_embd, n_ff, n_experts=n_experts),
        matrix(f"ffn_up{suffix}", n_embd, n_ff, n_experts=n_experts),
        matrix(f"ffn_down{suffix}", n_ff, n_embd, n_experts=n_experts),
    ]


def _spoken(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Rows of zeros for tokens not to be said: their logit 0 lies far below the best of the others."""
    return normal(5.0 / shape[-1] ** 0.5)(rng, shape) * spoken_tokens()[:, None]
