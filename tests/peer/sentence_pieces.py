"""A vocabulary as Llama 2 has it: pieces of words that are joined by their scores, bytes for all else, and a BOS."""

from itertools import count
from typing import Final

import numpy as np
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

_CONTROL: Final = ("<unk>", "<s>", "</s>")
# A gap in a text is marked by these.
_GAP: Final = ("<PRE>", "<SUF>", "<MID>")
_BYTES: Final = tuple(f"<0x{byte:02X}>" for byte in range(256))
_BLANK: Final = "▁"
_PAIRS: Final = """
    th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic
    ne ea ra ce li ch ll be ma si om ur ut la no di el ta ec us lo qu um ia ul am ue do ad ip et sc mp or ve st
"""
_LONGER: Final = "the ing and ion ent ▁the ▁a ▁b ▁c ▁d ▁e ▁f ▁i ▁l ▁m ▁n ▁o ▁p ▁s ▁t ▁u ▁w ▁B ▁H ▁I ▁L ▁W"
_PIECES: Final = tuple(dict.fromkeys([_BLANK, *_PAIRS.split(), *_LONGER.split()]))

_TOKENS: Final = (*_CONTROL, *_BYTES, *_GAP, *_PIECES)
N_TOKENS: Final = -(-len(_TOKENS) // 32) * 32


def write_sentence_pieces(writer: GGUFWriter) -> None:
    """Add `N_TOKENS` tokens, a few of them without use, and no chat template."""
    n_unused = N_TOKENS - len(_TOKENS)
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL] + [TokenType.BYTE] * len(_BYTES)
    types += [TokenType.CONTROL] * len(_GAP) + [TokenType.NORMAL] * len(_PIECES) + [TokenType.UNUSED] * n_unused
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*_TOKENS, *(f"[unused{i}]" for i in range(n_unused))])
    writer.add_token_types(types)
    # The earlier a piece is listed, the sooner it is joined.
    writer.add_token_scores([-float(i) for i, _ in zip(count(), range(N_TOKENS), strict=False)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, token in zip(("prefix", "suffix", "middle"), _GAP, strict=True):
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", _TOKENS.index(token))


def spoken_pieces() -> NDArray[np.bool_]:
    """For each token whether a random model should say it: printable ASCII, newlines and pieces of words."""
    spoken = np.zeros(N_TOKENS, bool)
    first = len(_CONTROL)
    spoken[[first + ord("\n"), *range(first + ord(" "), first + ord("~") + 1)]] = True
    spoken[first + len(_BYTES) + len(_GAP) : len(_TOKENS)] = True
    return spoken
