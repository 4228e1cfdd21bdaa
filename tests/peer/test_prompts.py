"""Templates render as llama-server's do, byte for byte but for the BOS, or differ in a way that the table names."""

import pytest

from tests.peer.conversations import ROWS
from tests.peer.prompts import KINDS, OTHER, SETS, expected, found


@pytest.mark.acceptance
@pytest.mark.parametrize("of", [pytest.param(of, marks=[pytest.mark.client_ci] * (of == "kit")) for of in SETS])
@pytest.mark.parametrize("row", ROWS)
def test_prompts_are_the_same_but_for_what_the_table_names(row: str, of: str) -> None:
    assert found(of)[row] == expected(of)[row]


def test_all_differences_have_a_kind() -> None:
    tables = [expected(of) for of in SETS]
    assert {kind for table in tables for kinds in table.values() for kind in kinds} <= set(KINDS)
    others = {(row, name) for table in tables for row, kinds in table.items() for name in kinds.get("other", ())}
    assert others == set(OTHER)
