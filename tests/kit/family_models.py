"""Tiny models that hold the families' chat templates, each with a vocabulary that has the family's special tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from gguf import GGUFWriter, TokenType

from segue.demo.model_file import write_model
from segue.demo.vocabulary import N_VOCAB, write_bytes
from tests.kit.architectures import Sizes, llama
from tests.kit.families import FAMILIES
from tests.kit.written_files import written_once

_PIECES: Final = ("▁", "th", "the", "▁the", "in", "▁▁", "é")
"""Besides bytes, in the order in which they are merged."""


@dataclass(frozen=True, slots=True)
class FamilyVocabulary:
    """The tokens of a family. `pre` cuts text before bytes are merged; without it they are SentencePiece's.

    `user_defined` are special tokens that are no control tokens. `adds_space`: before each text stands a space.
    """

    bos: str
    eos: str
    control: tuple[str, ...]
    user_defined: tuple[str, ...] = ()
    pre: str = ""
    adds_bos: bool = True
    adds_space: bool = False

    @property
    def special(self) -> Mapping[str, TokenType]:
        """All special tokens with their types."""
        controls = dict.fromkeys((self.bos, self.eos, *self.control), TokenType.CONTROL)
        return controls | dict.fromkeys(self.user_defined, TokenType.USER_DEFINED)


_CHATML: Final = FamilyVocabulary(
    bos="<|endoftext|>",
    eos="<|im_end|>",
    control=("<|im_start|>",),
    user_defined=("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    pre="qwen2",
    adds_bos=False,
)
VOCABULARIES: Final[dict[str, FamilyVocabulary]] = {
    "chatml": _CHATML,
    "qwen": _CHATML,
    "llama3": FamilyVocabulary(
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        control=("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|python_tag|>"),
        pre="llama-bpe",
    ),
    "gemma3": FamilyVocabulary(
        bos="<bos>",
        eos="<end_of_turn>",
        control=("<start_of_turn>",),
        user_defined=("\n", "\n\n", "\n\n\n", "   "),
    ),
    "mistral": FamilyVocabulary(
        bos="<s>",
        eos="</s>",
        control=(
            *("[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
            *("[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
        ),
        adds_space=True,
    ),
    "harmony": FamilyVocabulary(
        bos="<|startoftext|>",
        eos="<|return|>",
        control=("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|constrain|>"),
        pre="gpt-4o",
        adds_bos=False,
    ),
}


@cache
def family_model_path(family: str) -> Path:
    """The file of the tiny model that holds a family's template, written if no earlier run has done so."""
    return _model_path(family, FAMILIES[family], f"family-{family}.gguf")


@cache
def misfit_model_path(family: str, template: str) -> Path:
    """The file of a tiny model of a family with another one's template, or with none if that is empty."""
    return _model_path(family, FAMILIES[template] if template else "", f"misfit-{family}-{template}.gguf")


def _model_path(family: str, template: str, name: str) -> Path:
    vocabulary = partial(_write_vocabulary, VOCABULARIES[family], template)
    return written_once(name, partial(write_model, architecture=llama(Sizes()), seed=0, vocabulary=vocabulary))


def _write_vocabulary(vocabulary: FamilyVocabulary, template: str, writer: GGUFWriter) -> None:
    special = vocabulary.special
    if vocabulary.pre:
        write_bytes(writer, special, pre=vocabulary.pre)
        n_before = 256
    else:
        _write_pieces(writer, special)
        writer.add_add_space_prefix(vocabulary.adds_space)
        writer.add_unk_token_id(0)
        n_before = 257
    ids = {text: n_before + i for i, text in enumerate(special)}
    writer.add_bos_token_id(ids[vocabulary.bos])
    writer.add_eos_token_id(ids[vocabulary.eos])
    writer.add_add_bos_token(vocabulary.adds_bos)
    if template:
        writer.add_chat_template(template)


def _write_pieces(writer: GGUFWriter, special: Mapping[str, TokenType]) -> None:
    """Add an unknown token, each byte, the special ones and a few pieces, as SentencePiece has them."""
    tokens = [("<unk>", TokenType.UNKNOWN)]
    tokens += [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
    tokens += special.items()
    tokens += [(piece, TokenType.NORMAL) for piece in _PIECES]
    tokens += [(f"<unused{i}>", TokenType.UNUSED) for i in range(len(tokens), N_VOCAB)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([-float(i) for i in range(len(tokens))])
    writer.add_token_types([kind for _, kind in tokens])
