"""Many users at once: requests that are likely to share something with earlier ones, and clients that leave."""

import threading

import numpy as np

from tests.kit.conversation import Prompt, chat, raw, text
from tests.kit.rig import Heard

SYSTEM = ("system", text(1, 120))


class Crowd:
    """Makes up requests: new conversations, follow-ups, edits, forks, retries, undone turns.

    What is said is one of `n_texts`, cut somewhere.
    """

    def __init__(self, seed: int, n_texts: int = 12) -> None:
        self._random = np.random.default_rng(seed)
        self._n_texts = n_texts
        self._known: list[list[tuple[str, np.ndarray]]] = [[SYSTEM, ("user", text(2, 60))]]

    def prompt(self) -> Prompt:
        """One more request of somebody."""
        choice = self._random.integers(0, 8)
        turns = list(self._known[self._random.integers(0, len(self._known))])
        if choice == 0:
            turns = [SYSTEM, ("user", self._text())]
        elif choice == 1:
            return raw(turns[-1][1], self._text())
        elif choice == 2 and len(turns) > 3:
            turns = turns[:-2]
        elif choice == 3:
            turns[-1] = (turns[-1][0], np.concatenate([turns[-1][1][:-5], self._text()]))
        elif choice < 7:
            turns += [("assistant", self._text()), ("user", self._text())]
        if chat(*turns).n > 900:
            turns = [SYSTEM, ("user", self._text())]
        self._known = [*self._known[-20:], turns]
        return chat(*turns)

    def n_until_cancelled(self) -> int:
        """How much the client hears before it leaves; mostly it stays."""
        return int(self._random.integers(0, 6)) if self._random.random() < 0.15 else 1 << 30

    def _text(self) -> np.ndarray:
        return text(int(self._random.integers(0, self._n_texts)), int(self._random.integers(1, 150)))


def leaving(n_left: int) -> Heard:
    """A listener that cancels its request after it heard so much."""
    heard = Heard()
    lock = threading.Lock()
    left = [n_left]

    def on_each() -> None:
        with lock:
            left[0] -= 1
        if left[0] < 0 and heard.submission is not None:
            heard.submission.cancel()

    heard.on_each = on_each
    return heard
