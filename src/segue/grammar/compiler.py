"""Compiles constraints for one vocabulary, each once while it is in use."""

import threading
from collections import OrderedDict

from llguidance import LLTokenizer

from segue.grammar.compiled import Compiled
from segue.grammar.constraint import Constraint
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer

MAX_KEPT_BYTES = 300 << 20
"""Fifteen small grammars, or two of the largest."""


class Compiler:
    """Takes in its vocabulary once, at the latest when first asked. Any thread, but slow: not the engine's."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._tokenizer: LLTokenizer | None = None
        self._known: OrderedDict[str, Compiled] = OrderedDict()
        self._preparing: threading.Thread | None = None

    def prepare(self) -> None:
        """Begin to take in the vocabulary on a thread of its own. Most of it keeps all others from running Python."""
        self._preparing = threading.Thread(target=self._ready, name="segue-grammar", daemon=True)
        self._preparing.start()

    def close(self) -> None:
        """Return once preparation no longer reads the vocabulary, which may go then."""
        if self._preparing is not None:
            self._preparing.join()

    def compile(self, constraint: Constraint) -> Compiled:
        """A maker of the masks of replies. Raises ConstraintError for an invalid grammar."""
        source, tokenizer = constraint.source, self._ready()
        with self._lock:
            known = self._known.get(source)
            if known is not None and not known.is_worn:
                self._known.move_to_end(source)
                return known
        fresh = Compiled(tokenizer, source, self._vocabulary.n_tokens)
        with self._lock:
            self._known.pop(source, None)
            self._known[source] = fresh
            self._make_room()
        return fresh

    def _make_room(self) -> None:
        """Drop worn grammars, and those unused for longest, but never the last one."""
        for source in [source for source, known in self._known.items() if known.is_worn]:
            del self._known[source]
        n_bytes = sum(known.n_bytes for known in self._known.values())
        while n_bytes > MAX_KEPT_BYTES and len(self._known) > 1:
            n_bytes -= self._known.popitem(last=False)[1].n_bytes

    def _ready(self) -> LLTokenizer:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = make_tokenizer(self._vocabulary)
            return self._tokenizer
