"""A memory that no model has yet: a window beside a recurrent state, and no cells that sequences could share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segue.engine.base import Engine
from segue.engine.context_params import ContextParams
from segue.loop.job import Tokens
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.rig import Heard, Rig


@dataclass(frozen=True, slots=True)
class ToyMemory:
    """The traits, and nothing else that anybody could ask for."""

    shares_cells: bool = False
    has_state_part: bool = True
    rewinds: bool = False
    has_recurrent: bool = True
    has_window: bool = True


class ToyMemoryRig(Rig):
    """A loop over a simulated engine with that memory; the model's file is of no use."""

    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:  # noqa: ARG002
        engine = FakeEngine(
            ToyMemory(),
            n_cells=params.n_cells,
            n_seq_max=params.n_seq_max,
            n_batch=params.n_batch,
            n_ubatch=params.n_ubatch,
            is_unified=params.is_unified,
        )
        return engine, {"model": "toy"}

    def close_engine(self) -> None:
        """There is nothing to free."""


class ToyReference:
    """What the memory makes of a prompt when nothing is cached."""

    def agrees(self, tokens: Tokens, heard: Heard) -> None:
        """Assert that a reply is the uncached one, to the last token."""
        assert heard.tokens == expected_reply(ToyMemory(), np.asarray(tokens, np.int32), len(heard.tokens))
