"""The shapes of real models, from their published configurations and the tensors that llama.cpp makes of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Shape = tuple[int, ...]
Tensors = Iterator[tuple[str, Shape]]


@dataclass(frozen=True, slots=True)
class RealShape:
    """A model's name, its architecture in llama.cpp, its metadata without the prefix, and its tensors' shapes.

    Shapes are libllama's: rows come last. A tensor of one dimension is never quantised.
    """

    name: str
    architecture: str
    metadata: Mapping[str, object]
    tensors: tuple[tuple[str, Shape], ...]
    n_vocab: int
    n_layers: int


@dataclass(frozen=True, slots=True)
class _FeedForward:
    n_ff: int = 0
    n_experts: int = 0
    n_shared: int = 0
    has_bias: bool = False

    def tensors(self, block: str, n_embd: int) -> Tensors:
        if not self.n_experts:
            yield f"{block}.ffn_gate.weight", (n_embd, self.n_ff)
            yield f"{block}.ffn_up.weight", (n_embd, self.n_ff)
            yield f"{block}.ffn_down.weight", (self.n_ff, n_embd)
            return
        yield f"{block}.ffn_gate_inp.weight", (n_embd, self.n_experts)
        yield f"{block}.ffn_gate_exps.weight", (n_embd, self.n_ff, self.n_experts)
        yield f"{block}.ffn_up_exps.weight", (n_embd, self.n_ff, self.n_experts)
        yield f"{block}.ffn_down_exps.weight", (self.n_ff, n_embd, self.n_experts)
        if self.has_bias:
            yield f"{block}.exp_probs_b.bias", (self.n_experts,)
        if self.n_shared:
            yield f"{block}.ffn_gate_inp_shexp.weight", (n_embd,)
            yield f"{block}.ffn_gate_shexp.weight", (n_embd, self.n_shared)
            yield f"{block}.ffn_up_shexp.weight", (n_embd, self.n_shared)
            yield f"{block}.ffn_down_shexp.weight", (self.n_shared, n_embd)


def _qwen35(n_embd: int, n_layers: int, n_head: int, n_head_kv: int, n_head_state: int, ffn: _FeedForward) -> Tensors:
    n_head_key, d_state, d_head, d_conv = 16, 128, 256, 4
    value, key = n_head_state * d_state, n_head_key * d_state
    for i in range(n_layers):
        block = f"blk.{i}"
        yield f"{block}.attn_norm.weight", (n_embd,)
        yield f"{block}.post_attention_norm.weight", (n_embd,)
        if i % 4 == 3:
            yield f"{block}.attn_q.weight", (n_embd, 2 * n_head * d_head)
            yield f"{block}.attn_k.weight", (n_embd, n_head_kv * d_head)
            yield f"{block}.attn_v.weight", (n_embd, n_head_kv * d_head)
            yield f"{block}.attn_output.weight", (n_head * d_head, n_embd)
            yield f"{block}.attn_q_norm.weight", (d_head,)
            yield f"{block}.attn_k_norm.weight", (d_head,)
        else:
            yield f"{block}.attn_qkv.weight", (n_embd, 2 * key + value)
            yield f"{block}.attn_gate.weight", (n_embd, value)
            yield f"{block}.ssm_conv1d.weight", (d_conv, 2 * key + value)
            yield f"{block}.ssm_dt.bias", (n_head_state,)
            yield f"{block}.ssm_a", (n_head_state,)
            yield f"{block}.ssm_beta.weight", (n_embd, n_head_state)
            yield f"{block}.ssm_alpha.weight", (n_embd, n_head_state)
            yield f"{block}.ssm_norm.weight", (d_state,)
            yield f"{block}.ssm_out.weight", (value, n_embd)
        yield from ffn.tensors(block, n_embd)


def _ends(n_embd: int, n_vocab: int, *, norm: str = "output_norm", is_tied: bool = False) -> Tensors:
    yield "token_embd.weight", (n_embd, n_vocab)
    yield f"{norm}.weight", (n_embd,)
    if not is_tied:
        yield "output.weight", (n_embd, n_vocab)


_QWEN_COMMON: Final = {
    "context_length": 262_144,
    "attention.key_length": 256,
    "attention.value_length": 256,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "rope.freq_base": 1e7,
    "rope.dimension_count": 64,
    "rope.dimension_sections": [11, 11, 10, 0],
    "ssm.conv_kernel": 4,
    "ssm.state_size": 128,
    "ssm.group_count": 16,
    "full_attention_interval": 4,
}


def _qwen36_27b() -> RealShape:
    metadata = _QWEN_COMMON | {
        "block_count": 64,
        "embedding_length": 5120,
        "feed_forward_length": 17_408,
        "attention.head_count": 24,
        "attention.head_count_kv": 4,
        "ssm.inner_size": 48 * 128,
        "ssm.time_step_rank": 48,
    }
    tensors = (*_ends(5120, 248_320), *_qwen35(5120, 64, 24, 4, 48, _FeedForward(17_408)))
    return RealShape("Qwen3.6-27B", "qwen35", metadata, tensors, 248_320, 64)


def _qwen35_122b() -> RealShape:
    metadata = _QWEN_COMMON | {
        "block_count": 48,
        "embedding_length": 3072,
        "expert_count": 256,
        "expert_used_count": 8,
        "expert_feed_forward_length": 1024,
        "expert_shared_feed_forward_length": 1024,
        "attention.head_count": 32,
        "attention.head_count_kv": 2,
        "ssm.inner_size": 64 * 128,
        "ssm.time_step_rank": 64,
    }
    tensors = (*_ends(3072, 248_320), *_qwen35(3072, 48, 32, 2, 64, _FeedForward(1024, 256, 1024)))
    return RealShape("Qwen3.5-122B-A10B", "qwen35moe", metadata, tensors, 248_320, 48)


def _lfm2_24b() -> RealShape:
    n_embd, n_layers, n_head_kv, d_head = 2048, 40, 8, 64
    attention = (2, 6, 10, 14, 18, 22, 26, 30, 34, 38)

    def blocks() -> Tensors:
        for i in range(n_layers):
            block = f"blk.{i}"
            yield f"{block}.attn_norm.weight", (n_embd,)
            yield f"{block}.ffn_norm.weight", (n_embd,)
            if i in attention:
                yield f"{block}.attn_q.weight", (n_embd, n_embd)
                yield f"{block}.attn_k.weight", (n_embd, n_head_kv * d_head)
                yield f"{block}.attn_v.weight", (n_embd, n_head_kv * d_head)
                yield f"{block}.attn_output.weight", (n_embd, n_embd)
                yield f"{block}.attn_q_norm.weight", (d_head,)
                yield f"{block}.attn_k_norm.weight", (d_head,)
            else:
                yield f"{block}.shortconv.conv.weight", (3, n_embd)
                yield f"{block}.shortconv.in_proj.weight", (n_embd, 3 * n_embd)
                yield f"{block}.shortconv.out_proj.weight", (n_embd, n_embd)
            ffn = _FeedForward(11_776) if i < 2 else _FeedForward(1536, 64, has_bias=True)
            yield from ffn.tensors(block, n_embd)

    metadata = {
        "context_length": 128_000,
        "block_count": n_layers,
        "embedding_length": n_embd,
        "feed_forward_length": 11_776,
        "expert_count": 64,
        "expert_used_count": 4,
        "expert_feed_forward_length": 1536,
        "expert_gating_func": 2,
        "leading_dense_block_count": 2,
        "attention.head_count": 32,
        "attention.head_count_kv": [n_head_kv * (i in attention) for i in range(n_layers)],
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 1e6,
        "shortconv.l_cache": 3,
        "vocab_size": 65_536,
    }
    tensors = (*_ends(n_embd, 65_536, norm="token_embd_norm", is_tied=True), *blocks())
    return RealShape("LFM2-24B-A2B", "lfm2moe", metadata, tensors, 65_536, n_layers)


def _gemma4_26b() -> RealShape:
    n_embd, n_layers, n_head, n_vocab = 2816, 30, 16, 262_144
    is_global = [i % 6 == 5 for i in range(n_layers)]

    def blocks() -> Tensors:
        for i, is_wide in enumerate(is_global):
            block, d_head, n_head_kv = f"blk.{i}", 512 if is_wide else 256, 2 if is_wide else 8
            norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_ffw_norm_1")
            for norm in (*norms, "pre_ffw_norm_2", "post_ffw_norm_2"):
                yield f"{block}.{norm}.weight", (n_embd,)
            yield f"{block}.attn_q.weight", (n_embd, n_head * d_head)
            yield f"{block}.attn_k.weight", (n_embd, n_head_kv * d_head)
            if not is_wide:
                yield f"{block}.attn_v.weight", (n_embd, n_head_kv * d_head)
            yield f"{block}.attn_output.weight", (n_head * d_head, n_embd)
            yield f"{block}.attn_q_norm.weight", (d_head,)
            yield f"{block}.attn_k_norm.weight", (d_head,)
            yield f"{block}.layer_output_scale.weight", (1,)
            yield from _FeedForward(2112).tensors(block, n_embd)
            yield f"{block}.ffn_gate_inp.weight", (n_embd, 128)
            yield f"{block}.ffn_gate_inp.scale", (n_embd,)
            yield f"{block}.ffn_gate_up_exps.weight", (n_embd, 2 * 704, 128)
            yield f"{block}.ffn_down_exps.weight", (704, n_embd, 128)
            yield f"{block}.ffn_down_exps.scale", (128,)

    metadata = {
        "context_length": 262_144,
        "block_count": n_layers,
        "embedding_length": n_embd,
        "feed_forward_length": 2112,
        "embedding_length_per_layer_input": 0,
        "expert_count": 128,
        "expert_used_count": 8,
        "expert_feed_forward_length": 704,
        "attention.head_count": n_head,
        "attention.head_count_kv": [2 if is_wide else 8 for is_wide in is_global],
        "attention.key_length": 512,
        "attention.value_length": 512,
        "attention.key_length_swa": 256,
        "attention.value_length_swa": 256,
        "attention.sliding_window": 1024,
        "attention.sliding_window_pattern": [not is_wide for is_wide in is_global],
        "attention.layer_norm_rms_epsilon": 1e-6,
        "final_logit_softcapping": 30.0,
        "rope.freq_base": 1e6,
        "rope.freq_base_swa": 1e4,
        "rope.dimension_count": 512,
        "rope.dimension_count_swa": 256,
    }
    tensors = (*_ends(n_embd, n_vocab, is_tied=True), ("rope_freqs.weight", (256,)), *blocks())
    return RealShape("Gemma-4-26B-A4B", "gemma4", metadata, tensors, n_vocab, n_layers)


REAL_SHAPES: Final = {shape.name: shape for shape in (_qwen36_27b(), _qwen35_122b(), _lfm2_24b(), _gemma4_26b())}
