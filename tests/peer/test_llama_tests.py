"""llama.cpp's own tests of its server, on both servers with the same models: Segue passes what llama-server passes."""

import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.clients import SOURCES, require
from tests.peer.llama_tests import TABLE, run

# Each runs llama.cpp's tests as a whole, which start a server each.
pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(7200)]

N_EXPECTED = 260


@cache
def passed(which: str) -> frozenset[str]:
    require(SOURCES)
    (sources,) = SOURCES.directory.glob("*/vendor/llama.cpp")
    return frozenset(name for name, outcome in run(which, sources).items() if outcome == "passed")


@cache
def excused() -> dict[str, str]:
    """The tests that Segue fails, with the reason."""
    table = tomllib.loads(Path(TABLE).read_text())
    return {name: item["why"] for item in table["fails"] for name in item["tests"]}


def test_what_llama_server_passes_and_segue_fails_is_listed() -> None:
    assert not passed("llama") - passed("segue") - excused().keys()


def test_what_is_listed_fails() -> None:
    assert not excused().keys() & passed("segue")


def test_most_pass() -> None:
    assert len(passed("segue") & passed("llama")) >= N_EXPECTED
