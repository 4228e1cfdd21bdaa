"""A loop whose model plays a part: what it says is told by a script, and all that was said is remembered."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from segue.cache.snapshot import SlotSnapshot
from segue.engine.base import Choice
from segue.engine.state import Bytes
from segue.engine.vocabulary import Vocabulary
from segue.loop.end import JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.front import Listener, LoopFront, SlotView, Ticket
from segue.loop.job import Job, Tokens
from segue.loop.totals import LoopTotals

Script = Callable[[str], str]
"""From the text of a prompt to the text of the reply."""


@dataclass(eq=False)
class Exchange:
    """One prompt and what was said to it. `end` is None while it is being said."""

    prompt: Tokens
    reply: list[int] = field(default_factory=list)
    end: JobEnd | None = None

    @property
    def path(self) -> Tokens:
        """All tokens of prompt and reply."""
        return np.concatenate([self.prompt, self.reply], dtype=np.int32)


class Line:
    """A mask that leaves one token at a time."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = iter(tokens.tolist())
        self._next = next(self._tokens)

    def choice(self) -> Choice:
        return Choice(np.array([self._next], np.intp))

    def accept(self, token: int) -> None:
        assert token == self._next
        self._next = next(self._tokens, token)


@dataclass
class Prompter:
    """Hears a job for its listener, and writes down what it hears."""

    exchange: Exchange
    listener: Listener

    def on_progress(self, progress: Progress) -> None:
        self.listener.on_progress(progress)

    def on_token(self, token: TokenOut) -> bool:
        self.exchange.reply.append(token.token)
        return self.listener.on_token(token)

    def on_end(self, end: JobEnd) -> None:
        self.exchange.end = end
        self.listener.on_end(end)


@dataclass
class ActingLoop:
    """The loop `stage`, as HTTP sees it, with a mask on every job that leaves only what the script says.

    The words are tokenised as the vocabulary does it, so that a reply which comes back as text has its own tokens.
    """

    stage: LoopFront
    vocabulary: Vocabulary
    script: Script
    exchanges: list[Exchange] = field(default_factory=list)

    def submit(self, job: Job, listener: Listener) -> Ticket:
        words = self.script(self.text(job.tokens))
        line = self.vocabulary.tokenize(words, add_special=False, parse_special=True)
        line = np.append(line, np.int32(self.vocabulary.eos))
        exchange = Exchange(job.tokens)
        self.exchanges.append(exchange)
        return self.stage.submit(replace(job, make_mask=lambda: Line(line)), Prompter(exchange, listener))

    def text(self, tokens: Tokens) -> str:
        """Tokens as text, special ones too."""
        return b"".join(map(self.vocabulary.piece, tokens.tolist())).decode(errors="replace")

    def slots(self) -> tuple[SlotView, ...]:
        return self.stage.slots()

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":
        return self.stage.save_slot(id_slot, namespace)

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":
        return self.stage.restore_slot(id_slot, namespace, arrays)

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":
        return self.stage.erase_slot(id_slot, namespace)

    @property
    def totals(self) -> LoopTotals:
        return self.stage.totals

    @property
    def n_waiting(self) -> int:
        return self.stage.n_waiting

    @property
    def n_ctx(self) -> int:
        return self.stage.n_ctx
