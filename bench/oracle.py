"""What of a prompt must be read, if memory were unlimited: the yardstick for both servers.

Two figures for every request. *Must be read* is the one that the goal is about. *Beyond the longest common prefix* is
what plain attention with a perfect memory would read; no recurrent state can always stand there.

Must be read: the prompt's tokens after the deepest checkpoint on its path, where every earlier request left one at each
of these positions of its own path, and none was ever dropped:

- the end of every message, the system prompt with its tools included (stricter than the rule of the scenarios, which
  counts on the system prompt's and the last message's only);
- the prompt's end, with its logits: so an exact repeat reads nothing;
- the reply's end: all generated tokens but the last, which nobody read;
- the fork: where the prompt left the paths known before it, if it started from no checkpoint there. The request that
  first sees a fork pays for it, the next one does not.

The oracle renders with the model's own template and tokenises with libllama. It shares no code with Segue's templates
or cache, and each server's own count of a prompt's tokens is compared with the oracle's.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment
from numpy.typing import NDArray

from bench.client import Chat
from segue.engine.model import Model

Tokens = NDArray[np.int32]
_END = re.compile(re.escape("<|im_end|>\n"))


@dataclass(frozen=True, slots=True)
class Due:
    """Of `n_prompt` tokens, those that must be read, and those beyond the longest common prefix."""

    n_prompt: int
    n_must: int
    n_beyond_prefix: int


@dataclass(frozen=True, slots=True)
class _Path:
    """Tokens read, where checkpoints stand on them, and which of those kept their logits."""

    tokens: Tokens
    ends: frozenset[int]
    prompt_end: int


class Renderer:
    """The model's template and vocabulary."""

    def __init__(self, model: Path) -> None:
        loaded = Model(model)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        self._template = environment.from_string(loaded.chat_template or "")
        self._model = loaded

    def text(self, chat: Chat) -> str:
        """The prompt."""
        variables: dict[str, Any] = {"tools": list(chat.tools) or None, "enable_thinking": True}
        return self._template.render(messages=list(chat.messages), add_generation_prompt=True, **variables)

    def tokens(self, text: str) -> Tokens:
        """The tokens of a text with special tokens in it."""
        return self._model.vocabulary.tokenize(text, add_special=False, parse_special=True)

    def n_tokens(self, chat: Chat) -> int:
        """How long the prompt is."""
        return len(self.tokens(self.text(chat)))


class Oracle:
    """Hears each request with its reply, in the order of a server, and says what it had to read."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._paths: list[_Path] = []

    def judge(self, chat: Chat, reply: str) -> Due:
        """What this request had to read after all requests before; it is known from now on."""
        text = self._renderer.text(chat)
        tokens = self._renderer.tokens(text)
        n_prompt = len(tokens)
        shared = [(path, _n_common(path.tokens, tokens)) for path in self._paths]
        n_known = max((n for _, n in shared), default=0)
        start = max((_deepest(path, n, n_prompt) for path, n in shared), default=0)
        ends = {len(self._renderer.tokens(text[: end.end()])) for end in _END.finditer(text)}
        if start < n_known < n_prompt:
            ends.add(n_known)
        path = np.concatenate((tokens, self._renderer.tokens(reply)[:-1]))
        self._paths.append(_Path(path, frozenset(ends | {n_prompt, len(path)}), n_prompt))
        return Due(n_prompt, n_prompt - start, n_prompt - n_known)


def _n_common(a: Tokens, b: Tokens) -> int:
    n = min(len(a), len(b))
    differs = np.flatnonzero(a[:n] != b[:n])
    return int(differs[0]) if len(differs) else n


def _deepest(path: _Path, n_shared: int, n_prompt: int) -> int:
    """The deepest checkpoint of `path` in the first `n_shared` tokens; at the prompt's end only one with logits."""
    return max((n for n in path.ends if n <= n_shared and (n < n_prompt or n == path.prompt_end)), default=0)
