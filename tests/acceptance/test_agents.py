"""Coding agents in two turns, each with the call of a tool: they work, and only what is new is read."""

from pathlib import Path

import httpx
import pytest

from tests.acceptance.agents import AGENTS, Agent
from tests.acceptance.desk import Desk
from tests.acceptance.part import MANNERS
from tests.acceptance.reading import check_turn, turns
from tests.kit.acted import Acted, acted
from tests.kit.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

THINKING = MANNERS["thinking"]
FIRST, SECOND = "Say the first thing", "Say the second thing"


def tool_users(*in_ci: str) -> list[object]:
    """The agents that call tools; the cases of those `in_ci` run with every test run."""
    return [
        pytest.param(agent, id=name, marks=[pytest.mark.client_ci] if name in in_ci else [])
        for name, agent in AGENTS.items()
        if agent.has_tools
    ]


def check_route(agent: Agent, server: Acted) -> None:
    """Skip the test if the server does not answer what the agent asks for."""
    if agent.route not in httpx.get(f"{server.url}/openapi.json", timeout=PATIENCE_S).json()["paths"]:
        pytest.skip(f"the server does not answer {agent.route}")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("agent", tool_users("pi"))
def test_two_turns(agent: Agent, manner: str, tmp_path: Path) -> None:
    desk = Desk(agent, tmp_path)
    with acted(MANNERS[manner], template=MANNERS[manner].template) as server:
        check_route(agent, server)
        assert "Answer" in desk.ask(server.url, FIRST)
        n_earlier = len(server.exchanges)
        check_turn(server, server.exchanges, 0)
        assert "Answer" in desk.ask(server.url, SECOND)
        check_turn(server, server.exchanges, n_earlier, forgets=manner == "forgetful")


@pytest.mark.parametrize("agent", tool_users("pi"))
def test_a_restart_between_two_turns(agent: Agent, tmp_path: Path) -> None:
    desk = Desk(agent, tmp_path)
    cache = tmp_path / "cache"
    with acted(THINKING, template=THINKING.template, cache_dir=cache) as server:
        check_route(agent, server)
        desk.ask(server.url, FIRST)
        earlier = list(server.exchanges)
    with acted(THINKING, template=THINKING.template, cache_dir=cache) as server:
        desk.ask(server.url, SECOND)
        check_turn(server, [*earlier, *server.exchanges], len(earlier))


@pytest.mark.client_ci
def test_a_title_in_between(tmp_path: Path) -> None:
    """With one slot, the request for the session's title takes the place of the session itself."""
    desk = Desk(AGENTS["opencode"], tmp_path)
    with acted(THINKING, template=THINKING.template, parallel=1) as server:
        desk.ask(server.url, FIRST)
        n_earlier = len(server.exchanges)
        assert len(turns(server, server.exchanges)) < n_earlier, "no title was asked for"
        desk.ask(server.url, SECOND)
        check_turn(server, server.exchanges, n_earlier)


def test_an_agent_that_retells(tmp_path: Path) -> None:
    """Aider writes the session down as text, in front of its rules: its system prompt is all that can be shared."""
    desk = Desk(AGENTS["aider"], tmp_path)
    with acted(lambda _: "Answer.") as server:
        for question in (FIRST, SECOND):
            assert "Answer" in desk.ask(server.url, question)
        first, second = server.exchanges
        system = server.loop.text(first.prompt).partition("<|im_start|>user")[0]
        assert second.end is not None
        assert second.end.timings.cache_n >= len(
            server.loop.vocabulary.tokenize(system, add_special=False, parse_special=True)
        )
