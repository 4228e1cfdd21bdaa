"""The tiny hybrid that `segue demo` serves: Qwen3.5's shape, random weights."""

from segue.demo.layers import attention, delta_net, embeddings, experts, feed_forward, norms
from segue.demo.model_file import Architecture, Value


def qwen35(
    *,
    n_layer: int = 4,
    n_embd: int = 256,
    n_ff: int = 512,
    n_head: int = 4,
    n_head_kv: int = 2,
    d_head: int = 64,
    attention_every: int = 4,
    d_state: int = 64,
    n_head_state: int = 4,
    n_experts: int = 0,
    n_experts_used: int = 2,
    n_ctx_train: int = 262144,
) -> Architecture:
    """A Qwen3.5 model; with `n_experts` its form with experts, each of width `n_ff`.

    Every `attention_every`-th layer attends, the others are recurrent. `d_head` is a multiple of 32.
    """
    n_head_key, n_conv = n_head_state // 2, 4
    metadata: dict[str, Value] = {
        "context_length": n_ctx_train,
        "embedding_length": n_embd,
        "block_count": n_layer,
        "feed_forward_length": n_ff,
        "attention.head_count": n_head,
        "attention.head_count_kv": n_head_kv,
        "attention.key_length": d_head,
        "attention.value_length": d_head,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "full_attention_interval": attention_every,
        "rope.freq_base": 1e7,
        "rope.dimension_count": d_head // 4,
        "rope.dimension_sections": [d_head // 16, d_head // 16, 0, 0],
        "ssm.conv_kernel": n_conv,
        "ssm.inner_size": d_state * n_head_state,
        "ssm.state_size": d_state,
        "ssm.time_step_rank": n_head_state,
        "ssm.group_count": n_head_key,
    }
    if n_experts:
        metadata |= {
            "expert_count": n_experts,
            "expert_used_count": n_experts_used,
            "expert_feed_forward_length": n_ff,
            "expert_shared_feed_forward_length": n_ff,
        }
    blocks = [
        norms(n_embd, "attn_norm", "post_attention_norm")
        + (
            delta_net(n_embd, d_state, n_head_key, n_head_state, n_conv)
            if (index + 1) % attention_every
            else attention(n_embd, n_head, n_head_kv, d_head, normed=True, gated=True)
        )
        + (experts(n_embd, n_ff, n_experts) if n_experts else feed_forward(n_embd, n_ff))
        for index in range(n_layer)
    ]
    return Architecture("qwen35moe" if n_experts else "qwen35", metadata, embeddings(n_embd), blocks)
