"""A client of either server: what a request says, and how long it took."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

Message = dict[str, Any]
_GREEDY: dict[str, Any] = {"temperature": 0, "ignore_eos": True, "cache_prompt": True}
_DATA = "data: "


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation as a client sends it. The reply always has `n_predict` tokens."""

    messages: tuple[Message, ...]
    tools: tuple[Message, ...]
    n_predict: int

    def body(self) -> dict[str, Any]:
        """The JSON for `/v1/chat/completions`. Thinking is said to be on: llama-server assumes so, others need not."""
        tools = {"tools": list(self.tools)} if self.tools else {}
        kwargs = {"enable_thinking": True}
        return {"messages": list(self.messages), "max_tokens": self.n_predict, "chat_template_kwargs": kwargs} | tools


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` is all that was generated; `n_read` of the prompt's `n_prompt` tokens were read. Times as the client saw.

    Of the `n_drafted` tokens that were guessed, `n_accepted` held.
    `ttft_s`: until the first token of a stream, else until the whole reply.
    """

    text: str
    n_prompt: int
    n_read: int
    n_generated: int
    ttft_s: float
    total_s: float
    n_drafted: int = 0
    n_accepted: int = 0


class Client:
    """Sends requests to one server. Threads may share it. Raises httpx.HTTPStatusError for an error answer."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def chat(self, chat: Chat) -> Reply:
        """Send a conversation; the reply comes in one piece."""
        started = time.perf_counter()
        answer = self._post("/v1/chat/completions", chat.body())
        total_s = time.perf_counter() - started
        message = answer["choices"][0]["message"]
        return _reply(_said(message), answer["timings"], total_s, total_s)

    def complete(self, prompt: list[int], n_predict: int) -> Reply:
        """Send a raw prompt of token ids; the reply comes in one piece."""
        started = time.perf_counter()
        answer = self._post("/completion", {"prompt": prompt, "n_predict": n_predict})
        total_s = time.perf_counter() - started
        return _reply(answer["content"], answer["timings"], total_s, total_s)

    def stream(self, chat: Chat) -> Reply:
        """Send a conversation, and note when the first token comes."""
        started = time.perf_counter()
        ttft_s, text = 0.0, ""
        timings: dict[str, Any] = {}
        for event in self._events("/v1/chat/completions", chat.body()):
            said = _said(event["choices"][0]["delta"]) if event.get("choices") else ""
            if said and not ttft_s:
                ttft_s = time.perf_counter() - started
            text += said
            timings = event.get("timings") or timings
        return _reply(text, timings, ttft_s, time.perf_counter() - started)

    def drain(self, prompt: list[int], n_predict: int) -> int:
        """Send a raw prompt of token ids, and let the reply stream by unread; how many bytes it had."""
        body = _GREEDY | {"prompt": prompt, "n_predict": n_predict, "stream": True}
        with self._http.stream("POST", "/completion", json=body) as response:
            response.raise_for_status()
            return sum(map(len, response.iter_raw()))

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        response = self._http.post(path, json=body | _GREEDY)
        response.raise_for_status()
        return response.json()

    def _events(self, path: str, body: dict[str, Any]) -> Iterator[Any]:
        with self._http.stream("POST", path, json=body | _GREEDY | {"stream": True}) as response:
            if response.is_error:
                response.read()
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith(_DATA) and line != _DATA + "[DONE]":
                    yield json.loads(line[len(_DATA) :])


def _said(message: Message) -> str:
    return (message.get("reasoning_content") or "") + (message.get("content") or "")


def _reply(text: str, timings: dict[str, Any], ttft_s: float, total_s: float) -> Reply:
    n_read = timings["prompt_n"]
    drafts = timings.get("draft_n", 0), timings.get("draft_n_accepted", 0)
    return Reply(text, timings["cache_n"] + n_read, n_read, timings["predicted_n"], ttft_s, total_s, *drafts)
