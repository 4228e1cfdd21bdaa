"""A vocabulary that tokenises as llama.cpp does, written for reading."""

from collections.abc import Mapping

import numpy as np

from segue.chat.vocabulary import Tokens

_MERGED = (b" the", b" th", b"th", b"\n\n", b"  ", b"ab", "é".encode())


class PartitionVocabulary:
    """Bytes, a few merged tokens, and special tokens from `first_special` on: control, then user-defined ones.

    `adds_space`: each text between special tokens gets a space in front. `trims`: special tokens strip the white
    space that follows them. `n_seen` counts the characters tokenised.
    """

    def __init__(
        self,
        control: tuple[str, ...] = (),
        user_defined: tuple[str, ...] = (),
        *,
        adds_space: bool = False,
        trims: bool = False,
        add_bos: bool = False,
    ) -> None:
        self.first_special = 256 + len(_MERGED)
        self.control, self.user_defined = control, user_defined
        self._pieces = [bytes([n]) for n in range(256)] + [*_MERGED] + [s.encode() for s in control + user_defined]
        self.n_tokens = len(self._pieces)
        self.add_bos = add_bos
        self.bos = self.first_special if control else -1
        self.has_trimming_specials = trims
        self._adds_space = adds_space
        self.n_seen = 0

    def special_pieces(self) -> Mapping[str, int]:
        return {text: self.first_special + i for i, text in enumerate(self.control + self.user_defined)}

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        self.n_seen += len(text)
        specials = self.special_pieces() if parse_special else {s: self.special_pieces()[s] for s in self.user_defined}
        fragments: list[str | int] = [text] if text else []
        for special in sorted(specials, key=len, reverse=True):
            fragments = [new for fragment in fragments for new in self._cut(fragment, special, specials[special])]
        ids = [self.bos] if add_special and self.add_bos else []
        for fragment in fragments:
            ids += [fragment] if isinstance(fragment, int) else self._merge(fragment.encode())
        return np.array(ids, np.int32)

    def _cut(self, fragment: str | int, special: str, token: int) -> list[str | int]:
        if isinstance(fragment, int) or special not in fragment:
            return [fragment]
        left, _, right = fragment.partition(special)
        right = right.lstrip(" \n") if self.has_trimming_specials else right
        pieces: list[str | int] = [left] if left else []
        return [*pieces, token, *(self._cut(right, special, token) if right else [])]

    def _merge(self, data: bytes) -> list[int]:
        data = b" " + data if self._adds_space else data
        ids = []
        while data:
            merged = next((m for m in _MERGED if data.startswith(m)), data[:1])
            ids.append(self._pieces.index(merged))
            data = data[len(merged) :]
        return ids

    def piece(self, token: int) -> bytes:
        if not 0 <= token < self.n_tokens:
            raise ValueError(f"no token {token}")
        return self._pieces[token]

    def text(self, token: int) -> str:
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""

    def is_control(self, token: int) -> bool:
        return self.first_special <= token < self.first_special + len(self.control)

    def is_eog(self, token: int) -> bool:
        return token == self.first_special + 1
