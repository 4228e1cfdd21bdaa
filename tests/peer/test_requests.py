"""The same requests to both servers: the answers have the same structure, but for the deviations that are listed."""

from functools import cache

import pytest

from tests.peer.comparison import differences
from tests.peer.rows import ROWS, SERVERS
from tests.peer.servers import both
from tests.peer.table import deviations

pytestmark = [pytest.mark.acceptance, pytest.mark.client_ci]


@cache
def found(server: str) -> dict[str, list[str]]:
    """What differs in the answers to each request of a pair of servers, asked one after another."""
    told: dict[str, list[str]] = {}
    with both(SERVERS[server].model(), SERVERS[server].flags) as servers:
        for row in ROWS:
            if row.server == server:
                answers = (
                    client.request(row.method, row.path, json=row.body) for client in (servers.segue, servers.llama)
                )
                told[row.name] = differences(*answers, is_free=row.is_free)
    return told


def test_each_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {name for deviation in deviations() for name in deviation.rows} <= set(names)


@pytest.mark.parametrize("server", SERVERS)
def test_answers_have_the_same_structure(server: str) -> None:
    unexplained = [
        f"{row}: {difference}"
        for row, differences in found(server).items()
        for difference in differences
        if not any(deviation.explains(row, difference) for deviation in deviations())
    ]
    assert not unexplained, "\n".join(unexplained)


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_listed_differs(server: str) -> None:
    listed = [(deviation, row) for deviation in deviations() for row in deviation.rows if row in found(server)]
    stale = [
        f"{row}: {deviation.what}"
        for deviation, row in listed
        if not any(deviation.explains(row, difference) for difference in found(server)[row])
    ]
    assert not stale, "\n".join(stale)
