"""From constraints to masks: each grammar compiled once, and copied for every reply."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from segue.engine.errors import MaskError
from segue.grammar.constraint import Constraint
from segue.grammar.errors import ConstraintError, plain
from segue.grammar.matcher import Matcher
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer

_MAX_KEPT = 64
# A lexer's state takes one or two kilobytes; the default allows for half a gigabyte.
_MAX_LEXER_STATES = 50_000


class Compiler:
    """Compiles for one vocabulary, which it takes in when first asked. Any thread, but slow: not the engine's."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        self._lock = threading.Lock()
        self._tokenizer: LLTokenizer | None = None
        self._known: OrderedDict[str, Callable[[], Matcher]] = OrderedDict()

    def compile(self, constraint: Constraint) -> Callable[[], Matcher]:
        """What makes a mask for one reply in microseconds. Raises ConstraintError for a grammar that is none."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = make_tokenizer(self._vocabulary)
            known = self._known.get(constraint.source)
            if known is not None:
                self._known.move_to_end(constraint.source)
                return known
        fresh = self._compile(constraint, self._tokenizer)
        with self._lock:
            self._known[constraint.source] = fresh
            if len(self._known) > _MAX_KEPT:
                self._known.popitem(last=False)
        return fresh

    def _compile(self, constraint: Constraint, tokenizer: LLTokenizer) -> Callable[[], Matcher]:
        limits = LLParserLimits(max_lexer_states=_MAX_LEXER_STATES, verbose_errors=False)
        start = LLMatcher(tokenizer, constraint.source, log_level=0, limits=limits)
        if start.is_error():
            raise ConstraintError(plain(start.get_error()))
        n_tokens, n_bits = self._vocabulary.n_tokens, tokenizer.vocab_size

        def make() -> Matcher:
            return Matcher(start.deep_copy(), n_tokens, n_bits)

        try:
            make().choice()  # the slowest mask is the first one, and it shows what the limits have against it
        except MaskError as error:
            raise ConstraintError(str(error)) from error
        return make
