"""A model's vocabulary as llguidance sees it."""

from typing import Protocol

from llguidance import LLTokenizer

from segue.chat.vocabulary import Tokens


class GrammarVocabulary(Protocol):
    """The parts of a vocabulary that following a grammar needs. Any thread."""

    n_tokens: int

    def piece(self, token: int) -> bytes:
        """The bytes of a token, special ones as their text."""

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        """The tokens of a text."""

    def is_eog(self, token: int) -> bool:
        """Whether a token ends a reply."""

    def is_control(self, token: int) -> bool:
        """Whether a token is a control token, which is not part of a reply's text."""


class _Pieces:
    """The attributes that llguidance looks for. Control tokens and those that end a reply are not their text.

    A vocabulary without an end gets one that no model can say, behind the others.
    """

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        ids = range(vocabulary.n_tokens)
        self.tokens = [vocabulary.piece(token) for token in ids]
        self.ends = [token for token in ids if vocabulary.is_eog(token)]
        self.special_token_ids = [token for token in ids if vocabulary.is_control(token) or vocabulary.is_eog(token)]
        if not self.ends:
            self.ends = [vocabulary.n_tokens]
            self.tokens.append(b"<end>")
            self.special_token_ids.append(vocabulary.n_tokens)
        self.eos_token_id = self.ends[0]

    def __call__(self, text: str) -> list[int]:
        """Tokenize; only asked for grammars that force tokens."""
        return [int(token) for token in self._vocabulary.tokenize(text, add_special=False, parse_special=False)]


def make_tokenizer(vocabulary: GrammarVocabulary) -> LLTokenizer:
    """Takes up to a second for a large vocabulary; any thread."""
    pieces = _Pieces(vocabulary)
    return LLTokenizer(pieces, eos_token=pieces.ends)  # type: ignore[arg-type]
