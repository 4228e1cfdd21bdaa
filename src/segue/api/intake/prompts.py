"""Reads prompts that are not chats: text, token ids or both. Slow on long prompts: use a worker thread."""

from collections.abc import Mapping
from itertools import groupby

import numpy as np

from segue.chat.tokens.tokenizer import EncodedPrompt
from segue.chat.vocabulary import TokenVocabulary
from segue.loop.end import context_exceeded
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import from_job, invalid, not_supported


def from_completion(backend: Backend, prompt: object, namespace: str) -> list[EncodedPrompt]:
    """The prompts of a completion: a text, token ids, both mixed, `{"prompt_string": ...}`, or a list of such.

    Raises ApiError.
    """
    is_list = isinstance(prompt, list) and not any(isinstance(item, int) for item in prompt)
    parts = prompt if isinstance(prompt, list) and is_list else [prompt]
    if not parts:
        raise invalid("Field 'prompt': it must not be empty")
    return [checked(_one(backend, part, namespace), backend) for part in parts]


def _one(backend: Backend, part: object, namespace: str) -> EncodedPrompt:
    if isinstance(part, Mapping) and "prompt_string" in part:
        if part.get("multimodal_data"):
            raise not_supported("Field 'prompt': images, audio and files are not supported")
        part = part["prompt_string"]
    if isinstance(part, str):
        return backend.tokenizer.encode(part, namespace)
    return EncodedPrompt(mixed_tokens(backend, part, add_special=True, parse_special=True))


def mixed_tokens(backend: Backend, items: object, *, add_special: bool, parse_special: bool) -> Tokens:
    """The tokens of a text, or of a list of texts and token ids; special tokens are added to a text that comes first.

    Raises ApiError for anything else.
    """
    if isinstance(items, str):
        items = [items]
    if not isinstance(items, list) or not all(type(item) in (int, str) for item in items):
        raise invalid("Field 'prompt': it must be a text, a list of token ids, or a list of both or of several prompts")
    runs: list[Tokens] = []
    for is_text, run in groupby(items, lambda item: isinstance(item, str)):
        if not is_text:
            runs.append(ids_to_tokens(backend.vocabulary, list(run)))
            continue
        for text in run:
            is_first = add_special and not runs
            runs.append(backend.tokenizer.plain(text, add_special=is_first, parse_special=parse_special))
    return np.concatenate(runs, dtype=np.int32) if runs else np.empty(0, np.int32)


def ids_to_tokens(vocabulary: TokenVocabulary, ids: list[int]) -> Tokens:
    """Token ids of a request. Raises ApiError for one that is not in the vocabulary."""
    if ids and not (min(ids) >= 0 and max(ids) < vocabulary.n_tokens):
        raise invalid(f"The prompt contains invalid tokens: ids must be from 0 to {vocabulary.n_tokens - 1}")
    return np.array(ids, dtype=np.int32)


def checked(prompt: EncodedPrompt, backend: Backend) -> EncodedPrompt:
    """The prompt itself. Raises ApiError if it is empty or does not fit the context, or nothing can be generated."""
    if not backend.can_generate:
        raise not_supported("This model has no logits, and cannot generate text; ask it for embeddings instead")
    n_prompt, n_ctx = len(prompt.tokens), backend.loop.n_ctx
    if n_prompt == 0:
        raise invalid("The prompt is empty: it has no tokens")
    if n_prompt >= n_ctx:
        raise from_job(context_exceeded(n_prompt, n_ctx))
    return prompt
