"""A model's vocabulary: text to token ids and back."""

import ctypes
import functools
from collections.abc import Mapping

import llama_cpp
import numpy as np

from segue.engine.base import Tokens
from segue.engine.errors import ModelError
from segue.engine.fim import FimTokens
from segue.engine.pair import PairTokens

_SPECIAL = (
    llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
)
_MOST_INFILL_BYTES = 512
_N_SPECIAL = 5
_N_SPARE_MOST = 512
_TRIMMING = llama_cpp.LLAMA_TOKEN_ATTR_LSTRIP | llama_cpp.LLAMA_TOKEN_ATTR_RSTRIP


class Vocabulary:
    """The vocabulary of a loaded model. Thread-safe; lives as long as the model.

    Raises ModelError for vocabularies at which libllama would abort: a missing one, or one that cannot encode all text.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.n_tokens = int(llama_cpp.llama_vocab_n_tokens(handle))
        self._check()
        self.bos = int(llama_cpp.llama_vocab_bos(handle))
        self.eos = int(llama_cpp.llama_vocab_eos(handle))
        self.eot = int(llama_cpp.llama_vocab_eot(handle))
        self.add_bos = bool(llama_cpp.llama_vocab_get_add_bos(handle))
        self.add_eos = bool(llama_cpp.llama_vocab_get_add_eos(handle))
        # libllama aborts if a file asks for BOS or EOS to be added but does not define it.
        self._has_added = (self.bos >= 0 or not self.add_bos) and (self.eos >= 0 or not self.add_eos)
        self._pieces: dict[int, bytes] = {}

    def _check(self) -> None:
        kind = llama_cpp.llama_vocab_type(self.handle)
        if kind == llama_cpp.LLAMA_VOCAB_TYPE_NONE:
            raise ModelError("the model has no vocabulary; convert it again, with its tokenizer")
        missing = (
            {f"<0x{byte:02X}>".encode() for byte in range(256)} if kind == llama_cpp.LLAMA_VOCAB_TYPE_SPM else set()
        )
        for token in range(self.n_tokens):
            if not missing:
                return
            missing.discard(llama_cpp.llama_vocab_get_text(self.handle, token))
        if missing:
            raise ModelError("the vocabulary lacks tokens for single bytes, so it cannot encode all texts")

    @functools.cached_property
    def fim(self) -> FimTokens | None:
        """The fill-in-the-middle tokens, None if one of the three required ones is missing."""
        names = ("pre", "suf", "mid", "rep", "sep")
        tokens = [int(getattr(llama_cpp, f"llama_vocab_fim_{name}")(self.handle)) for name in names]
        return FimTokens(*tokens) if min(tokens[:3]) >= 0 else None

    @functools.cached_property
    def pair(self) -> PairTokens:
        """The tokens around a query and a document that are ranked together, as llama-server sets them."""
        sep = int(llama_cpp.llama_vocab_sep(self.handle))
        end = (self.eos if self.eos >= 0 else sep,) if self.add_eos else ()
        separator = (sep,) if llama_cpp.llama_vocab_get_add_sep(self.handle) else ()
        parts = ((self.bos,) if self.add_bos else (), end + separator, end)
        return PairTokens(*(tuple(token for token in part if token >= 0) for part in parts))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        """The tokens of `text`; `add_special` adds BOS and EOS if the model asks for them."""
        raw = text.encode("utf-8", "replace")
        add_special = add_special and self._has_added
        size = len(raw) + 2
        while True:
            buffer = np.empty(size, np.int32)
            pointer = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
            n = llama_cpp.llama_tokenize(self.handle, raw, len(raw), pointer, size, add_special, parse_special)
            if n >= 0:
                return buffer[:n].copy()
            size = -n

    def piece(self, token: int) -> bytes:
        """The bytes of a token, for special tokens those of their text. Raises ValueError for an id out of range."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read_piece(token)
        return known

    def _read_piece(self, token: int) -> bytes:
        if not 0 <= token < self.n_tokens:
            raise ValueError(f"token {token} is not in the vocabulary of {self.n_tokens}")
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            n = llama_cpp.llama_token_to_piece(self.handle, token, buffer, size, 0, True)
            if n >= 0:
                return buffer.raw[:n]
            size = -n

    @functools.cached_property
    def _attributes(self) -> tuple[int, ...]:
        return tuple(llama_cpp.llama_vocab_get_attr(self.handle, token) for token in range(self.n_tokens))

    @functools.cache  # noqa: B019  one vocabulary lives as long as the process
    def special_pieces(self) -> Mapping[str, int]:
        """The text of each control, user-defined or unknown token, with its id."""
        return {
            self.piece(token).decode("utf-8", "replace"): token
            for token, attribute in enumerate(self._attributes)
            if attribute & _SPECIAL and self.piece(token)
        }

    @functools.cached_property
    def has_trimming_specials(self) -> bool:
        """Whether some special token strips the white space next to it."""
        return any(attribute & _TRIMMING and attribute & _SPECIAL for attribute in self._attributes)

    @functools.cached_property
    def eog_tokens(self) -> frozenset[int]:
        """All tokens that end a reply."""
        return frozenset(t for t in range(self.n_tokens) if llama_cpp.llama_vocab_is_eog(self.handle, t))

    def is_eog(self, token: int) -> bool:
        """Whether a token ends a reply."""
        return token in self.eog_tokens

    def is_control(self, token: int) -> bool:
        """Whether a token is a control token, which chat text does not show."""
        return bool(llama_cpp.llama_vocab_is_control(self.handle, token))

    @functools.cached_property
    def can_infill(self) -> bool:
        """Whether libllama's infill sampler can be used: it aborts if there is no EOG token, or at too long a token."""
        has_end = self.eot >= 0 or self.eos >= 0
        return has_end and all(len(self.piece(token)) <= _MOST_INFILL_BYTES for token in range(self.n_tokens))

    def difference(self, other: "Vocabulary") -> str:
        """Why the tokens of another vocabulary are not those of this one, in words; empty if they are.

        The first tokens may differ, which are special, and a few may be missing at the end, which fill up a size.
        """
        if llama_cpp.llama_vocab_type(self.handle) != llama_cpp.llama_vocab_type(other.handle):
            return "the vocabularies are of unlike types"
        n = min(self.n_tokens, other.n_tokens)
        if max(self.n_tokens, other.n_tokens) - n > _N_SPARE_MOST:
            return f"the vocabularies have {self.n_tokens} and {other.n_tokens} tokens"
        read = llama_cpp.llama_vocab_get_text
        unlike = (i for i in range(_N_SPECIAL, n) if read(self.handle, i) != read(other.handle, i))
        first = next(unlike, None)
        return "" if first is None else f"token {first} is not the same in both vocabularies"

    def text(self, token: int) -> str:
        """The text of a token, empty for -1 (a model without it)."""
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""

    @functools.cached_property
    def suppressed(self) -> tuple[int, ...]:
        """The tokens that must never be generated according to the model's file."""
        count = ctypes.c_int32(0)
        tokens = llama_cpp.llama_vocab_get_suppress_tokens(self.handle, ctypes.byref(count))
        return tuple(int(tokens[i]) for i in range(count.value))
