"""From settings to a running loop."""

import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from segue.cache.state_cache import StateCache
from segue.cache.tiers.disk.shared import SharedDisk
from segue.drafters import DraftModel, make_drafter, usable_nextn, wants_mtp
from segue.engine import libllama
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.embedding_thread import EmbeddingThread
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure, measure_mtp
from segue.engine.model import Model
from segue.engine.mtp_engine import MtpEngine
from segue.engine.pooling import pooling_of
from segue.engine.rope import RopeParams
from segue.engine.trial import try_overrides
from segue.engine.vocabulary import Vocabulary
from segue.grammar.compiler import Compiler
from segue.loop.loop import Loop
from segue.loop.runner import OnEnd
from segue.loop.sizes import choose_sizes
from segue.loop.speculation import N_ROWS_DRAFTED
from segue.placement import model_params
from segue.settings import Settings
from segue.storage.directory import Directory
from segue.storage.errors import DiskError

log = logging.getLogger(__name__)

# The engine's thread must get the interpreter back at once when libllama returns; 5 ms would cost whole tokens.
_SWITCH_INTERVAL_S = 0.0002
_MOST_DISK_BYTES = 64 << 30


@dataclass(frozen=True, slots=True)
class Built:
    """A loaded model with its running loop."""

    model: Model
    vocabulary: Vocabulary
    compiler: Compiler
    loop: Loop
    engine: Context | MtpEngine
    draft_model: DraftModel | None
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
        if self.draft_model is not None:
            self.draft_model.close()
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
    model = Model(path, replace(model_params(settings), loads_mtp=wants_mtp(settings)), on_progress)
    nextn = usable_nextn(settings, model)
    compiler = Compiler(model.vocabulary)
    compiler.prepare()
    n_threads = settings.threads if settings.threads > 0 else len(os.sched_getaffinity(0))
    n_threads_batch = settings.threads_batch if settings.threads_batch > 0 else n_threads
    is_unified = not settings.reproducible
    has_drafts = settings.drafts_from_tree and is_unified
    rope = _rope_params(settings)

    def params(n_cells: int, n_seq_max: int) -> ContextParams:
        return ContextParams(
            n_cells=n_cells,
            n_seq_max=n_seq_max,
            n_batch=settings.batch_size,
            n_ubatch=settings.ubatch_size,
            n_rows=N_ROWS_DRAFTED if has_drafts else 0,
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
    small = params(256, 1)
    draft_model = DraftModel(settings, model, small) if settings.drafts_with_model and is_unified else None
    shape = measure(model, small) if nextn is None else measure_mtp(model, small, nextn)
    n_shadows = settings.parallel if has_drafts and shape.kind.has_recurrent else 0
    sizes = choose_sizes(
        shape if draft_model is None else draft_model.added_to(shape),
        n_ctx=settings.ctx_size or settings.parallel * n_ctx_slot,
        n_ctx_train=model.n_ctx_train,
        n_ctx_most=max(model.n_ctx_most, rope.n_ctx(model.n_ctx_train)),
        n_slots=settings.parallel,
        n_shadows=n_shadows,
        parked_mib=settings.cache_parked,
        host_mib=settings.cache_ram,
        free_bytes=psutil.virtual_memory().available - (draft_model.n_bytes if draft_model is not None else 0),
        is_unified=is_unified,
        active_bytes=model.active_bytes,
    )
    if settings.ctx_size > sizes.n_ctx:
        log.warning(
            "--ctx-size %d exceeds the %d tokens that the model was trained with; no request gets more",
            settings.ctx_size,
            sizes.n_ctx,
        )
    n_seq_max = settings.parallel + (1 + sizes.n_parked + n_shadows if is_unified else 0)
    engine_params = params(sizes.n_cells, n_seq_max)
    target = Context(model, engine_params, shape)
    engine = target if nextn is None else MtpEngine(target, engine_params, nextn, shape)
    cache = StateCache(
        engine,
        settings.parallel,
        sizes.n_parked,
        sizes.n_host_bytes,
        sizes.n_idle_cells,
        fingerprint=fingerprint(target, engine_params),
    )
    loop = Loop(
        engine,
        cache,
        n_slots=settings.parallel,
        n_ctx=min(sizes.n_ctx, engine.n_cells, n_ctx_slot or engine.n_cells),
        is_reproducible=settings.reproducible,
        drafter=make_drafter(settings, engine, draft_model),
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
    return Built(model, model.vocabulary, compiler, loop, engine, draft_model, embeddings)


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
