"""A session that a client names keeps its conversation from ageing, and does nothing else."""

import pytest

from segue.memory import MemoryKind
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import FakeRig, text

CONVERSATION, MORE, N_REPLY = text(1, 200), text(2, 10), 4


def crowded(make_fake_rig: MakeFakeRig, kind: MemoryKind) -> FakeRig:
    """Room for a third of what is said; states of a fixed size fill it by their number."""
    if kind is MemoryKind.RECURRENT:
        return make_fake_rig(n_parked=2, n_host_bytes=0)
    return make_fake_rig(n_cells=600, n_host_bytes=600)


def busy_hour(rig: FakeRig, session: str, *, namespace: str = "") -> int:
    """An agent waits for its helpers while strangers come and go; what it then reads of its conversation."""
    now = [0.0]
    rig.loop.call(lambda: setattr(rig.cache.entries, "clock", lambda: now[0])).result()
    n_stranger = 90 if rig.kind.shares_cells else 190
    reply = rig.ask(CONVERSATION, N_REPLY, session="agent").tokens
    for i in range(10):
        now[0] += 300
        rig.ask(text(10 + i, n_stranger))
        rig.ask(text(30 + i, 20), session=session, namespace=namespace)
    return rig.ask(CONVERSATION + reply + MORE, session="agent").n_read


def test_helpers_keep_the_conversation_that_they_serve(make_fake_rig: MakeFakeRig, kind: MemoryKind) -> None:
    assert busy_hour(crowded(make_fake_rig, kind), "agent") <= N_REPLY + len(MORE)


@pytest.mark.parametrize(("session", "namespace"), [("", ""), ("other", ""), ("agent", "another key")])
def test_nobody_else_does(make_fake_rig: MakeFakeRig, kind: MemoryKind, session: str, namespace: str) -> None:
    assert busy_hour(crowded(make_fake_rig, kind), session, namespace=namespace) >= len(CONVERSATION)
