"""What the endpoints work with: the model once it is loaded, and until then how far loading is."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from segue.api.auth import KeyRing
from segue.api.errors import UNAVAILABLE, ApiError
from segue.api.farewells import Farewells
from segue.api.reports import Reports
from segue.chat.moments import Moments
from segue.chat.notes import Notes
from segue.chat.reply.echo import Echo
from segue.chat.reply.family import Family
from segue.chat.template import ChatTemplate
from segue.chat.tokens import PromptTokenizer
from segue.chat.tool_order import ToolOrder
from segue.chat.vocabulary import Vocabulary
from segue.engine.base import Vector
from segue.engine.fim import FimTokens
from segue.engine.sampling import SamplingParams
from segue.grammar.compiler import Compiler
from segue.loop.job import LoopFront, Tokens
from segue.settings import Settings


class ModelInfo(Protocol):
    """What is told of a loaded model. `chat_template` is the file's own, if it has one."""

    path: Path
    description: str
    chat_template: str | None
    n_ctx_train: int
    n_params: int
    size_bytes: int
    meta: Mapping[str, str]


class ModelVocabulary(Vocabulary, Protocol):
    """A model's vocabulary."""

    @property
    def eos(self) -> int:
        """The token that ends a text, -1 if there is none."""

    @property
    def fim(self) -> FimTokens | None:
        """The tokens that mark a gap in a text, None if there are none."""


class Embeddings(Protocol):
    """What embeds texts of `n_tokens` tokens at most."""

    n_tokens: int

    def embed(self, tokens: Tokens) -> "Future[Vector]":
        """Queue a text. The future may raise EngineError; this raises RuntimeError once it is closed."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A loaded model, and text to and from its tokens. Everything in it may be used from any thread.

    `shown` are the control tokens that mean something in a reply of the model's family, `controls` all of them by their
    text. `notes` is what `echo`, `moments` and `tool_order` keep theirs in: close it when nothing asks them any more.
    """

    loop: LoopFront
    vocabulary: ModelVocabulary
    tokenizer: PromptTokenizer
    template: ChatTemplate
    compiler: Compiler
    embeddings: Embeddings
    model: ModelInfo
    family: Family
    notes: Notes
    echo: Echo
    moments: Moments
    tool_order: ToolOrder
    shown: frozenset[int]
    controls: Mapping[str, int]
    can_generate: bool


class Phase(StrEnum):
    """Where loading stands."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass
class Service:
    """What one server process serves. Made before the model is loaded; `attach` makes it ready, from any thread."""

    settings: Settings
    keys: KeyRing
    sampling: SamplingParams
    reports: Reports = field(default_factory=Reports)
    farewells: Farewells = field(default_factory=Farewells)
    created: int = field(default_factory=lambda: int(time.time()))
    progress: float = 0.0
    phase: Phase = Phase.LOADING
    failure: str = ""
    _backend: Backend | None = None

    def attach(self, backend: Backend) -> None:
        """Start to serve a model."""
        self._backend = backend
        self.progress = 1.0
        self.phase = Phase.READY

    def fail(self, message: str) -> None:
        """Give up: loading failed."""
        self.failure = message
        self.phase = Phase.FAILED

    @property
    def backend(self) -> Backend:
        """The loaded model. Raises ApiError while there is none."""
        if self._backend is None:
            raise self.unavailable()
        return self._backend

    def unavailable(self, **details: object) -> ApiError:
        """Say why no model is there, with further fields for the error object."""
        message = "The model could not be loaded" if self.phase is Phase.FAILED else "Loading model"
        return ApiError(UNAVAILABLE, message, details=details)

    @property
    def model_name(self) -> str:
        """The name that responses give the model: the first alias, or the file's name."""
        return self.settings.model_name
