"""Embeddings without a model: what a text weighs."""

from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from segue.engine.base import Embeddings, EmbeddingTotals, Tokens
from segue.engine.errors import EngineError
from segue.engine.pooling import Pooling


@dataclass
class FakeEmbeddings:
    """A text's vector is its number of tokens and their sum, a token's itself and 1, a score the sum.

    `failure` is why nothing can be embedded, if so.
    """

    n_tokens: int = 64
    pooling: Pooling = Pooling.MEAN
    failure: EngineError | None = None
    is_closed: bool = False
    totals: EmbeddingTotals = field(default_factory=EmbeddingTotals)

    def embed(self, tokens: Tokens) -> "Future[Embeddings]":
        if self.is_closed:
            raise RuntimeError("closed")
        future: Future[Embeddings] = Future()
        if self.failure is not None:
            future.set_exception(self.failure)
        else:
            future.set_result(self._rows(tokens))
        return future

    def _rows(self, tokens: Tokens) -> Embeddings:
        if self.pooling is Pooling.NONE:
            return np.stack([tokens, np.ones(len(tokens))], axis=1).astype(np.float32)
        row = [tokens.sum()] if self.pooling is Pooling.RANK else [len(tokens), tokens.sum()]
        return np.array([row], np.float32)
