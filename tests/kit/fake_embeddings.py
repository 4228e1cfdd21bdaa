"""Embeddings without a model: what a text weighs."""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from segue.engine.base import Tokens, Vector
from segue.engine.errors import EngineError


@dataclass
class FakeEmbeddings:
    """A text's vector is its number of tokens and their sum. `failure` is why nothing can be embedded, if so."""

    n_tokens: int = 64
    failure: EngineError | None = None
    is_closed: bool = False

    def embed(self, tokens: Tokens) -> "Future[Vector]":
        if self.is_closed:
            raise RuntimeError("closed")
        future: Future[Vector] = Future()
        if self.failure is not None:
            future.set_exception(self.failure)
        else:
            future.set_result(np.array([len(tokens), tokens.sum()], np.float32))
        return future
