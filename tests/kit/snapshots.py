"""libllama's own way to drop the tail of a recurrent state: snapshots of its last tokens (`n_rs_seq`). Segue uses none.

Where it is wrong, tests assert that it is, so that a newer libllama shows what it has mended.
"""

from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import llama_cpp
import numpy as np
from typing_extensions import override

from segue.engine import context_params
from segue.engine.base import LAST_ROW, Chunk, Logits, Tokens
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.creation import create
from segue.engine.measurement import measure
from segue.engine.model import Model
from tests.kit.rig import EXACT

N_SNAPSHOTS: Final = 3


class SnapshotContext(Context):
    """A context with snapshots of the last `N_SNAPSHOTS` tokens of each sequence; `cut_tail` goes back to them."""

    @override
    def load_context(self) -> None:
        def with_snapshots(model: Model, native: Any) -> int:
            native.n_rs_seq = N_SNAPSHOTS
            return create(model, native)

        with patch.object(context_params, "create", with_snapshots):
            super().load_context()

    @property
    def n_snapshots(self) -> int:
        """How many libllama keeps: where it has no support for them, it says nothing and keeps none."""
        return int(llama_cpp.llama_n_rs_seq(self.handle))

    def cut_tail(self, seq: int, n_tokens: int) -> bool:
        """Drop the tail of a sequence after `n_tokens`; whether libllama says that it has done so."""
        if not llama_cpp.llama_memory_seq_rm(self._memory, seq, self._tracks[seq].pos_after(n_tokens), -1):
            return False
        self.stand(seq, n_tokens)
        return True

    def stand(self, seq: int, n_tokens: int) -> None:
        """Take it that a sequence holds so many tokens."""
        self._tracks[seq].stand(n_tokens, self._tracks[seq].jumps)

    def next_logits(self, seq: int, tokens: Tokens) -> Logits:
        """Read further tokens; the logits after the last."""
        row = self.decode([Chunk(seq, tokens, LAST_ROW)])[0][0]
        return self.logits(row).copy()


def open_contexts(path: Path, *, n_ubatch: int = 256) -> tuple[SnapshotContext, Context]:
    """A context with snapshots, and one without, of a model of their own."""
    model = Model(path)
    sizes = {"n_cells": 4096, "n_seq_max": 16, "n_batch": 256, "n_ubatch": n_ubatch, "n_rows": 16}
    params = ContextParams(**(EXACT | sizes))
    shape = measure(model, params)
    return SnapshotContext(model, params, shape), Context(model, params, shape)


def close_contexts(contexts: tuple[SnapshotContext, Context]) -> None:
    """Free both, and the model."""
    for context in contexts:
        context.close()
    contexts[0].model.close()


def how_far(a: Logits, b: Logits) -> float:
    """How far apart logits are, as a fraction of the largest."""
    return float(np.abs(a - b).max() / np.abs(b).max())
