"""Tiny models with a layer that predicts the token after the next, and the server below HTTP that drafts with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from segue.demo.model_file import Architecture, Tensor, Value, WeightType, matrix, vector, write_model
from segue.demo.tiny_model import qwen35
from segue.drafting.mtp import MtpDrafter
from segue.engine.base import Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure_mtp
from segue.engine.model import Model, ModelParams
from segue.engine.mtp_engine import MtpEngine
from segue.engine.nextn import find_nextn
from tests.kit.models import QWEN35_140M, QWEN35_TINY
from tests.kit.rig import Rig
from tests.kit.written_files import written_once

_ADDS = ("attn_output.weight", "ssm_out.weight", "ffn_down.weight")
_GUESSING_GAIN = 0.01


def qwen35_mtp(*, trunk_gain: float | None = None, n_guessing: int = 1, **sizes: Any) -> Architecture:
    """A Qwen3.5 model of these sizes with `n_guessing` layers for further tokens.

    With a `trunk_gain`, what the other layers add is scaled by it, and the guessing ones copy their token: the less the
    others add, the more guesses hold.
    """
    trunk = qwen35(**sizes)
    attending = trunk.blocks[-1]
    n_embd = int(str(trunk.metadata["embedding_length"]))
    joining = matrix("nextn.eh_proj", 2 * n_embd, n_embd)
    blocks = list(trunk.blocks)
    if trunk_gain is not None:
        blocks = [_scaled(block, trunk_gain) for block in blocks]
        attending, joining = _scaled(attending, _GUESSING_GAIN), replace(joining, fill=_token_only)
    names = ("nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")
    blocks += [[*attending, joining, *(vector(name, n_embd) for name in names)]] * n_guessing
    counts: dict[str, Value] = {"block_count": len(blocks), "nextn_predict_layers": n_guessing}
    return replace(trunk, metadata={**trunk.metadata, **counts}, blocks=blocks)


def _scaled(tensors: Sequence[Tensor], gain: float) -> list[Tensor]:
    """The same tensors, with what they add to the hidden rows scaled."""

    def scaled(tensor: Tensor) -> Tensor:
        return replace(tensor, fill=lambda rng, shape: gain * tensor.fill(rng, shape))

    return [scaled(tensor) if tensor.name in _ADDS else tensor for tensor in tensors]


def _token_only(_rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Half of an identity: the token goes through, the hidden row does not."""
    return np.eye(shape[0], shape[1], dtype=np.float32)


MTP_MODELS: Final = {
    "qwen35-mtp": qwen35_mtp(**QWEN35_TINY),
    "qwen35-mtp-agrees": qwen35_mtp(**QWEN35_TINY, trunk_gain=0.003),
    "qwen35moe-mtp": qwen35_mtp(**QWEN35_TINY | {"n_ff": 64, "n_experts": 4}),
}
LARGER_MTP_MODELS: Final = {
    "qwen35-140m-mtp-most": qwen35_mtp(**QWEN35_140M, trunk_gain=0.019),
    "qwen35-140m-mtp-half": qwen35_mtp(**QWEN35_140M, trunk_gain=0.035),
    "qwen35-140m-mtp-none": qwen35_mtp(**QWEN35_140M),
}
"""Models of 140 million weights, of whose guesses most hold, about half, or none."""


@cache
def mtp_path(name: str) -> Path:
    """The file of one of `MTP_MODELS` or `LARGER_MTP_MODELS`."""
    weight_type: WeightType = "Q8_0" if name in LARGER_MTP_MODELS else "F32"
    architecture = (MTP_MODELS | LARGER_MTP_MODELS)[name]
    return written_once(
        f"{name}.gguf", partial(write_model, architecture=architecture, seed=0, weight_type=weight_type)
    )


class MtpRig(Rig):
    """A loop that drafts with the model's own layer."""

    def __init__(self, path: Path, **sizes: Any) -> None:
        super().__init__(path, make_drafter=_make_drafter, **sizes)

    @override
    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:
        self.model = Model(path, ModelParams(loads_mtp=True))
        engine = open_mtp(self.model, params)
        return engine, fingerprint(engine.target, params)

    @override
    def close_engine(self) -> None:
        assert isinstance(self.engine, MtpEngine)
        self.engine.close()
        self.model.close()


def open_mtp(model: Model, params: ContextParams) -> MtpEngine:
    """Both contexts of a model."""
    nextn = find_nextn()
    assert nextn is not None
    shape = measure_mtp(model, params, nextn)
    return MtpEngine(Context(model, params, shape), params, nextn, shape)


def _make_drafter(engine: Engine) -> MtpDrafter:
    assert isinstance(engine, MtpEngine)
    return MtpDrafter(engine)
