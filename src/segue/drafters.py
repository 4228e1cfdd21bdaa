"""What drafts the replies of a server, and the draft model that this may need."""

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
from segue.memory import MemoryShape
from segue.placement import model_params
from segue.settings import Settings

log = logging.getLogger(__name__)

_N_BATCH: Final = 512


class DraftModel:
    """A second model that drafts. Raises ModelError, with a line to show, where it cannot."""

    def __init__(self, settings: Settings, target: Model, params: ContextParams) -> None:
        places: dict[str, object] = {"n_gpu_layers": settings.n_gpu_layers_draft, "override_kv": [], "tensor_split": []}
        if settings.device_draft:
            places["device"] = settings.device_draft
        self._model = Model(Path(settings.model_draft), model_params(settings.model_copy(update=places)))
        difference = target.vocabulary.difference(self._model.vocabulary)
        if difference:
            self._model.close()
            raise ModelError(
                f"--model-draft: {self._model.path.name} cannot draft for {target.path.name}, since {difference};"
                " pass a model with the same vocabulary"
            )
        self._n_slots = settings.parallel
        self._n_vocab = target.vocabulary.n_tokens
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

    def added_to(self, shape: MemoryShape) -> MemoryShape:
        """A shape by which sizes are chosen so that the draft model's cells have room beside the others."""
        return replace(shape, n_bytes_cell=shape.n_bytes_cell + self._shape.n_bytes_cell)

    @property
    def n_bytes(self) -> int:
        """What its memory takes besides cells."""
        return self._params.n_seq_max * self._shape.n_bytes_state

    def drafter(self, n_cells: int) -> ModelDrafter:
        """Create the context, with as many cells as that of the model that it drafts for."""
        context = self._context = Context(self._model, replace(self._params, n_cells=n_cells), self._shape)
        if not context.can_generate:
            raise ModelError(f"--model-draft: {self._model.path.name} is an encoder, which generates nothing")
        return ModelDrafter(context, self._n_slots, self._n_vocab)

    def close(self) -> None:
        """Free the model."""
        if self._context is not None:
            self._context.close()
        self._model.close()


def wants_mtp(settings: Settings) -> bool:
    """Whether a model's own layers for further tokens are to be loaded, if its file has some."""
    return settings.drafts_with_mtp and not settings.reproducible and find_nextn() is not None


def usable_nextn(settings: Settings, model: Model) -> NextN | None:
    """The functions for the layers of a model that was loaded with them; a line in the log where they are missed."""
    if settings.drafts_with_mtp and not settings.reproducible and not model.has_mtp:
        if has_mtp(model.path):
            log.warning("this libllama cannot use the model's layers for further tokens; they do not draft")
        elif settings.spec_type:
            log.warning("--spec-type draft-mtp: the model has no layers for further tokens that Segue can use")
    return find_nextn() if model.has_mtp else None


def make_drafter(settings: Settings, engine: Engine, draft_model: DraftModel | None) -> Drafter | None:
    """What drafts, the cheapest first; None if nothing does."""
    # The last digits of logits depend on how many tokens a call reads, and so may a reply where two tokens are close.
    if settings.reproducible or not settings.drafts_from_tree:
        return None
    found: dict[str, Drafter] = {"tree": TreeDrafter()}
    if isinstance(engine, MtpEngine):
        found["draft-mtp"] = MtpDrafter(engine)
    if draft_model is not None:
        found["draft-simple"] = draft_model.drafter(engine.n_cells)
    log.info("replies are drafted by %s", ", ".join(found))
    return found["tree"] if len(found) == 1 else ChainedDrafter(list(found.values()))
