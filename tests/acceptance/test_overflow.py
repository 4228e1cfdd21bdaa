"""Agents see that a prompt is too long: their own code and their own patterns are run on the server's errors."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.agents import AGENTS
from tests.acceptance.clients import NODE, OPENCODE, PI, require
from tests.acceptance.desk import Desk
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

pytestmark = pytest.mark.acceptance

SCRIPTS = Path(__file__).parent / "scripts"
LONG = "x" * 100
N_CTX = 64


def node(script: str, *arguments: str) -> list[Any]:
    """What a script prints, one value a line."""
    command = [str(NODE.directory / "bin" / "node"), str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(server: Live) -> list[str]:
    """The messages of the error in every API that opencode uses."""
    chat = {"messages": [{"role": "user", "content": LONG}]}
    bodies: dict[str, dict[str, Any]] = {"chat/completions": chat, "responses": {"input": LONG}, "messages": chat}
    return [server.post(f"/v1/{path}", **body).json()["error"]["message"] for path, body in bodies.items()]


@pytest.mark.client_ci
def test_pi_sees_it_through_each_of_its_apis() -> None:
    require(PI)
    with live(FakeLoop(n_ctx=N_CTX)) as server:
        full = node("pi_overflow.mjs", str(PI.directory), server.url, LONG)
        fine = node("pi_overflow.mjs", str(PI.directory), server.url, "x")
    assert [told["isOverflow"] for told in full] == [True] * 3, full
    assert [told["isOverflow"] for told in fine] == [False] * 3
    assert [told["stopReason"] for told in fine] == ["stop"] * 3, fine


@pytest.mark.client_ci
def test_opencode_has_a_pattern_for_it(tmp_path: Path) -> None:
    program = Path(OPENCODE.program("opencode"))
    with live(FakeLoop(n_ctx=N_CTX)) as server:
        texts = [*messages(server), server.post("/v1/responses", input=3).json()["error"]["message"]]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    (found,) = node("opencode_overflow.mjs", str(program), str(tmp_path / "texts.json"))
    assert found["nPatterns"] > 20
    *full, other = found["matches"]
    assert all(full)
    assert other == []


@pytest.mark.parametrize(
    ("agent", "words"), [("codex", "ran out of room in the model's context window"), ("claude", "Prompt is too long")]
)
def test_agents_that_can_only_be_asked(agent: str, words: str, tmp_path: Path) -> None:
    desk = Desk(AGENTS[agent], tmp_path)
    with live(FakeLoop(n_ctx=N_CTX), alias=["m"]) as server:
        done = desk.run(server.url, "Say something")
    assert words in done.stdout + done.stderr
