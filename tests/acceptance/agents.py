"""Coding agents: how each is told of the server, asked, and asked again in the same session."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.acceptance.clients import AIDER, CLAUDE, CODEX, OPENCODE, PI, QWEN, Client

CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"


@dataclass(frozen=True, slots=True)
class Agent:
    """`first` and `again` are the arguments before the message.

    `setup` writes files into a home and a project, given the server's address, and tells variables for the
    environment. `route` is what the agent needs of a server. `has_tools`: it calls tools, and sends back what it was
    told; else it tells the story in its own words.
    """

    name: str
    client: Client
    first: tuple[str, ...]
    again: tuple[str, ...]
    setup: Callable[[Path, Path, str], Mapping[str, str]]
    route: str = CHAT
    has_tools: bool = True


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _pi(home: Path, _: Path, url: str, *, api: str = "openai-completions") -> Mapping[str, str]:
    base = url if api == "anthropic-messages" else f"{url}/v1"
    model = {"id": "m", "reasoning": True, "contextWindow": 262_144, "maxTokens": 4096}
    local = {"baseUrl": base, "api": api, "apiKey": "none", "models": [model]}
    _write(home / "pi" / "models.json", {"providers": {"local": local}})
    return {"PI_CODING_AGENT_DIR": str(home / "pi"), "PI_OFFLINE": "1", "PI_TELEMETRY": "0"}


def _opencode(_: Path, project: Path, url: str) -> Mapping[str, str]:
    model = {"tool_call": True, "reasoning": True, "limit": {"context": 262_144, "output": 4096}}
    options = {"baseURL": f"{url}/v1", "apiKey": "none"}
    local = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"m": model}}
    config = {"model": "local/m", "small_model": "local/m", "autoupdate": False, "share": "disabled"}
    _write(project / "opencode.json", config | {"provider": {"local": local}})
    return {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


def _qwen(_: Path, __: Path, url: str) -> Mapping[str, str]:
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": "m"}


def _aider(_: Path, __: Path, url: str) -> Mapping[str, str]:
    return {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "none"}


def _claude(_: Path, __: Path, url: str) -> Mapping[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": "none",
        "ANTHROPIC_MODEL": "m",
        "ANTHROPIC_SMALL_FAST_MODEL": "m",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(home: Path, _: Path, url: str) -> Mapping[str, str]:
    provider = f'name = "local"\nbase_url = "{url}/v1"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n'
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f'model = "m"\nmodel_provider = "local"\n[model_providers.local]\n{provider}')
    return {"OPENAI_API_KEY": "none"}


_PI = ("-p", "--mode", "json", "--provider", "local", "--model", "m")
_OPENCODE = ("run", "-m", "local/m", "--auto", "--format", "json")
_QWEN = ("--auth-type", "openai", "--yolo")
_AIDER = (
    *("--model", "openai/m", "--yes-always", "--no-git", "--no-auto-commits", "--no-check-update"),
    *("--no-show-model-warnings", "--analytics-disable", "--restore-chat-history", "--message"),
)
_CLAUDE = ("--allowedTools", "Bash", "-p")
_CODEX = ("exec", "--skip-git-repo-check", "--sandbox", "read-only")

AGENTS: Final = {
    agent.name: agent
    for agent in (
        Agent("pi", PI, _PI, (*_PI, "-c"), _pi),
        Agent("pi-messages", PI, _PI, (*_PI, "-c"), partial(_pi, api="anthropic-messages"), route=MESSAGES),
        Agent("pi-responses", PI, _PI, (*_PI, "-c"), partial(_pi, api="openai-responses"), route=RESPONSES),
        Agent("opencode", OPENCODE, _OPENCODE, (*_OPENCODE, "-c"), _opencode),
        Agent("qwen", QWEN, (*_QWEN, "-p"), (*_QWEN, "-c", "-p"), _qwen),
        Agent("aider", AIDER, _AIDER, _AIDER, _aider, has_tools=False),
        Agent("claude", CLAUDE, _CLAUDE, ("-c", *_CLAUDE), _claude, route=MESSAGES),
        Agent("codex", CODEX, _CODEX, (*_CODEX, "resume", "--last"), _codex, route=RESPONSES),
    )
}
