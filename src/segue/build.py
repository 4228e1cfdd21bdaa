"""From settings to a running loop."""

import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from segue.cache.state_cache import StateCache
from segue.cache.tiers.disk.shared import SharedDisk
from segue.engine import libllama
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.embedding_thread import EmbeddingThread
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure, measure_copies
from segue.engine.model import Model, ModelParams
from segue.engine.pooling import pooling_of
from segue.engine.rope import RopeParams
from segue.engine.trial import try_overrides
from segue.engine.vocabulary import Vocabulary
from segue.grammar.compiler import Compiler
from segue.loop.loop import Loop
from segue.loop.runner import OnEnd
from segue.loop.sizes import choose_sizes
from segue.policy.prices import Prices
from segue.settings import Settings
from segue.storage.directory import Directory
from segue.storage.errors import DiskError

log = logging.getLogger(__name__)

# The engine's thread must get the interpreter back at once when libllama returns; 5 ms would cost whole tokens.
_SWITCH_INTERVAL_S = 0.0002
_MOST_DISK_BYTES = 64 << 30
# What the flags that place a model are by default.
_NO_PLACES: tuple[object, ...] = ("auto", [])


@dataclass(frozen=True, slots=True)
class Built:
    """A loaded model with its running loop."""

    model: Model
    vocabulary: Vocabulary
    compiler: Compiler
    loop: Loop
    engine: Context
    embeddings: EmbeddingThread

    @property
    def can_generate(self) -> bool:
        """Whether the model can generate replies."""
        return self.engine.can_generate

    def close(self) -> None:
        """End the loop and free the model."""
        self.loop.close()
        self.embeddings.close()
        self.engine.close()
        self.compiler.close()
        self.model.close()


def build(settings: Settings, on_progress: Callable[[float], None], on_end: OnEnd) -> Built:
    """Load the model and start the loop. Takes as long as reading the file; raises ModelError with a line to show.

    `on_progress` hears the share loaded, `on_end` of every request that is over, on the engine's thread.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if settings.numa:
        libllama.use_numa(settings.numa)
    path = Path(settings.model)
    if settings.override_kv:
        try_overrides(path, settings.override_kv)
    model = Model(path, _model_params(settings), on_progress)
    compiler = Compiler(model.vocabulary)
    compiler.prepare()
    n_threads = settings.threads if settings.threads > 0 else len(os.sched_getaffinity(0))
    n_threads_batch = settings.threads_batch if settings.threads_batch > 0 else n_threads
    is_unified = not settings.reproducible
    rope = _rope_params(settings)

    def params(n_cells: int, n_seq_max: int) -> ContextParams:
        return ContextParams(
            n_cells=n_cells,
            n_seq_max=n_seq_max,
            n_batch=settings.batch_size,
            n_ubatch=settings.ubatch_size,
            n_threads=n_threads,
            n_threads_batch=n_threads_batch,
            is_unified=is_unified,
            flash_attention=settings.flash_attn,
            type_k=settings.cache_type_k,
            type_v=settings.cache_type_v,
            rope=rope,
            is_kv_offloaded=settings.kv_offload,
            offloads_operations=settings.op_offload,
        )

    n_ctx_slot = settings.kv_unified_per_slot
    shape = measure(model, params(256, 1))
    sizes = choose_sizes(
        shape,
        n_ctx=settings.ctx_size or settings.parallel * n_ctx_slot,
        n_ctx_train=model.n_ctx_train,
        n_ctx_most=max(model.n_ctx_most, rope.n_ctx(model.n_ctx_train)),
        n_slots=settings.parallel,
        parked_mib=settings.cache_parked,
        host_mib=settings.cache_ram,
        free_bytes=psutil.virtual_memory().available,
        is_unified=is_unified,
        active_bytes=model.active_bytes,
    )
    if settings.ctx_size > sizes.n_ctx:
        log.warning(
            "--ctx-size %d exceeds the %d tokens that the model was trained with; no request gets more",
            settings.ctx_size,
            sizes.n_ctx,
        )
    n_seq_max = settings.parallel + (1 + sizes.n_parked if is_unified else 0)
    engine_params = params(sizes.n_cells, n_seq_max)
    engine = Context(model, engine_params, shape)
    cache = StateCache(
        engine,
        settings.parallel,
        sizes.n_parked,
        sizes.n_host_bytes,
        sizes.n_idle_cells,
        fingerprint=fingerprint(engine, engine_params),
        prices=_prices(engine),
    )
    loop = Loop(
        engine,
        cache,
        n_slots=settings.parallel,
        n_ctx=min(sizes.n_ctx, engine.n_cells, n_ctx_slot or engine.n_cells),
        is_reproducible=settings.reproducible,
        on_end=on_end,
    )
    if settings.cache_dir is not None:
        _open_disk(loop, settings.cache_dir, settings.cache_disk)
    log.info(
        "%s memory: %d tokens a request, %d cells, %d parked checkpoints, %.0f MiB of host memory for more",
        shape.kind,
        loop.n_ctx,
        engine.n_cells,
        sizes.n_parked,
        sizes.n_host_bytes / 2**20,
    )
    loop.start()
    pooling = pooling_of(model.meta, settings.pooling)
    embedder_params = EmbedderParams(
        min(settings.ubatch_size, loop.n_ctx), pooling, n_threads_batch, settings.flash_attn, rope
    )
    embeddings = EmbeddingThread(partial(Embedder, model, embedder_params), embedder_params.n_tokens, pooling)
    return Built(model, model.vocabulary, compiler, loop, engine, embeddings)


def _prices(engine: Context) -> Prices:
    if not engine.can_generate:
        return Prices()
    rates = measure_copies(engine)
    return Prices(save_bytes_s=rates.save_bytes_s, load_bytes_s=rates.load_bytes_s)


def _open_disk(loop: Loop, path: Path, limit_mib: int | None) -> None:
    """Let a directory be the last tier. Raises ModelError, with a line to show, where it cannot be."""
    try:
        directory = Directory(path)
        if directory.forgotten:
            log.warning("%d stored checkpoints were damaged or lost a file, and are gone", len(directory.forgotten))
        free_bytes = shutil.disk_usage(path).free + directory.used_bytes
        limit_bytes = min(free_bytes // 4, _MOST_DISK_BYTES) if limit_mib is None else limit_mib << 20
        n_found = loop.cache.open_disk(SharedDisk(directory, limit_bytes), loop.wake)
    except DiskError as error:
        raise ModelError(str(error)) from error
    log.info("%s may take %.0f MiB; checkpoints found in it: %d", path, limit_bytes / 2**20, n_found)


def _model_params(settings: Settings) -> ModelParams:
    if not libllama.has_gpu():
        settings = _without_gpus(settings)
    layers = settings.n_gpu_layers
    no_devices = settings.device == ["none"]
    return ModelParams(
        n_gpu_layers=0 if no_devices else layers if isinstance(layers, int) else -1,
        devices=() if no_devices else tuple(settings.device),
        split_mode=settings.split_mode,
        tensor_split=tuple(settings.tensor_split),
        main_gpu=settings.main_gpu,
        load_mode=settings.load_mode,
        lazy_mode=settings.lazy_mode,
        repacks=settings.repack,
        avoids_host_buffers=settings.no_host,
        checks_tensors=settings.check_tensors,
        overrides=tuple(settings.override_kv),
    )


def _without_gpus(settings: Settings) -> Settings:
    """The settings for a libllama without a GPU: where a line places the model changes no reply."""
    plain = {"n_gpu_layers": 0, "device": ["none"], "split_mode": "layer", "tensor_split": [], "main_gpu": 0}
    unlike = [name for name, value in plain.items() if getattr(settings, name) not in (value, *_NO_PLACES)]
    if unlike:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unlike)
        log.warning("libllama finds no GPU: the model runs on the CPU, without regard to %s", flags)
    return settings.model_copy(update=plain)


def _rope_params(settings: Settings) -> RopeParams:
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
