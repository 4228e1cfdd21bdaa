"""The whole server on a tiny model that plays a part, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from segue.build import build
from segue.commands.serve.start import make_backend, make_service
from segue.demo.vocabulary import CHAT_TEMPLATE
from segue.settings import Settings
from tests.kit.actor import ActingLoop, Exchange, Script
from tests.kit.listening import listening
from tests.kit.models import model_path

# The tiny models' own template drops the reasoning of earlier turns, as many do.
FORGETFUL = CHAT_TEMPLATE
# Here all of it stays, so that what a client fails to send back shows.
THINKING = CHAT_TEMPLATE.replace("reasoning and loop.index0 > last.user", "reasoning")
# A model that does not think: its template neither opens nor closes any reasoning in the generation prompt.
PLAIN = THINKING.replace("enable_thinking is defined", "false")
assert len({FORGETFUL, THINKING, PLAIN}) == 3

# Agents send ten thousand tokens and more of a common vocabulary; in bytes that is four times as many.
N_CTX = 262_144


@dataclass(frozen=True, slots=True)
class Acted:
    """A running server; `exchanges` grow while it runs."""

    url: str
    loop: ActingLoop

    @property
    def exchanges(self) -> list[Exchange]:
        return self.loop.exchanges


@contextmanager
def acted(script: Script, model: str = "qwen35", *, template: str = THINKING, **settings: Any) -> Iterator[Acted]:
    """Serve until the block ends."""
    options = {"ctx_size": N_CTX, "parallel": 2, "threads": 1, "seed": 1, "alias": ["m"], "chat_template": template}
    service = make_service(Settings(model=str(model_path(model)), **{**options, **settings}))
    built = build(service.settings, lambda _: None, lambda *_: None)
    try:
        backend = make_backend(built, service.settings)
        loop = ActingLoop(built.loop, built.vocabulary, script)
        service.attach(replace(backend, loop=loop))
        try:
            with listening(service, grace_s=2) as url:
                yield Acted(url, loop)
        finally:
            backend.side_store.close()
    finally:
        built.close()
