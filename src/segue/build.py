"""From settings to a running loop."""

import logging
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from segue.cache.state_cache import StateCache
from segue.cache.tiers.disk.shared import SharedDisk
from segue.draft_model import DraftModel, uses_draft_model, with_draft_model
from segue.drafters import make_drafter, usable_nextn, wants_mtp
from segue.engine import libllama
from segue.engine.context import Context
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.embedding_thread import EmbeddingThread
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.fitting import Fitting
from segue.engine.measurement import measure, measure_copies, measure_mtp
from segue.engine.model import Model, ModelParams
from segue.engine.mtp_engine import MtpEngine
from segue.engine.pattern_trial import matched_tensors
from segue.engine.pooling import pooling_of
from segue.engine.trial import try_overrides, try_tensor_split
from segue.engine.vocabulary import Vocabulary
from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.errors import FitError
from segue.fit.table import fit_text
from segue.grammar.compiler import Compiler
from segue.loop.loop import Loop
from segue.loop.runner import OnEnd
from segue.parameters import asked_of, can_draft, context_params, model_params
from segue.policy.prices import Prices
from segue.settings import Settings
from segue.storage.directory import Directory
from segue.storage.errors import DiskError

log = logging.getLogger(__name__)

# The engine's thread must get the interpreter back at once when libllama returns; 5 ms would cost whole tokens.
_SWITCH_INTERVAL_S = 0.0002
_MOST_DISK_BYTES = 64 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
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

    def unload(self) -> bool:
        """Free the weights and all contexts; False, with nothing done, while there is work. Blocks until it is done.

        No request may be served until `load` has returned. The vocabulary and all saved states stay.
        """
        if not self.loop.vacate(self._unload_contexts).result():
            return False
        self.embeddings.unload().result()
        self.model.unload()
        return True

    def load(self) -> None:
        """Load again what was unloaded. Raises ModelError, with everything still unloaded."""
        self.model.load()
        try:
            self.loop.call(self._load_contexts).result()
        except ModelError:
            self.model.unload()
            raise

    def _unload_contexts(self) -> None:
        self.engine.unload_context()
        if self.draft_model is not None:
            self.draft_model.unload()

    def _load_contexts(self) -> None:
        self.engine.load_context()
        if self.draft_model is not None:
            try:
                self.draft_model.load()
            except ModelError:
                self.engine.unload_context()
                raise

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

    `on_progress` gets the share loaded, `on_end` every request that is over, on the engine's thread.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if settings.numa:
        libllama.use_numa(settings.numa)
    path = Path(settings.model)
    if settings.override_kv:
        try_overrides(path, settings.override_kv)
    if settings.override_tensor:
        _try_patterns(path, [pattern for pattern, _ in settings.override_tensor])
    params = partial(context_params, settings)
    loaded = replace(model_params(settings), loads_mtp=wants_mtp(settings))
    if loaded.split_mode == "tensor":
        try_tensor_split(path, loaded)
    with closing(Fitting(path, loaded, params)) as fitting:
        asked = asked_of(settings, fitting)
        has_draft_model = uses_draft_model(settings, fitting.model)
        if has_draft_model:
            asked = with_draft_model(asked, settings, fitting)
        if fitting.has_devices:
            loaded, choice = _fit(fitting, asked, settings)
        model = Model(path, loaded, on_progress)
        if not fitting.has_devices:
            # Weights that are not mapped no longer count as free.
            choice = _fit(fitting, asked, settings, are_weights_loaded=True)[1]
    compiler = Compiler(model.vocabulary)
    compiler.prepare()
    nextn = usable_nextn(settings, model)
    shape = measure(model, params(256, 1)) if nextn is None else measure_mtp(model, params(256, 1), nextn)
    sizes = choice.sizes
    if settings.ctx_size > sizes.n_ctx:
        log.warning(
            "--ctx-size %d exceeds the %d tokens that the model was trained with; no request gets more",
            settings.ctx_size,
            sizes.n_ctx,
        )
    engine_params = params(sizes.n_cells, sizes.n_seq_max)
    target = Context(model, engine_params, shape)
    engine = target if nextn is None else MtpEngine(target, engine_params, nextn, shape)
    draft_model = DraftModel(settings, model, engine.n_cells) if has_draft_model else None
    cache = StateCache(
        engine,
        settings.parallel,
        sizes.n_parked,
        sizes.n_host_bytes,
        sizes.n_idle_cells,
        fingerprint=fingerprint(target, engine_params),
        prices=_prices(engine),
    )
    loop = Loop(
        engine,
        cache,
        n_slots=settings.parallel,
        n_ctx=min(sizes.n_ctx, engine.n_cells, settings.kv_unified_per_slot or engine.n_cells),
        is_reproducible=settings.reproducible,
        drafter=make_drafter(engine, draft_model) if can_draft(settings, shape.kind) else None,
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
        n_threads=engine_params.n_threads_batch,
        flash_attention=settings.flash_attn,
        rope=engine_params.rope,
        is_kv_offloaded=settings.kv_offload,
        offloads_operations=settings.op_offload,
    )
    embeddings = EmbeddingThread(partial(Embedder, model, embedder_params), embedder_params.n_tokens, pooling)
    return Built(
        model=model,
        vocabulary=model.vocabulary,
        compiler=compiler,
        loop=loop,
        engine=engine,
        draft_model=draft_model,
        embeddings=embeddings,
    )


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
    if choice.n_bytes_reread:
        log.warning(
            "%.1f GiB of the weights exceed the free memory of the host and are read from the file again as needed, "
            "which is slow",
            choice.n_bytes_reread / 2**30,
        )
    return fitting.params(choice.placement), choice


def _prices(engine: Context | MtpEngine) -> Prices:
    if not engine.can_generate:
        return Prices()
    rates = measure_copies(engine)
    return Prices.starting(rates.n_bytes, save_bytes_s=rates.save_bytes_s, load_bytes_s=rates.load_bytes_s)


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
    """Raise ModelError for a pattern that libllama cannot use; those that match nothing are logged."""
    for pattern, tensors in zip(patterns, matched_tensors(path, patterns), strict=True):
        if not tensors:
            log.warning("--override-tensor: %r matches no tensor of %s", pattern, path.name)
