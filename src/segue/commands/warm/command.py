"""`segue warm` on the command line."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
from cyclopts import Parameter, Token
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from segue.commands.warm.prompt import PromptError, WarmPrompt, load

_DATA = "data: "
_URL = "http://127.0.0.1:8080"


def _url(_: object, tokens: Sequence[Token]) -> str:
    """The server's own address; that of OpenAI's API, which clients are given, ends in /v1."""
    text = tokens[0].value
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not the address of a server, such as {_URL}")
    return text.rstrip("/").removesuffix("/v1")


def warm(
    *files: Annotated[Path, Parameter(required=True)],
    url: Annotated[str, Parameter(converter=_url)] = _URL,
    api_key: Annotated[str, Parameter(env_var="LLAMA_API_KEY")] = "",
) -> int:
    """Have a running server read prompts ahead, so that the first request with them need not wait.

    With --cache-dir the server keeps them over restarts, too. Nothing is generated.

    Parameters
    ----------
    files
        Chats as JSON, such as {"messages": [...], "tools": [...]}, in files that end in .json; or text.
    url
        Where the server is.
    api_key
        The key to send, whose cache it is that gets warm.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("tokens"))
    try:
        prompts = [load(file) for file in files]
        with httpx.Client(base_url=url, headers=headers, timeout=None, trust_env=False) as http:
            for prompt in prompts:
                with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
                    n_read, n_prompt = _read(http, prompt, bar)
                print(f"{prompt.name}: {n_prompt:,} tokens, {n_read:,} of them read now")
    except PromptError as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(
            f"segue: no server answers at {url} ({error}); start one with segue serve, or pass --url", file=sys.stderr
        )
        return 1
    return 0


def _read(http: httpx.Client, prompt: WarmPrompt, bar: Progress) -> tuple[int, int]:
    """Have a prompt read; how many of its tokens were, and how many it has. Raises PromptError if it is refused."""
    task = bar.add_task(prompt.name, total=None)
    timings: Mapping[str, Any] = {}
    for event in _events(http, prompt):
        if progress := event.get("prompt_progress"):
            bar.update(task, completed=progress["processed"], total=progress["total"])
        timings = event.get("timings") or timings
    return int(timings.get("prompt_n", 0)), int(timings.get("prompt_n", 0)) + int(timings.get("cache_n", 0))


def _events(http: httpx.Client, prompt: WarmPrompt) -> Iterator[Any]:
    body = {**prompt.body, "stream": True, "return_progress": True}
    with http.stream("POST", prompt.path, json=body) as response:
        if response.is_error:
            raise PromptError(_refusal(prompt, response.read()))
        for line in response.iter_lines():
            if line.startswith(_DATA) and line != _DATA + "[DONE]":
                event = json.loads(line[len(_DATA) :])
                if "error" in event:
                    raise PromptError(f"{prompt.name}: {event['error']['message']}")
                yield event


def _refusal(prompt: WarmPrompt, answer: bytes) -> str:
    try:
        return f"{prompt.name}: {json.loads(answer)['error']['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{prompt.name}: the server refused it"
