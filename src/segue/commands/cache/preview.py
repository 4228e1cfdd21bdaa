"""The text at the end of stored prompts."""

from pathlib import Path
from typing import Final

from segue.commands.cache.contents import DirectoryContents
from segue.engine.model import open_vocabulary
from segue.engine.model_files import digest

_N_TOKENS: Final = 200
_N_CHARACTERS: Final = 60


def previews(contents: DirectoryContents, model: Path) -> dict[str, str]:
    """The beginning of the last tokens of each checkpoint of this model, as one line by id; others have no text.

    Loads only the model's vocabulary. Raises ModelError.
    """
    with open_vocabulary(model) as vocabulary:
        own = digest(model)
        texts = {}
        for checkpoint in contents.checkpoints:
            if contents.models[checkpoint.model].get("model") == own:
                ids = [int(token) for token in checkpoint.tail(_N_TOKENS) if 0 <= token < vocabulary.n_tokens]
                text = b"".join(vocabulary.piece(token) for token in ids).decode("utf-8", "replace")
                texts[checkpoint.id] = _line(text)[:_N_CHARACTERS]
    return texts


def _line(text: str) -> str:
    """The text without line breaks and control characters."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
