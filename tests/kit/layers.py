"""The recurrent parts that the demo's model does not have, as lists of tensors."""

from segue.demo.model_file import Tensor, constant, matrix, normal, uniform, vector


def mamba2_mixer(n_embd: int, n_inner: int, d_state: int, n_head: int, n_conv: int) -> list[Tensor]:
    """A Mamba-2 mixer with one group."""
    n_mixed = n_inner + 2 * d_state
    return [
        matrix("ssm_in", n_embd, n_inner + n_mixed + n_head),
        Tensor("ssm_conv1d.weight", (n_mixed, n_conv), normal(0.5)),
        Tensor("ssm_conv1d.bias", (n_mixed,), constant(0.0)),
        Tensor("ssm_dt.bias", (n_head,), uniform(-4, -1)),
        Tensor("ssm_a", (n_head, 1), uniform(-1, -0.05)),
        Tensor("ssm_d", (n_head, 1), constant(1.0)),
        Tensor("ssm_norm.weight", (1, n_inner), constant(1.0)),
        matrix("ssm_out", n_inner, n_embd),
    ]


def short_convolution(n_embd: int, n_conv: int) -> list[Tensor]:
    """LFM2's gated convolution over the last `n_conv` tokens."""
    return [
        Tensor("shortconv.conv.weight", (n_embd, n_conv), normal(0.5)),
        matrix("shortconv.in_proj", n_embd, 3 * n_embd),
        matrix("shortconv.out_proj", n_embd, n_embd),
    ]


def rwkv7_block(n_embd: int, n_ff: int, n_rank: int) -> list[Tensor]:
    """An RWKV-7 block: time mixing and channel mixing with their norms; all its low ranks are `n_rank`."""
    low_ranks = [
        tensor
        for letter in "wavg"
        for tensor in (
            matrix(f"time_mix_{letter}1", n_embd, n_rank),
            matrix(f"time_mix_{letter}2", n_rank, n_embd),
        )
    ]
    return [
        *biased_norm("attn_norm", n_embd),
        *biased_norm("attn_norm_2", n_embd),
        *biased_norm("time_mix_ln", n_embd),
        *low_ranks,
        # a sigmoid of it scales the decay: from 0.998 a token for long memory to 0.85
        Tensor("time_mix_w0.weight", (n_embd,), uniform(-6, -1)),
        vector("time_mix_a0", n_embd, 0.0),
        vector("time_mix_v0", n_embd, 0.0),
        Tensor("time_mix_lerp_fused.weight", (6, 1, 1, n_embd), uniform(0, 1)),
        vector("time_mix_k_k", n_embd),
        vector("time_mix_k_a", n_embd),
        Tensor("time_mix_r_k.weight", (n_embd,), normal(0.1)),
        matrix("time_mix_key", n_embd, n_embd),
        matrix("time_mix_value", n_embd, n_embd),
        matrix("time_mix_receptance", n_embd, n_embd),
        matrix("time_mix_output", n_embd, n_embd),
        Tensor("channel_mix_lerp_k.weight", (1, 1, n_embd), uniform(0, 1)),
        matrix("channel_mix_key", n_embd, n_ff),
        matrix("channel_mix_value", n_ff, n_embd),
    ]


def biased_norm(name: str, n: int) -> list[Tensor]:
    """A layer norm: weight 1, bias 0."""
    return [vector(name, n), Tensor(f"{name}.bias", (n,), constant(0.0))]


def biased_matrix(name: str, n_in: int, n_out: int) -> list[Tensor]:
    """A projection with a bias of 0."""
    return [matrix(name, n_in, n_out), Tensor(f"{name}.bias", (n_out,), constant(0.0))]
