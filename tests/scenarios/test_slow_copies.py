"""The scenarios once more, on machines where a state or a window of 150 MiB takes 300 ms to copy, or 6."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from segue.memory import MemoryKind
from tests.conftest import MakeRig
from tests.kit.conversation import Tokens
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.rig import Heard
from tests.kit.slow_copies import FAST_BYTES_S, N_SWA, SLOW_BYTES_S, SlowRig
from tests.scenarios import test_conversations, test_load

_RATES = {"slow": SLOW_BYTES_S, "fast": FAST_BYTES_S}
_MACHINES = {f"{kind}, {name}": (kind, rate) for kind in MemoryKind for name, rate in _RATES.items()}
_SOON = {f"{MemoryKind.HYBRID_WINDOW}, slow", f"{MemoryKind.SLIDING_WINDOW}, fast"}
"""The machines of the default run: recurrent state with a window, and a window alone."""
# With less room on the device, what is on the host may take longer to load than to read again.
_ROOM: dict[str, Any] = {"n_parked": 32, "n_idle_cells": 1 << 20}
# Where two prompts share a few tokens, reading them is faster than copying a state.
_OF_A_FEW_TOKENS = "random_raw_pairs"


class _Reference:
    def __init__(self, kind: MemoryKind) -> None:
        self._kind = kind

    def agrees(self, tokens: Tokens, heard: Heard) -> None:
        """Assert that a reply is the uncached one, to the last token."""
        assert heard.tokens == expected_reply(self._kind, np.asarray(tokens, np.int32), len(heard.tokens), n_swa=N_SWA)


@pytest.fixture(params=[pytest.param(name, marks=() if name in _SOON else pytest.mark.long) for name in _MACHINES])
def model_name(request: pytest.FixtureRequest) -> str:
    """A kind of memory and a rate of copies."""
    return str(request.param)


@pytest.fixture
def make_rig(model_name: str) -> Iterator[MakeRig]:
    """Makes rigs of the kind and the rate; they are checked and closed in the end."""
    rigs: list[SlowRig] = []

    def make(**options: Any) -> SlowRig:
        rigs.append(SlowRig(*_MACHINES[model_name], **_ROOM | options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def reference(model_name: str) -> _Reference:
    """What is said when nothing is cached."""
    return _Reference(_MACHINES[model_name][0])


def _scenarios() -> dict[str, object]:
    everything = vars(test_conversations) | vars(test_load)
    chosen = [name for name in everything if re.match(r"test_s\d+_", name) and _OF_A_FEW_TOKENS not in name]
    return {name: everything[name] for name in chosen}


globals().update(_scenarios())
