"""Client libraries: how each talks for two turns, with the call of a tool in each."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anthropic
import openai
from openai.types.chat import ChatCompletionMessage, ChatCompletionToolParam

from tests.acceptance.clients import AI_SDK, NODE, PYTHON, require
from tests.kit.waiting import PATIENCE_S

Converse = Callable[[str, Path], str]
"""Talks with the server at an address, with files in a directory; what was said."""

_SCRIPTS: Final = Path(__file__).parent / "scripts"
_SYSTEM: Final = "You speak."
_QUESTIONS: Final = ("Say the first thing", "Say the second thing")
_WORDS: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"words": {"type": "string"}},
    "required": ["words"],
}
_SPEAK: Final[ChatCompletionToolParam] = {
    "type": "function",
    "function": {"name": "speak", "description": "Says words.", "parameters": _WORDS},
}


def _openai(url: str, _: Path, *, is_streamed: bool = False) -> str:
    messages: list[Any] = [{"role": "system", "content": _SYSTEM}]
    said = []
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        for question in _QUESTIONS:
            messages.append({"role": "user", "content": question})
            while (reply := _reply(client, messages, is_streamed=is_streamed)).tool_calls:
                messages.append(reply.model_dump(exclude_none=True))
                for call in reply.tool_calls:
                    assert call.type == "function"
                    words = json.loads(call.function.arguments)["words"]
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": words})
            messages.append(reply.model_dump(exclude_none=True))
            said.append(str(reply.content))
    return "\n".join(said)


def _reply(client: openai.OpenAI, messages: list[Any], *, is_streamed: bool) -> ChatCompletionMessage:
    if not is_streamed:
        return client.chat.completions.create(model="m", messages=messages, tools=[_SPEAK]).choices[0].message
    with client.chat.completions.stream(model="m", messages=messages, tools=[_SPEAK]) as stream:
        return stream.get_final_completion().choices[0].message


def _openai_streamed(url: str, home: Path) -> str:
    return _openai(url, home, is_streamed=True)


def _anthropic(url: str, _: Path) -> str:
    messages: list[Any] = []
    said = []
    tools: list[Any] = [{"name": "speak", "description": "Says words.", "input_schema": _WORDS}]
    with anthropic.Anthropic(base_url=url, api_key="none") as client:
        for question in _QUESTIONS:
            results: list[Any] = [{"type": "text", "text": question}]
            while results:
                messages.append({"role": "user", "content": results})
                reply = client.messages.create(
                    model="m", max_tokens=500, system=_SYSTEM, messages=messages, tools=tools
                )
                messages.append({"role": "assistant", "content": reply.content})
                results = [
                    {"type": "tool_result", "tool_use_id": block.id, "content": str(block.input["words"])}
                    for block in reply.content
                    if block.type == "tool_use"
                ]
            said += [block.text for block in reply.content if block.type == "text"]
    return "\n".join(said)


def _langchain(url: str, home: Path) -> str:
    require(PYTHON)
    return _run([str(PYTHON.directory / "bin" / "python"), str(_SCRIPTS / "langchain_chat.py"), url], home)


def _llm(url: str, home: Path) -> str:
    model = {"model_id": "m", "model_name": "m", "api_base": f"{url}/v1", "supports_tools": True}
    (home / "extra-openai-models.yaml").write_text(json.dumps([model]))
    functions = "def speak(words: str) -> str:\n    'Says words.'\n    return words"
    command = [PYTHON.program("llm"), "-m", "m", "-s", _SYSTEM, "--functions", functions]
    return _run([*command, _QUESTIONS[0]], home) + _run([*command, "-c", _QUESTIONS[1]], home)


def _ai_sdk(url: str, home: Path) -> str:
    require(AI_SDK)
    node = str(NODE.directory / "bin" / "node")
    return _run([node, str(_SCRIPTS / "ai_sdk.mjs"), str(AI_SDK.directory), url], home)


def _run(command: list[str], home: Path) -> str:
    environment = {"HOME": str(home), "LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none", "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=home, env=environment, timeout=PATIENCE_S, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


SDKS: Final[dict[str, Converse]] = {
    "openai": _openai,
    "openai-streamed": _openai_streamed,
    "anthropic": _anthropic,
    "langchain": _langchain,
    "llm": _llm,
    "ai-sdk": _ai_sdk,
}
