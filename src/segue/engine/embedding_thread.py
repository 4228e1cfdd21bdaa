"""A thread for embeddings, separate from the one that generates."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from segue.engine.base import Embeddings, EmbeddingTotals, Tokens
from segue.engine.embedder import Embedder
from segue.engine.pooling import Pooling


class EmbeddingThread:
    """Embeds texts one after another. `make` is called on the thread at the first text, so an unused thread is cheap.

    `n_tokens` is the longest text, `pooling` the embedder's; `totals` is what was done so far. All methods may be
    called from any thread.
    """

    def __init__(self, make: Callable[[], Embedder], n_tokens: int, pooling: Pooling) -> None:
        self.n_tokens = n_tokens
        self.pooling = pooling
        self.totals = EmbeddingTotals()
        self._make = make
        self._embedder: Embedder | None = None
        self._thread = ThreadPoolExecutor(1, "segue-embed")

    def embed(self, tokens: Tokens) -> "Future[Embeddings]":
        """Queue a text; its vectors are those of `Embedder.embed`. The future may raise EngineError.

        This raises RuntimeError after `close`.
        """
        return self._thread.submit(self._embed, tokens)

    def unload(self) -> "Future[None]":
        """Free the context behind the texts that are queued; the next text makes another one."""
        return self._thread.submit(self._unload)

    def close(self) -> None:
        """Finish the current text, drop the queued ones and free the context."""
        self._thread.shutdown(cancel_futures=True)
        self._unload()

    def _unload(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
        self._embedder = None

    def _embed(self, tokens: Tokens) -> Embeddings:
        if self._embedder is None:
            self._embedder = self._make()
        started = time.perf_counter()
        embeddings = self._embedder.embed(tokens)
        done, seconds = self.totals, time.perf_counter() - started
        self.totals = EmbeddingTotals(done.n_texts + 1, done.n_tokens + len(tokens), done.seconds + seconds)
        return embeddings
