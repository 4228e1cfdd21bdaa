"""A vocabulary of bytes and four special tokens: text goes to tokens and back by eye."""

import re
from collections.abc import Mapping

import numpy as np

from segue.chat.vocabulary import Tokens
from segue.engine.fim import FimTokens
from segue.engine.pair import PairTokens

BOS, EOS, START, END = 256, 257, 258, 259
_SPECIAL = {"<s>": BOS, "</s>": EOS, "<|im_start|>": START, "<|im_end|>": END}
_SPLIT = re.compile("(" + "|".join(map(re.escape, _SPECIAL)) + ")")


class ByteVocabulary:
    """Token n is byte n; above are `<s>`, `</s>`, `<|im_start|>` and `<|im_end|>`."""

    n_tokens = 260
    add_bos = True
    has_trimming_specials = False
    bos = BOS
    eos = EOS
    eog_tokens = frozenset((EOS, END))
    fim: FimTokens | None = None
    pair = PairTokens((BOS,), (EOS,), (EOS,))

    def special_pieces(self) -> Mapping[str, int]:
        return _SPECIAL

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        ids: list[int] = [BOS] if add_special else []
        for part in _SPLIT.split(text) if parse_special else [text]:
            ids += [_SPECIAL[part]] if parse_special and part in _SPECIAL else part.encode()
        return np.array(ids, np.int32)

    def piece(self, token: int) -> bytes:
        if not 0 <= token < self.n_tokens:
            raise ValueError(f"no token {token}")
        return bytes([token]) if token < BOS else list(_SPECIAL)[token - BOS].encode()

    def text(self, token: int) -> str:
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""

    def is_eog(self, token: int) -> bool:
        return token in self.eog_tokens

    def is_control(self, token: int) -> bool:
        return token >= BOS
