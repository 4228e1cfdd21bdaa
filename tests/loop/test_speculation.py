"""Drafts change how many calls a reply takes, and nothing else: on simulated memory of every kind."""

import pytest

from segue.drafting.limits import DraftLimits
from segue.drafting.tree import TreeDrafter
from segue.engine.base import Mark
from segue.engine.errors import EngineError, NoRoomError
from segue.loop.end import EndReason
from segue.memory import MemoryKind
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.guesser import Guesser
from tests.kit.rig import Heard
from tests.loop.fake_rig import FakeRig, Sizes, text

_N_REPLY = 60


def _guesser(kind: MemoryKind, share: float, seed: int = 1) -> Guesser:
    return Guesser(lambda prompt: expected_reply(kind, prompt.tolist(), 2 * _N_REPLY), share, seed=seed)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_reply_is_the_same_with_drafts(kind: MemoryKind, share: float) -> None:
    guesser = _guesser(kind, share)
    rig = FakeRig(kind, drafter=guesser)
    prompt = text(1, 50)
    first = rig.ask(prompt, _N_REPLY)
    assert guesser.n_drafted > 0
    assert (guesser.n_accepted > 0) == (share > 0)
    assert len(rig.engine.decoded) < 20 or share < 1
    # What is kept at the end of the reply is what is kept without drafts.
    assert rig.ask(prompt + first.tokens + text(2, 20), _N_REPLY).n_read == 21
    rig.close()


@pytest.mark.parametrize("stop_after", range(20, 30))
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_reply_that_a_stop_string_ends_is_kept_to_its_end(kind: MemoryKind, stop_after: int) -> None:
    rig = FakeRig(kind, drafter=_guesser(kind, 0.5))
    prompt = text(1, 50)
    heard = rig.send(prompt, _N_REPLY, heard=Heard(stop_after=stop_after))
    assert heard.wait().reason is EndReason.WORD
    assert heard.tokens == expected_reply(kind, prompt, stop_after)
    # Without drafts it is 21; a draft that held may have been read already.
    assert rig.ask(prompt + heard.tokens + text(2, 20)).n_read in (20, 21)
    rig.close()


@pytest.mark.parametrize("kind", MemoryKind)
def test_a_call_that_fails_takes_nothing_but_its_replies(kind: MemoryKind) -> None:
    rig = FakeRig(kind, drafter=_guesser(kind, 0.7))
    prompts = [text(seed, 30) for seed in range(4)]
    with rig.held():
        heard = [rig.send(prompt, _N_REPLY) for prompt in prompts]
    heard[0].on_each = lambda: (
        rig.engine.failures.append(EngineError("injected")) if len(heard[0].tokens) == 9 else None
    )
    reasons = [one.wait().reason for one in heard]
    assert EndReason.ERROR in reasons
    for prompt in prompts:
        rig.ask(prompt, _N_REPLY)
    rig.close()


@pytest.mark.parametrize("kind", MemoryKind)
def test_a_reply_cancelled_between_its_drafts_leaves_a_whole_cache(kind: MemoryKind) -> None:
    rig = FakeRig(kind, drafter=_guesser(kind, 0.6))
    prompts = [text(seed, 30 + seed) for seed in range(4)]
    with rig.held():
        heard = [rig.send(prompt, 200) for prompt in prompts]

    def cancel() -> None:
        if len(heard[1].tokens) == 17 and heard[1].submission is not None:
            heard[1].submission.cancel()

    heard[1].on_each = cancel
    assert heard[1].wait().reason is EndReason.CANCELLED
    for one, prompt in zip(heard, prompts, strict=True):
        one.wait()
        assert one.tokens == expected_reply(kind, prompt, len(one.tokens))
    rig.check()
    path = prompts[1] + heard[1].tokens
    assert rig.ask(path, 5).tokens == expected_reply(kind, path, 5)
    rig.close()


@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind.shares_cells])
def test_full_cells_take_drafts_before_they_take_replies(kind: MemoryKind) -> None:
    rig = FakeRig(
        kind, Sizes(n_slots=2, n_ctx=120, n_cells=130, n_parked=0, n_host_bytes=0), drafter=_guesser(kind, 0.5)
    )
    prompts = [text(seed, 60) for seed in range(2)]
    with rig.held():
        heard = [rig.send(prompt, 40) for prompt in prompts]
    for one, prompt in zip(heard, prompts, strict=True):
        assert one.wait().reason is EndReason.LIMIT
        assert one.tokens == expected_reply(kind, prompt, 40)
    rig.check()
    rig.close()


@pytest.mark.parametrize("kind", MemoryKind)
def test_replies_that_run_beside_each_other_are_the_same_with_drafts(kind: MemoryKind) -> None:
    rig = FakeRig(kind, Sizes(n_ctx=300, n_cells=2400), drafter=_guesser(kind, 0.7))
    prompts = [text(seed, 20 + 7 * seed) for seed in range(12)]
    with rig.held():
        heard = [rig.send(prompt, 10 + 9 * i) for i, prompt in enumerate(prompts)]
    for i, (one, prompt) in enumerate(zip(heard, prompts, strict=True)):
        one.wait()
        assert one.tokens == expected_reply(kind, prompt, 10 + 9 * i)
    rig.check()
    rig.close()


def test_nothing_of_one_namespace_is_proposed_to_another() -> None:
    kind = MemoryKind.ATTENTION
    rig = FakeRig(kind, drafter=TreeDrafter(10_000))
    prompt = text(1, 50)
    n_drafted = []
    for namespace in ("a", "a", "b", "", "b"):
        before = rig.loop.totals.n_drafted
        rig.ask(prompt, _N_REPLY, namespace=namespace)
        n_drafted.append(rig.loop.totals.n_drafted - before)
    assert n_drafted[0] == n_drafted[2] == n_drafted[3]
    assert n_drafted[1] == n_drafted[4] > n_drafted[0] + _N_REPLY // 2
    rig.close()


@pytest.mark.parametrize(
    ("limits", "n_most"), [(DraftLimits(n_max=2), 2), (DraftLimits(n_max=0), 0), (DraftLimits(p_min=0.95), 0)]
)
def test_a_request_limits_what_is_drafted_for_it(limits: DraftLimits, n_most: int) -> None:
    rig = FakeRig(MemoryKind.ATTENTION, drafter=_guesser(MemoryKind.ATTENTION, 1.0))
    rig.ask(text(1, 50), 0)
    rig.engine.decoded.clear()
    rig.ask(text(1, 50), _N_REPLY, draft_limits=limits)
    assert max(sum(call.values()) for call in rig.engine.decoded) == 1 + n_most
    rig.close()


def test_a_draft_that_is_too_short_for_a_request_is_not_verified() -> None:
    rig = FakeRig(MemoryKind.ATTENTION, drafter=_guesser(MemoryKind.ATTENTION, 1.0))
    rig.ask(text(1, 50), 0)
    rig.engine.decoded.clear()
    rig.ask(text(1, 50), _N_REPLY, draft_limits=DraftLimits(n_min=5))
    assert {sum(call.values()) for call in rig.engine.decoded} == {1, 6, 7, 8}
    rig.close()


@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind.has_window or kind.has_recurrent])
@pytest.mark.parametrize("n_cells", [2000, 330])
def test_replies_get_equally_many_tokens_where_libllama_would_split_their_call(kind: MemoryKind, n_cells: int) -> None:
    """Where cells are scarce, it would overwrite window cells that are still needed."""
    rig = FakeRig(kind, Sizes(n_ctx=200, n_cells=n_cells), drafter=_guesser(kind, 0.7))
    prompts = [text(seed, 20 + 7 * seed) for seed in range(4)]
    with rig.held():
        heard = [rig.send(prompt, 40 + 9 * i) for i, prompt in enumerate(prompts)]
    for i, (one, prompt) in enumerate(zip(heard, prompts, strict=True)):
        one.wait()
        assert one.tokens == expected_reply(kind, prompt, 40 + 9 * i)
    calls = [list(call.values()) for call in rig.engine.decoded if len(call) > 1]
    assert any(max(call) > 1 for call in calls)
    if kind.has_window:
        assert all(len(set(call)) == 1 for call in calls)
    rig.close()


@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind.has_recurrent])
def test_where_a_mark_finds_no_room_replies_read_on(kind: MemoryKind, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = FakeRig(kind, drafter=_guesser(kind, 0.7))
    mark = rig.engine.mark

    def scarce(seq: int, shadow: int) -> Mark:
        if seq == 1 and len(rig.engine.decoded) % 3:
            raise NoRoomError("no room for a window")
        return mark(seq, shadow)

    monkeypatch.setattr(rig.engine, "mark", scarce)
    prompts = [text(seed, 20 + 7 * seed) for seed in range(4)]
    with rig.held():
        heard = [rig.send(prompt, _N_REPLY) for prompt in prompts]
    for one, prompt in zip(heard, prompts, strict=True):
        one.wait()
        assert one.tokens == expected_reply(kind, prompt, _N_REPLY)
    calls = [list(call.values()) for call in rig.engine.decoded if len(call) > 1]
    assert any(max(call) > 1 for call in calls)
    assert not kind.has_window or all(len(set(call)) == 1 for call in calls)
    rig.close()
