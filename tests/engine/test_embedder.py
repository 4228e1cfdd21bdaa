"""Embeddings of models of every kind."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from segue.engine.base import Embeddings
from segue.engine.creation import create
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.embedding_thread import EmbeddingThread
from segue.engine.errors import EngineError, ModelError
from segue.engine.model import Model
from segue.engine.pair import PairTokens
from segue.engine.pooling import Pooling, pooling_of
from tests.kit.conversation import text
from tests.kit.models import N_CTX_BERT, bert_path, model_path


@pytest.fixture
def embedder(model_name: str) -> Iterator[Embedder]:
    """A small embedder of each model."""
    model = Model(model_path(model_name))
    embedder = Embedder(model, EmbedderParams(n_tokens=200, n_threads=1))
    yield embedder
    embedder.close()
    model.close()


def likeness(first: Embeddings, other: Embeddings) -> float:
    """The cosine of the angle between the first vectors of two texts."""
    return float(first[0] @ other[0] / np.linalg.norm(first[0]) / np.linalg.norm(other[0]))


def test_a_vector_depends_on_its_text_alone(embedder: Embedder) -> None:
    first, other = text(1, 200), text(2, 50)
    alone = embedder.embed(first)
    assert alone.shape == (1, embedder.n_embd)
    different = embedder.embed(other)
    assert likeness(alone, different) < 0.999
    assert np.array_equal(embedder.embed(first), alone)
    assert np.array_equal(embedder.embed(other), different)


def test_every_token_counts(embedder: Embedder) -> None:
    tokens = text(1, 40)
    changed = tokens.copy()
    changed[0] += 1
    assert likeness(embedder.embed(tokens), embedder.embed(changed)) < 0.99999


def test_lengths_that_do_not_go(embedder: Embedder) -> None:
    for n_tokens in (0, 201):
        with pytest.raises(ValueError, match="1 to 200"):
            embedder.embed(np.zeros(n_tokens, np.int32))
    embedder.embed(np.zeros(1, np.int32))


def test_an_encoder_sees_what_comes_after_a_token_too() -> None:
    model = Model(bert_path())
    embedder = Embedder(model, EmbedderParams(n_tokens=N_CTX_BERT, n_threads=1))
    texts = [model.vocabulary.tokenize(words, add_special=True, parse_special=False) for words in ("ab cd", "ab cd e")]
    assert [tokens[[0, -1]].tolist() for tokens in texts] == [[2, 3]] * 2, "tokens stand around each text"
    first, other = map(embedder.embed, texts)
    assert likeness(first, other) < 0.999
    assert np.array_equal(embedder.embed(texts[0]), first)
    assert embedder.embed(np.full(N_CTX_BERT, 7, np.int32)).shape == (1, model.n_embd)
    embedder.close()
    model.close()


def test_poolings() -> None:
    """The mean of all tokens, and one of them, are what the tokens' own vectors make."""
    model = Model(bert_path())
    tokens = model.vocabulary.tokenize("ab cd", add_special=True, parse_special=False)
    vectors: dict[Pooling, Embeddings] = {}
    for pooling in Pooling:
        embedder = Embedder(model, EmbedderParams(n_tokens=N_CTX_BERT, pooling=pooling, n_threads=1))
        vectors[pooling] = embedder.embed(tokens)
        embedder.close()
    each = vectors[Pooling.NONE]
    assert each.shape == (len(tokens), model.n_embd)
    assert np.allclose(vectors[Pooling.MEAN], each.mean(axis=0), atol=1e-4)
    assert np.allclose(vectors[Pooling.CLS], each[0], atol=1e-4)
    assert np.allclose(vectors[Pooling.LAST], each[-1], atol=1e-4)
    assert vectors[Pooling.RANK].shape == (1, 1)
    model.close()


@pytest.mark.parametrize(
    ("meta", "wanted", "expected"),
    [
        ({}, "", Pooling.MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "2"}, "", Pooling.CLS),
        ({"general.architecture": "bert", "bert.pooling_type": "4"}, "", Pooling.RANK),
        ({"general.architecture": "bert", "bert.pooling_type": "0"}, "", Pooling.MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "9"}, "", Pooling.MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "2"}, "none", Pooling.NONE),
        ({}, "last", Pooling.LAST),
    ],
)
def test_which_pooling(meta: dict[str, str], wanted: str, expected: Pooling) -> None:
    assert pooling_of(meta, wanted) is expected


def test_tokens_around_a_query_and_a_document() -> None:
    encoder, decoder = Model(bert_path()), Model(model_path("llama"))
    cls, sep = 2, 3
    assert encoder.vocabulary.pair == PairTokens((cls,), (sep,), ())
    assert decoder.vocabulary.pair == PairTokens()
    encoder.close()
    decoder.close()


@pytest.mark.parametrize("is_kept_off", [True, False])
def test_the_flags_that_keep_devices_out_reach_libllama(is_kept_off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[bool, bool]] = []

    def note(model: Model, native: Any) -> int:
        made.append((native.offload_kqv, native.op_offload))
        return create(model, native)

    monkeypatch.setattr("segue.engine.embedder.create", note)
    model = Model(model_path("llama"))
    is_on = not is_kept_off
    Embedder(model, EmbedderParams(n_tokens=64, is_kv_offloaded=is_on, offloads_operations=is_on)).close()
    model.close()
    assert made == [(is_on, is_on)]


def test_the_thread_makes_its_embedder_at_the_first_text() -> None:
    model = Model(model_path("llama"))
    made: list[Embedder] = []

    def make() -> Embedder:
        made.append(Embedder(model, EmbedderParams(n_tokens=64, n_threads=1)))
        return made[-1]

    thread = EmbeddingThread(make, 64, Pooling.MEAN)
    assert made == []
    futures = [thread.embed(text(seed, 20)) for seed in (1, 2, 1)]
    vectors: list[Embeddings] = [future.result() for future in futures]
    assert len(made) == 1
    totals = thread.totals
    assert (totals.n_texts, totals.n_tokens) == (3, 60)
    assert totals.seconds > 0
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
    thread.close()
    with pytest.raises(RuntimeError):
        thread.embed(text(1, 20))
    model.close()


def test_a_context_that_cannot_be_made_is_tried_again() -> None:
    model = Model(model_path("llama"))
    failures = [ModelError("no memory")]

    def make() -> Embedder:
        if failures:
            raise failures.pop()
        return Embedder(model, EmbedderParams(n_tokens=64, n_threads=1))

    thread = EmbeddingThread(partial(make), 64, Pooling.MEAN)
    with pytest.raises(EngineError, match="no memory"):
        thread.embed(text(1, 20)).result()
    assert thread.embed(text(1, 20)).result().shape == (1, 64)
    thread.close()
    model.close()
