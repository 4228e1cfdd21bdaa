"""Compiles constraints for one vocabulary, each once while it is in use."""

import threading
from collections import OrderedDict

from llguidance import LLTokenizer

from segue.grammar.compiled import Compiled
from segue.grammar.constraint import Constraint
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer

MAX_KEPT = 16


class Compiler:
    """Takes in its vocabulary when first asked. Any thread, but slow: not the engine's."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._tokenizer: LLTokenizer | None = None
        self._known: OrderedDict[str, Compiled] = OrderedDict()

    def compile(self, constraint: Constraint) -> Compiled:
        """What makes the masks of replies. Raises ConstraintError for a grammar that is none."""
        source = constraint.source
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = make_tokenizer(self._vocabulary)
            known = self._known.get(source)
            if known is not None and not known.is_worn:
                self._known.move_to_end(source)
                return known
        fresh = Compiled(self._tokenizer, source, self._vocabulary.n_tokens)
        with self._lock:
            self._known[source] = fresh
            if len(self._known) > MAX_KEPT:
                self._known.popitem(last=False)
        return fresh
