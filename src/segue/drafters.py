"""Makes the drafters of a server's replies, and the draft model that they may need."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from segue.drafting.chain import ChainedDrafter
from segue.drafting.drafter import Drafter
from segue.drafting.model import ModelDrafter, n_sequences
from segue.drafting.mtp import MtpDrafter
from segue.drafting.tree import TreeDrafter
from segue.engine.base import Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import ModelError
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.model_files import has_mtp
from segue.engine.mtp_engine import MtpEngine
from segue.engine.nextn import NextN, find_nextn
from segue.parameters import model_params
from segue.settings import Settings

log = logging.getLogger(__name__)

_N_BATCH: Final = 512


class DraftModel:
    """A second model that drafts. Raises ModelError, with a line to show, where it cannot."""

    def __init__(self, settings: Settings, params: ContextParams) -> None:
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
        self._model = Model(Path(settings.model_draft), model_params(settings.model_copy(update=places)))
        self._n_slots = settings.parallel
        self._params = replace(
            params,
            n_seq_max=n_sequences(settings.parallel),
            n_batch=_N_BATCH,
            n_ubatch=min(params.n_ubatch, _N_BATCH),
            n_rows=0,
            type_k=settings.cache_type_k_draft,
            type_v=settings.cache_type_v_draft,
        )
        self._shape = measure(self._model, self._params)
        self._context: Context | None = None
        self._drafter: ModelDrafter | None = None

    @property
    def n_bytes_cell(self) -> int:
        """The bytes that it takes for each cell of the model that it drafts for."""
        return self._shape.n_bytes_cell

    @property
    def n_bytes(self) -> int:
        """The bytes that its memory takes besides cells."""
        return self._params.n_seq_max * self._shape.n_bytes_state

    def drafter(self, target: Model, n_cells: int) -> ModelDrafter:
        """Create the context, with as many cells as that of the model that it drafts for."""
        difference = target.vocabulary.difference(self._model.vocabulary)
        if difference:
            raise ModelError(
                f"--model-draft: {self._model.path.name} cannot draft for {target.path.name}, since {difference};"
                " pass a model with the same vocabulary"
            )
        self._context = Context(self._model, replace(self._params, n_cells=n_cells), self._shape)
        if not self._context.can_generate:
            raise ModelError(f"--model-draft: {self._model.path.name} is an encoder, which generates nothing")
        self._drafter = ModelDrafter(self._context, self._n_slots, target.vocabulary.n_tokens)
        return self._drafter

    def unload(self) -> None:
        """Free the weights and the context until `load`; on the engine's thread, while no reply runs."""
        if self._context is not None and self._drafter is not None:
            self._drafter.clear()
            self._context.unload_context()
        self._model.unload()

    def load(self) -> None:
        """Load again what was unloaded."""
        self._model.load()
        if self._context is not None:
            self._context.load_context()

    def close(self) -> None:
        """Free the model."""
        if self._context is not None:
            self._context.close()
        self._model.close()


def wants_mtp(settings: Settings) -> bool:
    """Whether a model's multi-token-prediction layers are to be loaded, if its file has some."""
    return settings.drafts_with_mtp and find_nextn() is not None


def usable_nextn(settings: Settings, model: Model) -> NextN | None:
    """The functions for these layers of a model that was loaded with them. The log says where they are missed."""
    if settings.drafts_with_mtp and not model.has_mtp:
        if has_mtp(model.path):
            log.warning("this libllama cannot use the model's layers for further tokens; they do not draft")
        elif settings.spec_type:
            log.warning("--spec-type draft-mtp: the model has no layers for further tokens that Segue can use")
    return find_nextn() if model.has_mtp else None


def make_drafter(model: Model, engine: Engine, draft_model: DraftModel | None) -> Drafter:
    """All drafters that there are as one, the cheapest first."""
    found: dict[str, Drafter] = {"tree": TreeDrafter()}
    if isinstance(engine, MtpEngine):
        found["draft-mtp"] = MtpDrafter(engine)
    if draft_model is not None:
        found["draft-simple"] = draft_model.drafter(model, engine.n_cells)
    log.info("replies are drafted by %s", ", ".join(found))
    return found["tree"] if len(found) == 1 else ChainedDrafter(list(found.values()))
