"""Prompts: from text, token ids or messages to what a job reads. Slow on long ones, so it runs on a worker thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from segue.api.constraints import Wanted
from segue.api.conversation import check, render, with_known_tools
from segue.api.errors import from_job, invalid, not_supported
from segue.api.events import Keep, Reply, StopType, forget
from segue.api.requests import ChatRequest
from segue.api.service import Backend, Service
from segue.api.tool_choice import wanted_of_chat
from segue.chat.breakpoints import Wish, with_breakpoints
from segue.chat.reply.echo import Turn
from segue.chat.reply.speech import Speech, speech_after
from segue.chat.vocabulary import Vocabulary
from segue.loop.job import Tokens, context_exceeded
from segue.policy.placement import PromptMarks


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to read, and where a checkpoint of them is likely to pay."""

    tokens: Tokens
    marks: PromptMarks


@dataclass(frozen=True, slots=True)
class Chat:
    """The prompt of a conversation, what replies to it are like and must be like, and what is to become of each."""

    prompt: Prompt
    speech: Speech
    wanted: Wanted | None
    keep: Keep


def from_chat(service: Service, request: ChatRequest, scope: str, wishes: Sequence[Wish] = ()) -> Chat:
    """What a conversation asks for, in a cache scope. Raises ApiError."""
    chat = encode_chat(service, request, scope, wishes)
    checked(chat.prompt, service.backend)
    return chat


def encode_chat(service: Service, request: ChatRequest, scope: str, wishes: Sequence[Wish] = ()) -> Chat:
    """The same, however long the prompt is. Raises ApiError."""
    check(request)
    backend, request = service.backend, with_known_tools(service, request, scope)
    tools = () if request.tool_choice == "none" else request.tools or ()
    keeps = service.settings.keep_replies
    if keeps:
        service.farewells.wait(scope)
    recalled, found = backend.echo.recalled(scope, request.messages) if keeps else (request.messages, {})
    rendered = render(service, request.model_copy(update={"messages": recalled}), scope)
    rendered = backend.echo.restored(with_breakpoints(rendered, wishes), tools, found)
    prompt = Prompt(*backend.tokenizer.encode(rendered, scope))
    turn = backend.echo.turn(scope, request.messages, tools, rendered, prompt.tokens)
    parses_reasoning = request.reasoning_format != "none"
    speech = speech_after(backend.family, rendered.text, tools, parses_reasoning=parses_reasoning)
    wanted = wanted_of_chat(request, speech, backend.controls)
    return Chat(prompt, speech, wanted, partial(_keep, backend, turn, bool(request.stream)) if keeps else forget)


def _keep(backend: Backend, turn: Turn, is_streamed: bool, reply: Reply) -> None:
    """Keep a reply as it was written; of one that was streamed or interrupted the client may have a part only."""
    tokens = [token for token in reply.said_tokens if not backend.vocabulary.is_eog(token)]
    is_whole = reply.stop in (StopType.EOS, StopType.LIMIT)
    if is_whole:
        backend.echo.keep(turn, reply.said, tokens)
    if (is_streamed or not is_whole) and reply.end.error is None and tokens:
        backend.echo.keep_interrupted(turn, reply.said, tokens)


def from_completion(backend: Backend, prompt: object, scope: str) -> list[Prompt]:
    """The prompts of a completion: a text, token ids, both mixed, `{"prompt_string": ...}`, or a list of such.

    Raises ApiError.
    """
    is_list = isinstance(prompt, list) and not any(isinstance(item, int) for item in prompt)
    parts = prompt if isinstance(prompt, list) and is_list else [prompt]
    if not parts:
        raise invalid("Field 'prompt': it must not be empty")
    return [checked(_one(backend, part, scope), backend) for part in parts]


def _one(backend: Backend, part: object, scope: str) -> Prompt:
    if isinstance(part, Mapping) and "prompt_string" in part:
        if part.get("multimodal_data"):
            raise not_supported("Field 'prompt': images, audio and files are not supported")
        part = part["prompt_string"]
    if isinstance(part, str):
        return Prompt(*backend.tokenizer.encode(part, scope))
    return Prompt(mixed_tokens(backend, part, add_special=True, parse_special=True), PromptMarks())


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


def ids_to_tokens(vocabulary: Vocabulary, ids: list[int]) -> Tokens:
    """Token ids of a request. Raises ApiError for one that is not in the vocabulary."""
    if ids and not (min(ids) >= 0 and max(ids) < vocabulary.n_tokens):
        raise invalid(f"The prompt contains invalid tokens: ids must be from 0 to {vocabulary.n_tokens - 1}")
    return np.array(ids, dtype=np.int32)


def checked(prompt: Prompt, backend: Backend) -> Prompt:
    """The prompt itself. Raises ApiError if it is empty or does not fit the context, or nothing can be generated."""
    if not backend.can_generate:
        raise not_supported("This model has no logits, and cannot generate text; ask it for embeddings instead")
    n_prompt, n_ctx = len(prompt.tokens), backend.loop.n_ctx
    if n_prompt == 0:
        raise invalid("The prompt is empty: it has no tokens")
    if n_prompt >= n_ctx:
        raise from_job(context_exceeded(n_prompt, n_ctx))
    return prompt
