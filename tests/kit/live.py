"""The application on a real port of this machine, around a loop without a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from segue.commands.serve.start import make_backend, make_service
from segue.grammar.compiler import Compiler
from segue.serving.service import Service
from segue.settings import Settings
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.fake_embeddings import FakeEmbeddings
from tests.kit.fake_loop import FakeLoop
from tests.kit.listening import listening
from tests.kit.waiting import PATIENCE_S


@dataclass
class FakeModel:
    """What is told of a model that does not exist."""

    path: Path = Path("/models/fake.gguf")
    description: str = "fake 1B Q4_0"
    chat_template: str | None = None
    n_ctx_train: int = 8192
    n_params: int = 1_000_000
    size_bytes: int = 500_000
    meta: dict[str, str] | None = None

    def __post_init__(self) -> None:
        self.meta = {"general.architecture": "fake"}


@dataclass
class FakeBuilt:
    """A loop without a model, with a vocabulary."""

    loop: FakeLoop
    vocabulary: ByteVocabulary
    model: Any
    embeddings: FakeEmbeddings = field(default_factory=FakeEmbeddings)
    can_generate: bool = True

    def __post_init__(self) -> None:
        self.compiler = Compiler(self.vocabulary)

    def unload(self) -> bool:
        return True

    def load(self) -> None:
        """Nothing was unloaded."""

    def close(self) -> None:
        self.loop.close()


@dataclass
class Live:
    """A running server."""

    url: str
    service: Service
    loop: FakeLoop
    http: httpx.Client
    embeddings: FakeEmbeddings

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def lines(self, path: str, *, on_first: Callable[[], object] = lambda: None, **body: Any) -> list[str]:
        """All lines of a stream; `on_first` is called once the first one is there."""
        with self.http.stream("POST", path, json={"stream": True, **body}) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            first = next(lines)
            on_first()
            return [first, *lines]

    def events(self, path: str, **options: Any) -> list[str]:
        """The data of all events of a stream; `options` are those of `lines`."""
        return [line.removeprefix("data: ") for line in self.lines(path, **options) if line.startswith("data: ")]


@contextmanager
def live(
    loop: FakeLoop | None = None,
    *,
    is_ready: bool = True,
    vocabulary: ByteVocabulary | None = None,
    can_generate: bool = True,
    **settings: Any,
) -> Iterator[Live]:
    """Serve on a free port until the block ends."""
    loop = FakeLoop() if loop is None else loop
    service = make_service(Settings(**{"model": "fake.gguf", **settings}))
    built = FakeBuilt(loop, vocabulary or ByteVocabulary(), FakeModel(), can_generate=can_generate)
    if is_ready:
        service.attach(make_backend(built, service.settings))
    try:
        with listening(service) as url:
            try:
                with httpx.Client(base_url=url, timeout=PATIENCE_S) as http:
                    yield Live(url, service, loop, http, built.embeddings)
            finally:
                loop.gate.set()
    finally:
        loop.close()
        if is_ready:
            service.backend.side_store.close()
