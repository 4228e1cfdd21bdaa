"""A thread for embeddings, separate from the one that generates."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from segue.engine.base import Tokens, Vector
from segue.engine.embedder import Embedder


class EmbeddingThread:
    """Embeds texts one after another. `make` is called on the thread at the first text, so an unused thread is cheap.

    `n_tokens` is the longest text. All methods may be called from any thread.
    """

    def __init__(self, make: Callable[[], Embedder], n_tokens: int) -> None:
        self.n_tokens = n_tokens
        self._make = make
        self._embedder: Embedder | None = None
        self._thread = ThreadPoolExecutor(1, "segue-embed")

    def embed(self, tokens: Tokens) -> "Future[Vector]":
        """Queue a text. The future may raise EngineError; this raises RuntimeError after `close`."""
        return self._thread.submit(self._embed, tokens)

    def close(self) -> None:
        """Finish the current text, drop the queued ones and free the context."""
        self._thread.shutdown(cancel_futures=True)
        if self._embedder is not None:
            self._embedder.close()

    def _embed(self, tokens: Tokens) -> Vector:
        if self._embedder is None:
            self._embedder = self._make()
        return self._embedder.embed(tokens)
