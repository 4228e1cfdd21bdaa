"""The whole server below HTTP, with a second model that drafts."""

from pathlib import Path
from typing import Any

from typing_extensions import override

from segue.drafting.model import ModelDrafter, n_sequences
from segue.engine.base import Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from tests.kit.rig import EXACT, Rig

_N_SLOTS = 4
_N_CELLS = 8192


class DraftModelRig(Rig):
    """A loop over a real engine, for which the model in `draft_path` drafts."""

    def __init__(self, path: Path, draft_path: Path, **sizes: Any) -> None:
        self._draft_path = draft_path
        super().__init__(path, n_slots=_N_SLOTS, make_drafter=self._make_drafter, **sizes)

    def _make_drafter(self, engine: Engine) -> ModelDrafter:
        self.draft_model = Model(self._draft_path)
        assert not self.model.vocabulary.difference(self.draft_model.vocabulary)
        n_seq = n_sequences(_N_SLOTS)
        params = ContextParams(n_cells=_N_CELLS, n_seq_max=n_seq, n_batch=512, n_ubatch=128, **EXACT)
        self.draft_engine = Context(self.draft_model, params, measure(self.draft_model, params))
        return ModelDrafter(self.draft_engine, _N_SLOTS, engine.n_vocab)

    @override
    def close_engine(self) -> None:
        self.draft_engine.close()
        self.draft_model.close()
        super().close_engine()
