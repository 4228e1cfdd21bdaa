"""From settings to the parameters of a model, its context, and what has to fit."""

import logging
import os
from collections.abc import Iterator

from segue.drafting.tree import N_BYTES_MOST
from segue.engine import libllama
from segue.engine.context_params import ContextParams
from segue.engine.fitting import Fitting
from segue.engine.model import ModelParams
from segue.engine.placement import HOST, TensorPlace, dense_on_host, experts_on_host
from segue.engine.rope import RopeParams
from segue.fit.asked import Asked
from segue.loop.speculation import N_ROWS_DRAFTED
from segue.memory import MemoryTraits
from segue.settings import Settings

log = logging.getLogger(__name__)

_NONE = ("none",)
_N_SLOTS_MOST_WITH_SHADOWS = 100
"""libllama has at most 256 sequences, and some of them shall be parked."""


def n_threads(settings: Settings) -> tuple[int, int]:
    """The threads that generate, and those that read prompts."""
    count = settings.threads if settings.threads > 0 else len(os.sched_getaffinity(0))
    return count, settings.threads_batch if settings.threads_batch > 0 else count


def context_params(settings: Settings, n_cells: int, n_seq_max: int) -> ContextParams:
    """The parameters of a context of these sizes."""
    n_threads_one, n_threads_batch = n_threads(settings)
    return ContextParams(
        n_cells=n_cells,
        n_seq_max=n_seq_max,
        n_batch=settings.batch_size,
        n_ubatch=settings.ubatch_size,
        n_rows=N_ROWS_DRAFTED if settings.has_drafts else 0,
        n_threads=n_threads_one,
        n_threads_batch=n_threads_batch,
        is_unified=not settings.reproducible,
        flash_attention=settings.flash_attn,
        type_k=settings.cache_type_k,
        type_v=settings.cache_type_v,
        rope=rope_params(settings),
        is_kv_offloaded=settings.kv_offload,
        offloads_operations=settings.op_offload,
    )


def model_params(settings: Settings) -> ModelParams:
    """How to load the model. Where libllama has no GPU, flags without effect are logged."""
    if not libllama.has_gpu():
        settings = _without_gpus(settings)
    layers = settings.n_gpu_layers
    no_devices = settings.device == _NONE
    return ModelParams(
        n_gpu_layers=0 if no_devices else layers if isinstance(layers, int) else -1,
        devices=() if no_devices else settings.device or None,
        split_mode=settings.split_mode,
        tensor_split=settings.tensor_split,
        main_gpu=settings.main_gpu,
        tensor_places=tuple(_tensor_places(settings)),
        load_mode=settings.load_mode,
        lazy_mode=settings.lazy_mode,
        repacks=settings.repack,
        avoids_host_buffers=settings.no_host,
        checks_tensors=settings.check_tensors,
        overrides=tuple(settings.override_kv),
        may_unload=settings.sleep_idle_seconds > 0,
    )


def _tensor_places(settings: Settings) -> Iterator[TensorPlace]:
    yield from settings.override_tensor
    if settings.cpu_moe:
        yield experts_on_host()
    if settings.n_cpu_moe:
        yield experts_on_host(settings.n_cpu_moe)
    if settings.n_cpu_ffn:
        yield dense_on_host(settings.n_cpu_ffn)


def _without_gpus(settings: Settings) -> Settings:
    """The settings for a libllama without a GPU: where a line places the model changes no reply."""
    places = [name for name in ("device", "tensor_split", "main_gpu") if getattr(settings, name) not in ((), 0, _NONE)]
    if settings.n_gpu_layers not in (0, "auto"):
        places.insert(0, "n_gpu_layers")
    if settings.split_mode != "layer":
        places.append("split_mode")
    if any(buffer != HOST for _, buffer in settings.override_tensor):
        places.append("override_tensor")
    if places:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in places)
        log.warning("libllama finds no GPU: the model runs on the CPU, without regard to %s", flags)
    plain = {"split_mode": "layer", "tensor_split": (), "main_gpu": 0, "override_tensor": []}
    return settings.model_copy(update=plain | {"device": _NONE, "cpu_moe": False, "n_cpu_moe": 0, "n_cpu_ffn": 0})


def asked_of(settings: Settings, fitting: Fitting) -> Asked:
    """The placement and the sizes that the settings ask of this model."""
    model, params, rope = fitting.model, fitting.model_params, rope_params(settings)
    all_layers = fitting.n_layers + 1
    n_on_devices = {"auto": None, "all": all_layers, -1: None}.get(
        settings.n_gpu_layers, int(settings.n_gpu_layers) if isinstance(settings.n_gpu_layers, int) else None
    )
    if n_on_devices is None and params.split_mode in ("row", "tensor"):
        n_on_devices = all_layers
    # With --ctx-size 0, the whole context was asked for, as long as devices hold it.
    is_all_asked = "ctx_size" in settings.model_fields_set and not settings.ctx_size
    return Asked(
        n_slots=settings.parallel,
        n_shadows=settings.parallel if model.kind.has_recurrent and can_draft(settings, model.kind) else 0,
        n_bytes_history=N_BYTES_MOST if can_draft(settings, model.kind) else 0,
        n_ctx_train=model.n_ctx_train,
        n_ctx_most=max(model.n_ctx_most, rope.n_ctx(model.n_ctx_train)),
        n_ctx=settings.ctx_size or settings.parallel * settings.kv_unified_per_slot,
        n_ctx_least=model.n_ctx_train if is_all_asked else settings.fit_ctx,
        parked_mib=settings.cache_parked,
        host_mib=settings.cache_ram,
        is_fitted=settings.fit == "on",
        is_unified=not settings.reproducible,
        is_kv_offloaded=settings.kv_offload,
        n_on_devices=all_layers if n_on_devices is not None and n_on_devices < 0 else n_on_devices,
        shares=params.tensor_split,
        overrides=fitting.tensor_places,
    )


def can_draft(settings: Settings, kind: MemoryTraits) -> bool:
    """Whether replies are drafted: with recurrent state, that takes another sequence for each slot."""
    return settings.has_drafts and (not kind.has_recurrent or settings.parallel <= _N_SLOTS_MOST_WITH_SHADOWS)


def rope_params(settings: Settings) -> RopeParams:
    """How positions are encoded."""
    return RopeParams(
        scaling=settings.rope_scaling,
        freq_base=settings.rope_freq_base,
        freq_scale=1 / settings.rope_scale if settings.rope_scale else settings.rope_freq_scale,
        yarn_orig_ctx=settings.yarn_orig_ctx,
        yarn_ext_factor=settings.yarn_ext_factor,
        yarn_attn_factor=settings.yarn_attn_factor,
        yarn_beta_slow=settings.yarn_beta_slow,
        yarn_beta_fast=settings.yarn_beta_fast,
    )
