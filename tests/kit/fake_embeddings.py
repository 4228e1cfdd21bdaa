"""Embeddings without a model: what a text weighs."""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from segue.engine.base import Tokens, Vector
from segue.engine.errors import EngineError


@dataclass
class FakeEmbeddings:
    """A text's vector is its number of tokens and their sum. `is_broken`: nothing can be embedded."""

    n_tokens: int = 64
    is_broken: bool = False
    is_closed: bool = False

    def embed(self, tokens: Tokens) -> "Future[Vector]":
        if self.is_closed:
            raise RuntimeError("closed")
        future: Future[Vector] = Future()
        if self.is_broken:
            future.set_exception(EngineError("no memory"))
        else:
            future.set_result(np.array([len(tokens), tokens.sum()], np.float32))
        return future
