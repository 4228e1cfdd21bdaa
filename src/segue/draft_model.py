"""A second, smaller model that drafts the replies of a server."""

import logging
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from segue.drafting.model import ModelDrafter, n_sequences
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.dry_run import dry_context, figures
from segue.engine.errors import ModelError
from segue.engine.fitting import Fitting
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.model_files import tensor_sizes
from segue.fit.asked import Asked
from segue.fit.buffers import N_CELLS_MEASURED
from segue.fit.sizes import N_SEQ_MOST
from segue.parameters import can_draft, context_params, model_params
from segue.settings import Settings

log = logging.getLogger(__name__)

_N_BATCH: Final = 512


@dataclass(frozen=True, slots=True)
class DraftDemand:
    """What a draft model takes: its weights, so much for each cell of the model that it drafts for, and the rest."""

    n_bytes_weights: int
    n_bytes_cell: float
    n_bytes: int


class DraftModel:
    """A second model that drafts for `target`, with a context of `n_cells`.

    Raises ModelError, with a line to show, where it cannot.
    """

    def __init__(self, settings: Settings, target: Model, n_cells: int) -> None:
        self._model = Model(Path(settings.model_draft), _model_params(settings))
        params = _context_params(settings, n_cells, n_sequences(settings.parallel))
        self._context = Context(self._model, params, measure(self._model, params))
        if not self._context.can_generate:
            raise ModelError(f"--model-draft: {self._model.path.name} is an encoder, which generates nothing")
        self.drafter = ModelDrafter(self._context, settings.parallel, target.vocabulary.n_tokens)

    @property
    def handle(self) -> int | None:
        """The native model, None while it is unloaded."""
        return self._model.handle

    def unload(self) -> None:
        """Free the weights and the context until `load`; on the engine's thread, while no reply runs."""
        self.drafter.clear()
        self._context.unload_context()
        self._model.unload()

    def load(self) -> None:
        """Load again what was unloaded. Raises ModelError, with nothing loaded."""
        self._model.load()
        try:
            self._context.load_context()
        except ModelError:
            self._model.unload()
            raise

    def close(self) -> None:
        """Free the model."""
        self._context.close()
        self._model.close()


def uses_draft_model(settings: Settings, target: Model) -> bool:
    """Whether a second model is to draft for this one; the log hears why one that was passed is not used."""
    if not (settings.model_draft and settings.has_drafts):
        return False
    if not settings.drafts_with_model:
        log.warning("--model-draft is not used: --spec-type %s leaves it out", ",".join(settings.spec_type))
    elif not can_draft(settings, target.kind):
        log.warning("--model-draft is not used: with so many slots, this model drafts nothing; fewer --parallel do")
    elif n_sequences(settings.parallel) > N_SEQ_MOST:
        n_most = N_SEQ_MOST // n_sequences(1)
        log.warning("--model-draft is not used: a draft model serves %d slots; pass a smaller --parallel", n_most)
    else:
        return True
    return False


def with_draft_model(asked: Asked, settings: Settings, fitting: Fitting) -> Asked:
    """The same with what the draft model takes. Raises ModelError for one that cannot draft for this model."""
    demand = draft_demand(settings, fitting.model)
    is_mapped = fitting.maps_weights and not fitting.has_devices
    n_bytes = demand.n_bytes + (0 if is_mapped else demand.n_bytes_weights)
    return replace(asked, n_bytes_cell_drafts=demand.n_bytes_cell, n_bytes_drafts=n_bytes)


def draft_demand(settings: Settings, target: Model) -> DraftDemand:
    """What the draft model will take, before its weights are loaded. Raises ModelError, also for other vocabularies."""
    path = Path(settings.model_draft)
    with closing(Model(path, replace(_model_params(settings), is_dry=True))) as model:
        difference = target.vocabulary.difference(model.vocabulary)
        if difference:
            raise ModelError(
                f"--model-draft: {path.name} cannot draft for {target.path.name}, since {difference};"
                " pass a model with the same vocabulary"
            )
        small, large = (dry_context(model, _context_params(settings, n_cells, 1)) for n_cells in N_CELLS_MEASURED)
        found = figures(model, _context_params(settings, N_CELLS_MEASURED[0], 1), small, large)
        weights = sum(n_bytes for _, n_bytes in tensor_sizes(path))
    n_seq = n_sequences(settings.parallel)
    # Buffers for computing have a row of logits and three copies of a layer's state for each sequence.
    n_small, n_large = (sum(context.buffers.values()) for context in (small, large))
    per_cell = (n_large - n_small) / (N_CELLS_MEASURED[1] - N_CELLS_MEASURED[0])
    buffers = n_small - per_cell * N_CELLS_MEASURED[0] + (n_seq - 1) * (found.n_bytes_row + 3 * found.n_bytes_recurrent)
    n_bytes = int(n_seq * found.n_bytes_state + found.n_bytes_batch + buffers)
    return DraftDemand(weights, found.n_bytes_cell + per_cell, n_bytes)


def _model_params(settings: Settings) -> ModelParams:
    places: dict[str, object] = {
        "n_gpu_layers": settings.n_gpu_layers_draft,
        "tensor_split": (),
        "override_kv": [],
        "override_tensor": [],
        "cpu_moe": False,
        "n_cpu_moe": 0,
        "n_cpu_ffn": 0,
    }
    if settings.device_draft:
        places["device"] = tuple(settings.device_draft)
    return model_params(settings.model_copy(update=places))


def _context_params(settings: Settings, n_cells: int, n_seq_max: int) -> ContextParams:
    params = context_params(settings, n_cells, n_seq_max)
    return replace(
        params,
        n_batch=_N_BATCH,
        n_ubatch=min(params.n_ubatch, _N_BATCH),
        n_rows=0,
        type_k=settings.cache_type_k_draft,
        type_v=settings.cache_type_v_draft,
    )
