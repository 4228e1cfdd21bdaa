"""A loaded model, and everything needed to serve it."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segue.chat.memory.side_store import SideStore
from segue.chat.pipeline import ChatPipeline
from segue.chat.tokens.tokenizer import PromptTokenizer
from segue.chat.vocabulary import TokenVocabulary
from segue.engine.base import Embeddings, EmbeddingTotals
from segue.engine.fim import FimTokens
from segue.engine.pair import PairTokens
from segue.engine.pooling import Pooling
from segue.grammar.compiler import Compiler
from segue.loop.front import LoopFront
from segue.loop.job import Tokens


class ModelInfo(Protocol):
    """The facts that clients learn about a loaded model. `chat_template` is the file's own, if it has one."""

    path: Path
    description: str
    chat_template: str | None
    n_ctx_train: int
    n_params: int
    size_bytes: int
    meta: Mapping[str, str]


class ModelVocabulary(TokenVocabulary, Protocol):
    """A model's vocabulary."""

    @property
    def eos(self) -> int:
        """The token that ends a text, -1 if there is none."""

    @property
    def eog_tokens(self) -> frozenset[int]:
        """All tokens that end a reply."""

    @property
    def fim(self) -> FimTokens | None:
        """The tokens that mark a gap in a text, None if there are none."""

    @property
    def pair(self) -> PairTokens:
        """The tokens around a query and a document."""


class Embedding(Protocol):
    """An embedder of texts of `n_tokens` tokens at most."""

    n_tokens: int
    pooling: Pooling
    totals: EmbeddingTotals

    def embed(self, tokens: Tokens) -> "Future[Embeddings]":
        """Queue a text; it gets one vector, or one a token. The future may raise EngineError.

        This raises RuntimeError once it is closed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A loaded model, and text to and from its tokens. Everything in it may be used from any thread.

    `shown` are the control tokens that mean something in a reply of the model's family, `controls` all control tokens
    by their text. `chat` keeps its memories in `side_store`: close that once nothing uses `chat` any more.
    """

    loop: LoopFront
    vocabulary: ModelVocabulary
    tokenizer: PromptTokenizer
    chat: ChatPipeline
    compiler: Compiler
    embeddings: Embedding
    model: ModelInfo
    side_store: SideStore
    shown: frozenset[int]
    controls: Mapping[str, int]
    can_generate: bool
