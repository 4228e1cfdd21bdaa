"""Marks in a reply, such as those around calls and reasoning: texts that may be or contain control tokens."""

import json
import re
from collections.abc import Mapping

from segue.chat.vocabulary import TokenVocabulary

BLANKS = r"_BLANKS: /[ \t\n\r]{1,22}/"
LINES = r"_LINES: /\n{1,4}/"
TEXT = r"TEXT: /(.|\n)*/"


def control_pieces(vocabulary: TokenVocabulary) -> dict[str, int]:
    """The control tokens by their text."""
    return {text: token for text, token in vocabulary.special_pieces().items() if vocabulary.is_control(token)}


def mark_rule(name: str, mark: str, controls: Mapping[str, int]) -> str:
    """A Lark rule for a mark."""
    return f"{name}: {' '.join(atoms(mark, controls))}"


def text_until_rule(name: str, mark: str, controls: Mapping[str, int]) -> str:
    """Lark rules for `TEXT` up to where a mark first occurs, and the mark."""
    first, *rest = atoms(mark, controls)
    if first.startswith("<"):
        return f"{name}: TEXT? {' '.join((first, *rest))}"
    # Text and mark are one lazy terminal: text by itself would go on over the mark.
    return f"{name}: {name}_text {' '.join(rest)}\n{name}_text[lazy]: TEXT {first}"


def atoms(mark: str, controls: Mapping[str, int]) -> list[str]:
    """A text as Lark writes it: strings, and token ids for the control tokens in it."""
    found = sorted((piece for piece in controls if piece in mark), key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, found))})", mark) if found else [mark]
    atoms = [
        f"<[{controls[part]}]>" if part in controls else json.dumps(part, ensure_ascii=False) for part in parts if part
    ]
    return atoms or ['""']
