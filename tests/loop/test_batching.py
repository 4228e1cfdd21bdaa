from itertools import pairwise

import pytest

from tests.kit.rig import Heard
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import text


def test_prompts_hold_a_reply_up_for_one_physical_batch_at_most(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_batch=64, n_ubatch=16)
    seen: list[int] = []
    stream = Heard(on_each=lambda: seen.append(len(rig.engine.decoded)))

    def ask_more() -> None:
        seen.append(len(rig.engine.decoded))
        if len(stream.tokens) == 2:
            others.extend(rig.send(text(2 + i, 200), 2) for i in range(2))

    others: list[Heard] = []
    stream.on_each = ask_more
    with rig.held():
        rig.send(text(1, 20), 60, heard=stream)
    stream.wait()
    for other in others:
        other.wait()
    calls = [list(call.values()) for call in rig.engine.decoded]
    between = [sum(n for call in calls[a:b] for n in call if n > 1) for a, b in pairwise(seen)]
    assert 14 <= max(between) <= rig.engine.n_ubatch
    assert sum(between) >= 390
    assert max(sum(call) for call in calls[seen[0] : seen[-1]]) <= rig.engine.n_ubatch


def test_a_batch_holds_one_physical_batch_where_there_is_a_window(make_fake_rig: MakeFakeRig) -> None:
    """libllama forgets window cells that the first of several physical batches needs."""
    rig = make_fake_rig(n_batch=64, n_ubatch=16)
    with rig.held():
        asked = [rig.send(text(9 + i, 90 + i), 20) for i in range(4)]
    for heard in asked:
        heard.wait()
    largest = max(sum(call.values()) for call in rig.engine.decoded)
    assert largest == (16 if rig.kind.has_window else 64)
    if rig.kind.has_window:
        assert all(len(call) == 1 or set(call.values()) == {1} for call in rig.engine.decoded)


def test_long_prompts_share_a_call_only_where_nothing_is_recurrent(make_fake_rig: MakeFakeRig) -> None:
    """libllama gives each sequence of a recurrent model's physical batch the same number of tokens."""
    rig = make_fake_rig(n_batch=2048, n_ubatch=512)
    with rig.held():
        asked = [rig.send(text(9 + i, 200 + 7 * i), 1) for i in range(3)]
    for heard in asked:
        heard.wait()
    is_shared = any(len(call) > 1 for call in rig.engine.decoded)
    assert is_shared == (not rig.kind.has_recurrent and not rig.kind.has_window)


def test_short_prompts_share_a_call(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_batch=2048, n_ubatch=512)
    with rig.held():
        asked = [rig.send(text(9 + i, 20 + i), 1) for i in range(3)]
    for heard in asked:
        heard.wait()
    assert any(len(call) == 3 for call in rig.engine.decoded) == (not rig.kind.has_window)


@pytest.mark.parametrize("n_batch", [1, 2, 3])
def test_more_replies_than_a_call_can_read_take_several_calls(make_fake_rig: MakeFakeRig, n_batch: int) -> None:
    rig = make_fake_rig(n_batch=n_batch, n_ubatch=16)
    with rig.held():  # the same prompt, so that all reply from when the first one has read it
        asked = [rig.send(text(9, 20), 10) for _ in range(4)]
    for heard in asked:
        assert heard.wait().error is None
        assert len(heard.tokens) == 10
    assert max(sum(call.values()) for call in rig.engine.decoded) == n_batch


@pytest.mark.parametrize("n_ubatch", [1, 2, 3])
def test_prompts_are_read_though_replies_fill_a_physical_batch(make_fake_rig: MakeFakeRig, n_ubatch: int) -> None:
    rig = make_fake_rig(n_batch=64, n_ubatch=n_ubatch)
    n_generated: list[int] = []
    with rig.held():
        asked = [rig.send(text(9 + i, 20), 200) for i in range(3)]
        late = Heard(on_each=lambda: n_generated.append(max(len(heard.tokens) for heard in asked)))
        rig.send(text(5, 20), 1, heard=late)
    assert late.wait().error is None
    assert n_generated[0] < 150
    for heard in asked:
        assert heard.wait().error is None
