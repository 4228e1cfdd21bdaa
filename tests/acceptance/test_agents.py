"""Coding agents in two turns, each with the call of a tool: they work, and only what is new is read."""

from pathlib import Path

import httpx
import pytest

from tests.acceptance.agents import AGENTS, Agent
from tests.acceptance.desk import Desk
from tests.acceptance.part import COMPACT, PLAIN, SPOKEN, TALKING, THINKING, Manner
from tests.acceptance.reading import assert_goes_on, assert_reads_what_is_new
from tests.kit.acted import Acted, acted
from tests.kit.actor import Exchange
from tests.kit.cue import Cue, read_cue

pytestmark = pytest.mark.acceptance

_TEMPLATE_WRITES = "calls go back through the template, which writes JSON in its own way"

TOOL_USERS = [
    pytest.param(agent, id=agent.name, marks=[pytest.mark.client_ci] if agent.client.in_ci else [])
    for agent in AGENTS
    if agent.has_tools
]
MANNERS = [
    pytest.param(PLAIN, id="plain"),
    pytest.param(TALKING, id="talking"),
    pytest.param(THINKING, id="thinking"),
    pytest.param(
        COMPACT, id="compact", marks=pytest.mark.xfail(strict=True, raises=AssertionError, reason=_TEMPLATE_WRITES)
    ),
]


def check_route(agent: Agent, server: Acted) -> None:
    if agent.route not in httpx.get(f"{server.url}/openapi.json").json()["paths"]:
        pytest.skip(f"the server does not answer {agent.route}")


def turns(server: Acted, exchanges: list[Exchange]) -> list[tuple[Exchange, Cue]]:
    """The exchanges in which the agent itself speaks, not those of its errands, such as titles."""
    cues = [(exchange, read_cue(server.loop.text(exchange.prompt))) for exchange in exchanges]
    return [(exchange, cue) for exchange, cue in cues if cue.tools]


def check_turn(server: Acted, exchanges: list[Exchange], n_earlier: int) -> None:
    """Check the exchanges behind the first `n_earlier`: a call, its result, and nothing read twice."""
    spoken = turns(server, exchanges[n_earlier:])
    assert [cue.is_result for _, cue in spoken] == [False, True]
    assert SPOKEN in server.loop.text(spoken[1][0].prompt[len(spoken[0][0].path) :])
    for exchange, cue in spoken:
        earlier = exchanges[: exchanges.index(exchange)]
        if n_earlier or cue.is_result:
            assert_goes_on(server, exchange, earlier)
            assert_reads_what_is_new(exchange, earlier)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("agent", TOOL_USERS)
def test_two_turns(agent: Agent, manner: Manner, tmp_path: Path) -> None:
    desk = Desk(agent, tmp_path)
    with acted(manner, template=manner.template) as server:
        check_route(agent, server)
        assert "Answer" in desk.ask(server.url, "Say the first thing")
        n_earlier = len(server.exchanges)
        check_turn(server, server.exchanges, 0)
        assert "Answer" in desk.ask(server.url, "Say the second thing")
        check_turn(server, server.exchanges, n_earlier)


@pytest.mark.parametrize("agent", TOOL_USERS)
def test_a_restart_between_two_turns(agent: Agent, tmp_path: Path) -> None:
    desk = Desk(agent, tmp_path)
    with acted(THINKING, template=THINKING.template, cache_dir=tmp_path / "cache") as server:
        check_route(agent, server)
        desk.ask(server.url, "Say the first thing")
        earlier = list(server.exchanges)
    with acted(THINKING, template=THINKING.template, cache_dir=tmp_path / "cache") as server:
        desk.ask(server.url, "Say the second thing")
        check_turn(server, [*earlier, *server.exchanges], len(earlier))


@pytest.mark.client_ci
def test_a_title_in_between(tmp_path: Path) -> None:
    """With one slot, the request for the session's title takes the place of the session itself."""
    agent = next(agent for agent in AGENTS if agent.name == "opencode")
    desk = Desk(agent, tmp_path)
    with acted(THINKING, template=THINKING.template, parallel=1) as server:
        desk.ask(server.url, "Say the first thing")
        first = list(server.exchanges)
        assert len(turns(server, first)) < len(first), "no title was asked for"
        desk.ask(server.url, "Say the second thing")
        check_turn(server, server.exchanges, len(first))
