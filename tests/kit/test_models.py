"""That the kit's models are what they say, and that what they say depends on what they have read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import get_args

import llama_cpp
import numpy as np
import pytest

from segue.demo.model_file import WeightType, write_model
from segue.demo.tiny_model import qwen35
from segue.memory import MemoryKind
from tests.kit.models import LARGER_MODELS, MODELS, gemma3_270m_path, model_path
from tests.kit.reader import PARTIAL_ONLY, Blob, Logits, Reader, Tokens

N_TRIALS = 20
ONE_PART = {MemoryKind.ATTENTION, MemoryKind.RECURRENT}
N_COMMON, N_OTHER, N_TAIL, N_REPLY = 128, 64, 8, 16


@pytest.fixture(params=MODELS, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[str], Reader]]:
    """Readers by name. A reader of `name` itself would stay where a test gives its own names."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(Reader(model_path(name))))


@pytest.fixture
def reader(name: str, opened: Callable[[str], Reader]) -> Reader:
    reader = opened(name)
    reader.clear()
    return reader


def text(rng: np.random.Generator, n_tokens: int) -> Tokens:
    return rng.integers(0, 256, n_tokens)


def distance(x: Logits, y: Logits) -> float:
    """The largest difference, in parts of the largest logit."""
    return float(np.abs(x - y).max() / np.abs(x).max())


def test_libllama_sees_the_kind(name: str, reader: Reader) -> None:
    kind = MODELS[name].kind
    assert llama_cpp.llama_model_n_swa(reader.model) == MODELS[name].n_swa
    assert (MODELS[name].n_swa > 0) == kind.has_window
    assert llama_cpp.llama_model_is_recurrent(reader.model) == (kind is MemoryKind.RECURRENT)
    assert llama_cpp.llama_model_is_hybrid(reader.model) == (kind.has_recurrent and kind is not MemoryKind.RECURRENT)


def test_reads_4000_tokens_and_still_tells_them_apart(reader: Reader) -> None:
    rng = np.random.default_rng(1)
    prompt = text(rng, 4000)
    logits = reader.read(prompt)
    assert np.isfinite(logits).all()
    said = reader.reply(logits, N_REPLY)
    assert len(set(said)) > 1

    prompt[-N_OTHER:] = text(rng, N_OTHER)
    reader.clear()
    assert reader.reply(reader.read(prompt), N_REPLY) != said


def test_reply_depends_on_the_state(reader: Reader) -> None:
    """From two states, replies to the same further tokens differ; from the same state twice, they do not."""
    rng = np.random.default_rng(2)
    n_differ = 0
    for _ in range(N_TRIALS):
        common, tail = text(rng, N_COMMON), text(rng, N_TAIL)
        states = []
        for _ in range(2):
            reader.clear()
            reader.read(np.concatenate([common, text(rng, N_OTHER)]))
            states.append(reader.save())

        replies = []
        for state in (states[0], states[1], states[0]):
            reader.load(state)
            replies.append(reader.reply(reader.read(tail), N_REPLY))
        assert replies[2] == replies[0]
        assert all(len(set(reply)) > N_REPLY // 4 for reply in replies)
        n_differ += replies[0] != replies[1]
    assert n_differ >= N_TRIALS - 1


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind not in ONE_PART], scope="module")
def test_each_part_of_the_state_matters(name: str, reader: Reader) -> None:
    """Logits change if only the recurrent or window part is another path's, and if only the rest is."""
    rng = np.random.default_rng(3)
    common, tail = text(rng, N_COMMON), text(rng, 1)
    for seq in (0, 1):
        reader.read(np.concatenate([common, text(rng, N_OTHER)]), seq)
    whole, other_whole = reader.save(0), reader.save(1)
    part, other_part = reader.save(0, PARTIAL_ONLY), reader.save(1, PARTIAL_ONLY)

    def logits(rest: Blob, part: Blob) -> Logits:
        reader.load(rest)
        reader.load(part, flags=PARTIAL_ONLY)
        return reader.read(tail)

    reader.load(whole)
    expected = reader.read(tail)
    assert np.array_equal(logits(whole, part), expected)
    assert distance(expected, logits(whole, other_part)) > 0.01
    rest_matters = distance(expected, logits(other_whole, part)) > 0.01
    # every layer that attends has a window in LFM2, so its partial state is all there is
    assert rest_matters == (MODELS[name].kind is not MemoryKind.HYBRID_WINDOW)


@pytest.mark.parametrize(
    "larger", [pytest.param(name, marks=[pytest.mark.long] * name.endswith("140m")) for name in LARGER_MODELS]
)
def test_larger_models_have_25_million_weights(larger: str) -> None:
    with Reader(model_path(larger)) as reader:
        assert llama_cpp.llama_model_n_params(reader.model) >= 25_000_000
        assert llama_cpp.llama_model_n_swa(reader.model) == LARGER_MODELS[larger].n_swa
        assert np.isfinite(reader.read(text(np.random.default_rng(4), 600))).all()


@pytest.mark.parametrize("weight_type", get_args(WeightType))
def test_weight_types(weight_type: WeightType, tmp_path: Path) -> None:
    write_model(tmp_path / "model.gguf", qwen35(), seed=0, weight_type=weight_type)
    with Reader(tmp_path / "model.gguf") as reader:
        assert np.isfinite(reader.read(text(np.random.default_rng(5), 600))).all()


def test_same_seed_same_file(name: str, tmp_path: Path) -> None:
    MODELS[name].write(tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == model_path(name).read_bytes()


def test_real_weights() -> None:
    with Reader(gemma3_270m_path()) as reader:
        assert llama_cpp.llama_model_n_swa(reader.model) == 512
        assert np.isfinite(reader.read(np.arange(100, 200))).all()
