"""A compiled grammar, from which every reply gets a matcher of its own."""

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from segue.engine.errors import MaskError
from segue.grammar.errors import ConstraintError, plain
from segue.grammar.matcher import Matcher

# The default allows for half a gigabyte of states.
MAX_LEXER_STATES = 30_000
# The most that was measured, of odd grammars of all sizes.
_STATE_BYTES = 640
_BYTES_PER_CHARACTER = 150


class Compiled:
    """Made on any thread, slowly. Raises ConstraintError for an invalid grammar.

    Calling it, on one thread, takes microseconds. Its matchers share a lexer, which grows with what they meet: when it
    is full they go on alone, and the grammar `is_worn`.
    """

    def __init__(self, tokenizer: LLTokenizer, source: str, n_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._source = source
        self._n_tokens = n_tokens
        self.is_worn = False
        self._start = self._compile()
        if self._start.is_error():
            raise ConstraintError(plain(self._start.get_error()))
        try:
            self().choice()  # it shows what the limits have against the grammar, and the first mask is a slow one
        except MaskError as error:
            raise ConstraintError(str(error)) from error

    @property
    def n_bytes(self) -> int:
        """About the most that it takes, once its lexer is full."""
        return _STATE_BYTES * MAX_LEXER_STATES + _BYTES_PER_CHARACTER * len(self._source)

    def __call__(self) -> Matcher:
        """A matcher at the start of a reply."""
        return Matcher(self._start.deep_copy(), self._afresh, self._n_tokens, self._tokenizer.vocab_size)

    def _afresh(self) -> LLMatcher:
        self.is_worn = True
        return self._compile()

    def _compile(self) -> LLMatcher:
        limits = LLParserLimits(max_lexer_states=MAX_LEXER_STATES, verbose_errors=False)
        return LLMatcher(self._tokenizer, self._source, log_level=0, limits=limits)
