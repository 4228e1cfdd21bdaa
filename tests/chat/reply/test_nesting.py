"""Markers that nothing has closed yet."""

from segue.chat.reply.nesting import EMPTY
from segue.chat.reply.piece import Kind


def test_a_marker_closes_the_last_of_its_kind() -> None:
    nesting = EMPTY.opened(Kind.CALL, 1).opened(Kind.PARAMETER, 2).opened(Kind.SECTION, 4)
    assert nesting.cost == 7
    closed = nesting.closed(Kind.PARAMETER)
    assert closed is not None
    assert (closed[0].cost, closed[1]) == (1, 4)
    assert closed[0].closed(Kind.PARAMETER) is None
    assert closed[0].closed(Kind.CALL) == (EMPTY, 0)
    assert nesting.cost == 7
