"""What a model makes of a path when nothing is cached, told as simply as can be."""

from collections.abc import Iterable
from dataclasses import dataclass

from segue.engine.base import Logits
from segue.memory import MemoryTraits
from tests.kit.fake_engine.numbers import END_OF_REPLY, N_SWA, greedy, logits_of, mix, value_of


@dataclass(slots=True)
class Reading:
    """What a model has made of a path: the values of its tokens, and the recurrent state after them."""

    kind: MemoryTraits
    n_swa: int
    values: list[int]
    everything: int = 0
    recurrent: int = 0

    def read(self, token: int) -> None:
        """Read the next token."""
        position = len(self.values)
        window = sum(self.values[max(0, position - self.n_swa + 1) :]) if self.kind.has_window else 0
        self.values.append(value_of(position, token, self.everything, window, self.recurrent))
        if self.kind.shares_cells:
            self.everything += self.values[-1]
        if self.kind.has_recurrent:
            self.recurrent = mix(self.recurrent, self.values[-1])

    @property
    def logits(self) -> Logits:
        """Those after the last token."""
        return logits_of(self.values[-1])


def expected_logits(kind: MemoryTraits, tokens: Iterable[int], *, n_swa: int = N_SWA) -> Logits:
    """The logits after a path, whatever else was cached or running."""
    return _read(kind, tokens, n_swa).logits


def expected_reply(
    kind: MemoryTraits, tokens: Iterable[int], n: int, *, ignore_eos: bool = True, n_swa: int = N_SWA
) -> list[int]:
    """The greedy reply of at most `n` tokens to a prompt, an end-of-reply token included."""
    reading = _read(kind, tokens, n_swa)
    reply: list[int] = []
    while len(reply) < n and (not reply or reply[-1] != END_OF_REPLY):
        reply.append(greedy(reading.logits, ignore_eos=ignore_eos))
        reading.read(reply[-1])
    return reply


def _read(kind: MemoryTraits, tokens: Iterable[int], n_swa: int) -> Reading:
    reading = Reading(kind, n_swa, [])
    for token in tokens:
        reading.read(int(token))
    return reading
