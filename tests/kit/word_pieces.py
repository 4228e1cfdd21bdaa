"""A vocabulary as BERT has it: letters and digits that begin a word or go on with one, and tokens around each text."""

import string

from gguf import GGUFWriter, TokenType

from segue.demo.vocabulary import N_VOCAB

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CHARACTERS = string.ascii_lowercase + string.digits
# As libllama writes what begins a word; Hugging Face marks what does not.
_BEGIN = "\u2581"


def write_word_pieces(writer: GGUFWriter) -> None:
    """Add `N_VOCAB` tokens, some of them without use."""
    meant = [*_SPECIAL, *(_BEGIN + character for character in _CHARACTERS), *_CHARACTERS]
    types = [TokenType.CONTROL] * len(_SPECIAL) + [TokenType.NORMAL] * (len(meant) - len(_SPECIAL))
    n_unused = N_VOCAB - len(meant)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(meant + [f"[unused{i}]" for i in range(n_unused)])
    writer.add_token_types(types + [TokenType.UNUSED] * n_unused)
    writer.add_token_type_count(1)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
