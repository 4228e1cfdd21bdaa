"""The demo's client: it streams replies over HTTP as any agent does."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx

from segue.demo.error import DemoError
from segue.demo.reply import DemoReply

OnProgress = Callable[[int, int], None]
_DATA: Final = "data: "


class Client:
    """Talks to one server. Raises DemoError for a refusal, and httpx.TransportError when it is gone."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def ask(self, body: Mapping[str, Any], *, use_cache: bool, on_progress: OnProgress) -> DemoReply:
        """Send a request and wait for the whole reply; `on_progress` gets how many of the prompt's tokens are done."""
        options = {"cache_prompt": use_cache, "stream": True, "return_progress": True}
        started = time.perf_counter()
        first_s: float | None = None
        text, cache = "", None
        for event in self._events({**body, **options}):
            if progress := event.get("prompt_progress"):
                on_progress(progress["processed"], progress["total"])
            delta = event["choices"][0]["delta"]
            said = (delta.get("reasoning_content") or "") + (delta.get("content") or "")
            if said and first_s is None:
                first_s = time.perf_counter() - started
            text += said
            cache = event.get("cache") or cache
        if cache is None:
            raise DemoError("the server ended a reply without saying what became of the prompt")
        return DemoReply.of(text, cache, 1000 * (time.perf_counter() - started if first_s is None else first_s))

    def _events(self, body: Mapping[str, Any]) -> Iterator[Any]:
        with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.is_error:
                raise DemoError(_refusal(json.loads(response.read())))
            for line in response.iter_lines():
                if line.startswith(_DATA) and line != _DATA + "[DONE]":
                    event = json.loads(line[len(_DATA) :])
                    if "error" in event:
                        raise DemoError(_refusal(event))
                    yield event


def _refusal(answer: Mapping[str, Any]) -> str:
    return f"the server refused a request: {' '.join(answer['error']['message'].split())}"
