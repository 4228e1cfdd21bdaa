"""llama.cpp's own tests of its server, on both servers with the same models: Segue passes what llama-server passes."""

import tomllib
from functools import cache

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
def listed() -> dict[str, bool]:
    """The tests that Segue fails, and whether it fails them by chance."""
    table = tomllib.loads(TABLE.read_text())
    return {name: item.get("by_chance", False) for item in table["fails"] for name in item["tests"]}


def test_what_llama_server_passes_and_segue_fails_is_listed() -> None:
    assert not passed("llama") - passed("segue") - listed().keys()


def test_what_is_listed_fails() -> None:
    assert not {name for name, is_by_chance in listed().items() if not is_by_chance} & passed("segue")


def test_most_pass() -> None:
    assert len(passed("segue") & passed("llama")) >= N_EXPECTED
