"""What rows tell of checkpoints that are lost, damaged rows among them."""

from dataclasses import replace

import numpy as np

from segue.storage.lost import lost_paths
from segue.storage.rows import EntryRow, SegmentRow
from tests.storage.making import alone, on_chain, segment

TRUNK = segment(0, 100, "a")
BRANCH = segment(60, 20, "b", parent="a")


def found(row: EntryRow, *segments: SegmentRow) -> list[list[int]]:
    """The paths that a row leads to."""
    return [tokens.tolist() for _, tokens in lost_paths([row], {one.file: one for one in segments})]


def test_a_path_is_that_of_the_chain_or_of_the_row_itself() -> None:
    branch = replace(BRANCH, tokens=np.full(20, 7, np.int32))
    assert found(replace(on_chain(75), segment="b"), TRUNK, branch) == [[*range(60), *15 * [7]]]
    assert found(replace(on_chain(40), segment="a"), TRUNK) == [[*range(40)]]
    assert found(alone(5), TRUNK) == [[*range(5)]]


def test_namespaces_are_those_of_the_rows() -> None:
    rows = [replace(alone(3), namespace=namespace) for namespace in ("", "tenant")]
    assert [namespace for namespace, _ in lost_paths(rows, {})] == ["", "tenant"]


def test_rows_that_lead_nowhere_are_left_out() -> None:
    on_branch = replace(on_chain(75), segment="b")
    assert found(on_branch, TRUNK) == []
    assert found(on_branch, BRANCH) == []
    assert found(replace(on_branch, n_tokens=60), TRUNK, BRANCH) == []
    assert found(replace(on_branch, n_tokens=81), TRUNK, BRANCH) == []
    assert found(replace(alone(5), n_tokens=6)) == []
    assert found(replace(alone(5), n_tokens=-1, tokens=np.empty(0, np.int32))) == []
    assert found(replace(on_chain(5), segment=None)) == []


def test_damaged_rows_that_lead_in_a_circle_end() -> None:
    first = replace(TRUNK, parent="b")
    assert found(replace(on_chain(75), segment="b"), first, BRANCH) == []
    assert found(replace(on_chain(75), segment="a"), replace(TRUNK, parent="a")) == []
    negative = replace(BRANCH, start=-5, parent="b")
    assert found(replace(on_chain(10), segment="b"), negative) == []
