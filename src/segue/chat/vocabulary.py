"""The parts of a model's vocabulary that the chat package needs."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]


class TokenVocabulary(Protocol):
    """Text to token ids and back. Every method may be called from any thread."""

    n_tokens: int
    add_bos: bool

    @property
    def has_trimming_specials(self) -> bool:
        """Whether some special token strips the white space beside it."""

    def special_pieces(self) -> Mapping[str, int]:
        """Text of each control, user-defined or unknown token, with its id."""

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        """The tokens of `text`; `add_special` adds BOS and EOS where the model wants them."""

    def piece(self, token: int) -> bytes:
        """The bytes of a token, special ones as their text; `ValueError` for an id out of range."""

    def text(self, token: int) -> str:
        """`piece` as text, empty for -1 (a token that the model does not have)."""

    @property
    def bos(self) -> int:
        """The token that begins a text, -1 if there is none."""

    def is_eog(self, token: int) -> bool:
        """Whether a token ends a reply."""

    def is_control(self, token: int) -> bool:
        """Whether a token is a control token, which chat text does not show."""
