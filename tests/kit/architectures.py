"""Tiny models of real architectures; the demo's hybrid, also with experts, is in `segue.demo.tiny_model`."""

from dataclasses import dataclass, replace

from segue.demo.layers import EMBEDDING_STD, attention, embeddings, feed_forward, norms
from segue.demo.model_file import Architecture, Tensor, Value, normal, vector
from segue.demo.vocabulary import N_VOCAB
from tests.kit.layers import biased_matrix, biased_norm, mamba2_mixer, rwkv7_block, short_convolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes that architectures share; each takes those that it has. `d_head` must be a multiple of 32."""

    n_layer: int = 2
    n_embd: int = 64
    n_ff: int = 128
    n_head: int = 2
    n_head_kv: int = 1
    d_head: int = 32
    d_state: int = 32
    n_head_state: int = 4
    n_conv: int = 4

    @property
    def n_inner(self) -> int:
        """Width of a Mamba-2 mixer."""
        return 2 * self.n_embd


def llama(s: Sizes) -> Architecture:
    """Attention in every layer."""
    blocks = [
        norms(s.n_embd, "attn_norm", "ffn_norm")
        + attention(s.n_embd, s.n_head, s.n_head_kv, s.d_head)
        + feed_forward(s.n_embd, s.n_ff)
    ] * s.n_layer
    return Architecture("llama", _common(s) | _heads(s), embeddings(s.n_embd), blocks)


def qwen3vl(s: Sizes) -> Architecture:
    """Attention in every layer, with positions that have several numbers, as images need them."""
    blocks = [
        norms(s.n_embd, "attn_norm", "ffn_norm")
        + attention(s.n_embd, s.n_head, s.n_head_kv, s.d_head, normed=True)
        + feed_forward(s.n_embd, s.n_ff)
    ] * s.n_layer
    third = s.d_head // 6
    sections: dict[str, Value] = {"rope.dimension_sections": [s.d_head // 2 - 2 * third, third, third, 0]}
    return Architecture("qwen3vl", _common(s) | _heads(s) | sections, embeddings(s.n_embd), blocks)


def longrope(s: Sizes, *, n_ctx_original: int | None) -> Architecture:
    """Attention in every layer, whose keys are turned by other factors in a context longer than `n_ctx_original`."""
    plain = llama(s)
    scaling: dict[str, Value] = {"rope.scaling.type": "longrope"}
    if n_ctx_original is not None:
        scaling["rope.scaling.original_context_length"] = n_ctx_original
    factors = [vector("rope_factors_long", s.d_head // 2, 8.0), vector("rope_factors_short", s.d_head // 2)]
    return replace(plain, metadata={**plain.metadata, **scaling}, tensors=[*plain.tensors, *factors])


def bert(s: Sizes, *, n_ctx: int) -> Architecture:
    """An encoder: every token sees all others, nothing is remembered, and there are vectors instead of logits."""
    metadata = _common(s) | {
        "context_length": n_ctx,
        "attention.head_count": s.n_head,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.causal": False,
        "pooling_type": 1,
    }
    projections = [("attn_q", s.n_embd, s.n_embd), ("attn_k", s.n_embd, s.n_embd), ("attn_v", s.n_embd, s.n_embd)]
    projections += [("attn_output", s.n_embd, s.n_embd), ("ffn_up", s.n_embd, s.n_ff), ("ffn_down", s.n_ff, s.n_embd)]
    block = [
        *(tensor for name, n_in, n_out in projections for tensor in biased_matrix(name, n_in, n_out)),
        *biased_norm("attn_output_norm", s.n_embd),
        *biased_norm("layer_output_norm", s.n_embd),
    ]
    tensors = [
        Tensor("token_embd.weight", (N_VOCAB, s.n_embd), normal(EMBEDDING_STD), is_matrix=True),
        Tensor("position_embd.weight", (n_ctx, s.n_embd), normal(EMBEDDING_STD)),
        *biased_norm("token_embd_norm", s.n_embd),
    ]
    return Architecture("bert", metadata, tensors, [block] * s.n_layer)


def gemma3(s: Sizes, *, n_swa: int, pattern: int) -> Architecture:
    """Attention over a window of `n_swa` tokens, and over everything in every `pattern`-th layer."""
    window: dict[str, Value] = {"attention.sliding_window": n_swa, "attention.sliding_window_pattern": pattern}
    blocks = [
        norms(s.n_embd, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        + attention(s.n_embd, s.n_head, s.n_head_kv, s.d_head, normed=True)
        + feed_forward(s.n_embd, s.n_ff)
    ] * s.n_layer
    # libllama multiplies Gemma's embeddings by sqrt(n_embd)
    tensors = embeddings(s.n_embd, std=EMBEDDING_STD / s.n_embd**0.5)
    return Architecture("gemma3", _common(s) | _heads(s) | window, tensors, blocks)


def mamba2(s: Sizes) -> Architecture:
    """A state-space model: no attention, no feed-forward parts."""
    metadata = _common(s) | _mamba2(s) | {"feed_forward_length": 0, "attention.head_count": 0}
    blocks = [
        norms(s.n_embd, "attn_norm") + mamba2_mixer(s.n_embd, s.n_inner, s.d_state, s.n_head_state, s.n_conv)
    ] * s.n_layer
    return Architecture("mamba2", metadata, embeddings(s.n_embd), blocks)


def rwkv7(s: Sizes, *, n_rank: int = 32) -> Architecture:
    """A linear recurrent model whose state is a matrix a head."""
    metadata = _common(s) | {
        "attention.head_count": 0,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.decay_lora_rank": n_rank,
        "attention.iclr_lora_rank": n_rank,
        "attention.value_residual_mix_lora_rank": n_rank,
        "attention.gate_lora_rank": n_rank,
        "token_shift_count": 2,
        "wkv.head_size": s.d_head,
    }
    blocks = [rwkv7_block(s.n_embd, s.n_ff, n_rank)] * s.n_layer
    tensors = embeddings(s.n_embd) + biased_norm("output_norm", s.n_embd)[1:] + biased_norm("token_embd_norm", s.n_embd)
    return Architecture("rwkv7", metadata, tensors, blocks)


def lfm2(s: Sizes, *, attention_layers: frozenset[int], n_swa: int = 0) -> Architecture:
    """Short convolutions, and attention in `attention_layers`: over a window of `n_swa` tokens, or over everything."""
    metadata = _common(s) | _heads(s)
    metadata |= {
        "attention.head_count_kv": [s.n_head_kv if index in attention_layers else 0 for index in range(s.n_layer)],
        "attention.sliding_window": n_swa,
        "shortconv.l_cache": s.n_conv,
    }
    blocks = [
        norms(s.n_embd, "attn_norm", "ffn_norm")
        + (
            attention(s.n_embd, s.n_head, s.n_head_kv, s.d_head, normed=True)
            if index in attention_layers
            else short_convolution(s.n_embd, s.n_conv)
        )
        + feed_forward(s.n_embd, s.n_ff)
        for index in range(s.n_layer)
    ]
    return Architecture("lfm2", metadata, embeddings(s.n_embd, output_norm="token_embd_norm"), blocks)


def falcon_h1(s: Sizes) -> Architecture:
    """Attention and a Mamba-2 mixer side by side in every layer."""
    # libllama asks for this one norm without the suffix ".weight"
    feed_forward_norm = [replace(norm, name="ffn_norm") for norm in norms(s.n_embd, "ffn_norm")]
    blocks = [
        norms(s.n_embd, "attn_norm")
        + attention(s.n_embd, s.n_head, s.n_head_kv, s.d_head)
        + mamba2_mixer(s.n_embd, s.n_inner, s.d_state, s.n_head_state, s.n_conv)
        + feed_forward_norm
        + feed_forward(s.n_embd, s.n_ff)
    ] * s.n_layer
    return Architecture("falcon-h1", _common(s) | _heads(s) | _mamba2(s), embeddings(s.n_embd), blocks)


def _common(s: Sizes) -> dict[str, Value]:
    return {
        "context_length": 131072,
        "embedding_length": s.n_embd,
        "block_count": s.n_layer,
        "feed_forward_length": s.n_ff,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }


def _heads(s: Sizes) -> dict[str, Value]:
    return {
        "attention.head_count": s.n_head,
        "attention.head_count_kv": s.n_head_kv,
        "attention.key_length": s.d_head,
        "attention.value_length": s.d_head,
        "rope.dimension_count": s.d_head,
        "rope.freq_base": 1e6,
    }


def _mamba2(s: Sizes) -> dict[str, Value]:
    return {
        "ssm.conv_kernel": s.n_conv,
        "ssm.inner_size": s.n_inner,
        "ssm.state_size": s.d_state,
        "ssm.time_step_rank": s.n_head_state,
        "ssm.group_count": 1,
    }
