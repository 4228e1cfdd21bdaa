"""From settings to a running loop."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from segue.cache.state_cache import StateCache
from segue.cache.tiers.disk.shared import SharedDisk
from segue.drafting.tree import TreeDrafter
from segue.engine import libllama
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.embedding_thread import EmbeddingThread
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.fitting import Fitting
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.pattern_trial import count_matches
from segue.engine.placement import HOST, TensorPlace, dense_on_host, experts_on_host
from segue.engine.pooling import pooling_of
from segue.engine.rope import RopeParams
from segue.engine.trial import try_overrides
from segue.engine.vocabulary import Vocabulary
from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.errors import FitError
from segue.fit.table import fit_text
from segue.grammar.compiler import Compiler
from segue.loop.loop import Loop
from segue.loop.runner import OnEnd
from segue.loop.speculation import N_ROWS_DRAFTED
from segue.settings import Settings
from segue.storage.directory import Directory
from segue.storage.errors import DiskError

log = logging.getLogger(__name__)

# The engine's thread must get the interpreter back at once when libllama returns; 5 ms would cost whole tokens.
_SWITCH_INTERVAL_S = 0.0002
_MOST_DISK_BYTES = 64 << 30
_NONE = ("none",)


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

    def unload(self) -> bool:
        """Free the weights and all contexts; False, with nothing done, while there is work. Blocks until it is done.

        No request may be served until `load` has returned. The vocabulary and all saved states stay.
        """
        if not self.loop.vacate(self.engine.unload_context).result():
            return False
        self.embeddings.unload().result()
        self.model.unload()
        return True

    def load(self) -> None:
        """Load again what was unloaded. Raises ModelError, with everything still unloaded."""
        self.model.load()
        try:
            self.loop.call(self.engine.load_context).result()
        except ModelError:
            self.model.unload()
            raise

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
    if settings.override_tensor:
        _try_patterns(path, [pattern for pattern, _ in settings.override_tensor])
    n_threads = settings.threads if settings.threads > 0 else len(os.sched_getaffinity(0))
    n_threads_batch = settings.threads_batch if settings.threads_batch > 0 else n_threads
    is_unified = not settings.reproducible
    # The last digits of logits depend on how many tokens a call reads, and so may a reply where two tokens are close.
    drafter = TreeDrafter() if settings.drafts_from_tree and is_unified else None
    rope = _rope_params(settings)

    def params(n_cells: int, n_seq_max: int) -> ContextParams:
        return ContextParams(
            n_cells=n_cells,
            n_seq_max=n_seq_max,
            n_batch=settings.batch_size,
            n_ubatch=settings.ubatch_size,
            n_rows=N_ROWS_DRAFTED if drafter is not None else 0,
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

    model_params = _model_params(settings)
    with closing(Fitting(path, model_params, params)) as fitting:
        asked = _asked(settings, fitting, rope, has_drafts=drafter is not None)
        if fitting.has_devices:
            model_params, choice = _fit(fitting, asked, settings)
        model = Model(path, model_params, on_progress)
        if not fitting.has_devices:
            # Weights that are not mapped no longer count as free.
            choice = _fit(fitting, asked, settings, are_weights_loaded=True)[1]
    compiler = Compiler(model.vocabulary)
    compiler.prepare()
    shape = measure(model, params(256, 1))
    sizes = choice.sizes
    if settings.ctx_size > sizes.n_ctx:
        log.warning(
            "--ctx-size %d exceeds the %d tokens that the model was trained with; no request gets more",
            settings.ctx_size,
            sizes.n_ctx,
        )
    engine_params = params(sizes.n_cells, sizes.n_seq_max)
    engine = Context(model, engine_params, shape)
    cache = StateCache(
        engine,
        settings.parallel,
        sizes.n_parked,
        sizes.n_host_bytes,
        sizes.n_idle_cells,
        fingerprint=fingerprint(engine, engine_params),
    )
    loop = Loop(
        engine,
        cache,
        n_slots=settings.parallel,
        n_ctx=min(sizes.n_ctx, engine.n_cells, settings.kv_unified_per_slot or engine.n_cells),
        is_reproducible=settings.reproducible,
        drafter=drafter,
        on_end=on_end,
    )
    if settings.cache_dir is not None:
        _open_disk(loop, settings.cache_dir, settings.cache_disk)
    log.info("%s memory: %s", shape.kind, fit_text(choice))
    loop.start()
    pooling = pooling_of(model.meta, settings.pooling)
    embedder_params = EmbedderParams(
        n_tokens=min(settings.ubatch_size, loop.n_ctx),
        pooling=pooling,
        n_threads=n_threads_batch,
        flash_attention=settings.flash_attn,
        rope=rope,
        is_kv_offloaded=settings.kv_offload,
        offloads_operations=settings.op_offload,
    )
    embeddings = EmbeddingThread(partial(Embedder, model, embedder_params), embedder_params.n_tokens, pooling)
    return Built(model, model.vocabulary, compiler, loop, engine, embeddings)


def _fit(
    fitting: Fitting, asked: Asked, settings: Settings, *, are_weights_loaded: bool = False
) -> tuple[ModelParams, FitChoice]:
    """Where the model goes, and its sizes. Raises ModelError for what does not fit."""
    try:
        choice = fitting.choose(asked, settings.fit_target, are_weights_loaded=are_weights_loaded)
    except FitError as error:
        raise ModelError(str(error)) from error
    for usage in choice.usages[:-1]:
        if usage.left < 0:
            missing_mib = -usage.left / 2**20
            log.warning(
                "%s lacks %.0f MiB for this model and context; --fit on chooses what fits", usage.name, missing_mib
            )
    return fitting.params(choice.placement), choice


def _asked(settings: Settings, fitting: Fitting, rope: RopeParams, *, has_drafts: bool) -> Asked:
    """What the settings ask for of this model."""
    model, params = fitting.model, fitting.model_params
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
        n_shadows=settings.parallel if has_drafts and model.kind.has_recurrent else 0,
        n_rows=N_ROWS_DRAFTED if has_drafts else 1,
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
        overrides=params.tensor_places,
    )


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


def _try_patterns(path: Path, patterns: list[str]) -> None:
    """Raise ModelError for a pattern that libllama cannot use; the log hears of those that match nothing."""
    for pattern, n_tensors in zip(patterns, count_matches(path, patterns), strict=True):
        if n_tensors == 0:
            log.warning("--override-tensor: %r matches no tensor of %s", pattern, path.name)


def _model_params(settings: Settings) -> ModelParams:
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
