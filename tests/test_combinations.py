"""Any combination of sizes serves, or is refused in a line that says what to do; none ends the process."""

import re
from collections import Counter

import pytest

from tests.kit.combinations import Outcome, run_apart
from tests.kit.models import MODELS

N_ALL = 2000
N_PARTS = 8


def _check(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        is_refused = outcome.line.startswith("refused: ") and re.search(r"; (pass|try) ", outcome.line)
        assert outcome.line.startswith("started") or is_refused, outcome
        assert "\\n" not in outcome.line, outcome
    n_started = Counter(outcome.settings["model"] for outcome in outcomes if outcome.line.startswith("started"))
    assert all(n_started[name] >= len(outcomes) / len(MODELS) / 3 for name in MODELS), n_started


def test_no_combination_of_sizes_ends_the_process() -> None:
    _check(run_apart(range(5 * len(MODELS))))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(N_PARTS))
def test_none_of_2000_combinations_of_sizes_ends_the_process(part: int) -> None:
    _check(run_apart(range(part, N_ALL, N_PARTS)))
