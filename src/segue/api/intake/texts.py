"""Reads the texts of requests for embeddings. Slow on long ones: use a worker thread."""

from collections.abc import Mapping

from segue.api.intake.prompts import mixed_tokens
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import ApiError, invalid, not_supported

MAX_TEXTS = 2048
_FORMS = "a text, token ids, both mixed, {'prompt_string': ...}, {'content': [text parts]}, or a list of such"


def read_texts(backend: Backend, given: object, field: str) -> list[Tokens]:
    """The texts of a field: one in any form of `_FORMS`, or a list of such. Raises ApiError."""
    texts = given if isinstance(given, list) and not any(type(item) is int for item in given) else [given]
    check_number(len(texts), field)
    return [fitting(backend, _tokens(backend, text, field), i, field) for i, text in enumerate(texts)]


def check_number(n_texts: int, field: str) -> None:
    """Raise ApiError for no texts, and for too many."""
    if not 0 < n_texts <= MAX_TEXTS:
        raise invalid(f"Field '{field}': it must have 1 to {MAX_TEXTS} texts")


def fitting(backend: Backend, tokens: Tokens, i: int, field: str) -> Tokens:
    """The tokens of text `i`. Raises ApiError if there are none, or more than can be computed at once."""
    n_most = backend.embeddings.n_tokens
    if len(tokens) == 0:
        raise invalid(f"Field '{field}.{i}': it has no tokens")
    if len(tokens) > n_most:
        message = (
            f"Text {i} is too large to process: it has {len(tokens)} tokens, and {n_most} can be embedded; "
            "see --ubatch-size and --ctx-size"
        )
        details = {"n_prompt_tokens": len(tokens), "n_ctx": n_most}
        raise ApiError("exceed_context_size_error", message, details=details)
    return tokens


def _tokens(backend: Backend, text: object, field: str) -> Tokens:
    if isinstance(text, Mapping):
        text = _text_of(text, field)
    if isinstance(text, str):
        return backend.tokenizer.plain(text, add_special=True, parse_special=True)
    if not isinstance(text, list) or not all(type(item) in (int, str) for item in text):
        raise invalid(f"Field '{field}': it must be {_FORMS}")
    return mixed_tokens(backend, text, add_special=True, parse_special=True)


def _text_of(given: Mapping[str, object], field: str) -> object:
    """The text of an object, None if there is none. Raises ApiError for what a model would have to see or hear."""
    if given.get("multimodal_data"):
        raise not_supported(f"Field '{field}': images, audio and files are not supported")
    content = given.get("content")
    if not isinstance(content, list):
        return given.get("prompt_string")
    parts = [part if isinstance(part, Mapping) else {} for part in content]
    others = [part.get("type") for part in parts if part.get("type") != "text" or not isinstance(part.get("text"), str)]
    if others:
        raise invalid(f"Field '{field}': only parts of type text can be embedded, not {str(others[0])[:40]!r}")
    return "".join(str(part["text"]) for part in parts)
