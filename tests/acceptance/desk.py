"""A home and a project in which an agent works, out of sight of the user's own."""

import subprocess
from pathlib import Path

from tests.acceptance.agents import Agent
from tests.acceptance.clients import search_path
from tests.kit.waiting import PATIENCE_S


class Desk:
    """A session of one agent; what it says outlives the server."""

    def __init__(self, agent: Agent, directory: Path) -> None:
        self._agent = agent
        self._program = agent.client.program(agent.client.name)
        self._home = directory / "home"
        self._project = directory / "project"
        self._is_under_way = False
        for path in (self._home, self._project):
            path.mkdir()

    def ask(self, url: str, message: str) -> str:
        """Send a message in the session and wait for the agent to finish; what it printed."""
        done = self.run(url, message)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def run(self, url: str, message: str) -> subprocess.CompletedProcess[str]:
        """The same, whether or not the agent succeeds."""
        arguments = self._agent.again if self._is_under_way else self._agent.first
        environment = {"HOME": str(self._home), "PATH": search_path(), "LANG": "C.UTF-8", "TERM": "dumb"}
        done = subprocess.run(
            [self._program, *arguments, message],
            cwd=self._project,
            env={**environment, **self._agent.setup(self._home, self._project, url)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        self._is_under_way = True
        return done
