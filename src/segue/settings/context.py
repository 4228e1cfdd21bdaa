"""The context: its size, its batches, and how positions are encoded."""

from typing import Annotated, Literal

from cyclopts import Group
from pydantic import field_validator

from segue.settings.fields import INT32_MAX, Implied, KvType, Mebibytes, OnOff, SettingsGroup, Switch, env, flag, own

_CONTEXT = Group("Context and batches", sort_key=2)
_ROPE = Group("Context extension", sort_key=3)


class ContextSettings(SettingsGroup):
    """The size of the context and of batches, and the threads that compute."""

    ctx_size: Annotated[int, flag(_CONTEXT, "--ctx-size", "-c")] = env(
        "LLAMA_ARG_CTX_SIZE",
        0,
        "Most tokens of a prompt and its reply, capped at the trained context of the model; 0 takes all of it.",
        ge=0,
        le=INT32_MAX,
    )
    fit: Annotated[Literal["on", "off"], OnOff, flag(_CONTEXT, "--fit", "-fit")] = env(
        "LLAMA_ARG_FIT", "on", "Whether to choose what is not set so that it fits into the memory of the devices."
    )
    fit_target: Annotated[Mebibytes, flag(_CONTEXT, "--fit-target", "-fitt", is_empty=True)] = env(
        "LLAMA_ARG_FIT_TARGET",
        (1024,),
        "MiB that --fit leaves free on each device: one number for all, or one for each. By default 1024.",
    )
    fit_ctx: Annotated[int, flag(_CONTEXT, "--fit-ctx", "-fitc")] = env(
        "LLAMA_ARG_FIT_CTX", 4096, "Smallest context that --fit may choose.", ge=1, le=INT32_MAX
    )
    kv_unified_per_slot: Annotated[int, flag(_CONTEXT, "--kv-unified-per-slot")] = env(
        "LLAMA_ARG_KV_UNIFIED_PER_SLOT",
        0,
        "Most tokens of a request where --ctx-size is shared by more; 0 sets no limit.",
        ge=0,
        le=INT32_MAX,
    )
    parallel: Annotated[int, flag(_CONTEXT, "--parallel", "-np")] = env(
        "LLAMA_ARG_N_PARALLEL", 4, "Requests that run at the same time, at most 200; -1 means 4.", ge=-1, le=200
    )
    batch_size: Annotated[int, flag(_CONTEXT, "--batch-size", "-b")] = env(
        "LLAMA_ARG_BATCH", 2048, "Most tokens in a batch.", ge=1, le=INT32_MAX
    )
    ubatch_size: Annotated[int, flag(_CONTEXT, "--ubatch-size", "-ub")] = env(
        "LLAMA_ARG_UBATCH", 512, "Most tokens that are computed at once (physical batch).", ge=1, le=INT32_MAX
    )
    threads: Annotated[int, flag(_CONTEXT, "--threads", "-t")] = env(
        "LLAMA_ARG_THREADS", -1, "CPU threads for generation, at most 512; -1 means one for each core.", ge=-1, le=512
    )
    threads_batch: Annotated[int, flag(_CONTEXT, "--threads-batch", "-tb")] = own(
        -1, "CPU threads for reading prompts, at most 512; -1 means as many as --threads.", ge=-1, le=512
    )
    flash_attn: Annotated[Literal["on", "off", "auto"], OnOff, Implied("on"), flag(_CONTEXT, "--flash-attn", "-fa")] = (
        env("LLAMA_ARG_FLASH_ATTN", "auto", "Whether to use flash attention.")
    )
    cache_type_k: Annotated[KvType, flag(_CONTEXT, "--cache-type-k", "-ctk")] = env(
        "LLAMA_ARG_CACHE_TYPE_K", "f16", "Data type of keys in the KV cache."
    )
    cache_type_v: Annotated[KvType, flag(_CONTEXT, "--cache-type-v", "-ctv")] = env(
        "LLAMA_ARG_CACHE_TYPE_V", "f16", "Data type of values in the KV cache."
    )
    kv_offload: Annotated[Switch, flag(_CONTEXT, "--kv-offload", "-kvo", negative=("-nkvo", "--no-kv-offload"))] = env(
        "LLAMA_ARG_KV_OFFLOAD", True, "Keep the KV cache on the GPUs that compute with it."
    )
    op_offload: Annotated[Switch, flag(_CONTEXT, "--op-offload", negative="--no-op-offload")] = own(
        True, "Let GPUs compute with weights that lie in host memory, for large batches."
    )

    @field_validator("parallel")
    @classmethod
    def _choose_parallel(cls, value: int) -> int:
        if value == 0:
            raise ValueError("a server needs at least one slot; pass 1 or more, or -1 for the default")
        return 4 if value == -1 else value

    rope_scaling: Annotated[Literal["", "none", "linear", "yarn"], flag(_ROPE, "--rope-scaling", is_empty=True)] = env(
        "LLAMA_ARG_ROPE_SCALING_TYPE", "", "How positions are scaled. By default as the model's file says."
    )
    rope_scale: Annotated[float, flag(_ROPE, "--rope-scale", is_empty=True)] = env(
        "LLAMA_ARG_ROPE_SCALE", 0.0, "How many times longer the context becomes.", ge=0, allow_inf_nan=False
    )
    rope_freq_base: Annotated[float, flag(_ROPE, "--rope-freq-base", is_empty=True)] = env(
        "LLAMA_ARG_ROPE_FREQ_BASE", 0.0, "Base of the rotation frequencies.", ge=0, allow_inf_nan=False
    )
    rope_freq_scale: Annotated[float, flag(_ROPE, "--rope-freq-scale", is_empty=True)] = env(
        "LLAMA_ARG_ROPE_FREQ_SCALE", 0.0, "Factor on the frequencies: 1 / --rope-scale.", ge=0, allow_inf_nan=False
    )
    yarn_orig_ctx: Annotated[int, flag(_ROPE, "--yarn-orig-ctx", is_empty=True)] = env(
        "LLAMA_ARG_YARN_ORIG_CTX", 0, "YaRN: the context that the model was trained with.", ge=0, le=INT32_MAX
    )
    yarn_ext_factor: Annotated[float, flag(_ROPE, "--yarn-ext-factor", is_empty=True)] = env(
        "LLAMA_ARG_YARN_EXT_FACTOR", -1.0, "YaRN: weight of extrapolation.", allow_inf_nan=False
    )
    yarn_attn_factor: Annotated[float, flag(_ROPE, "--yarn-attn-factor", is_empty=True)] = env(
        "LLAMA_ARG_YARN_ATTN_FACTOR", -1.0, "YaRN: factor on the attention.", allow_inf_nan=False
    )
    yarn_beta_slow: Annotated[float, flag(_ROPE, "--yarn-beta-slow", is_empty=True)] = env(
        "LLAMA_ARG_YARN_BETA_SLOW", -1.0, "YaRN: rotations below which is interpolated.", allow_inf_nan=False
    )
    yarn_beta_fast: Annotated[float, flag(_ROPE, "--yarn-beta-fast", is_empty=True)] = env(
        "LLAMA_ARG_YARN_BETA_FAST", -1.0, "YaRN: rotations above which is extrapolated.", allow_inf_nan=False
    )
