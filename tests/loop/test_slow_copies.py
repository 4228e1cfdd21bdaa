"""What waits for the copy of a state of 150 MiB, which takes 300 ms or 6 on a machine with a clock of its own."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from segue.memory import MemoryKind
from tests.kit.conversation import Prompt, chat, text
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.holding import held
from tests.kit.rig import Heard
from tests.kit.slow_copies import BATCH_S, FAST_BYTES_S, N_SWA, SLOW_BYTES_S, TOKEN_S, SlowRig
from tests.kit.waiting import PATIENCE_S, wait_until

RATES = [SLOW_BYTES_S, FAST_BYTES_S]
WITH_STATE = [
    MemoryKind.HYBRID,
    MemoryKind.RECURRENT,
    MemoryKind.SLIDING_WINDOW,
    pytest.param(MemoryKind.HYBRID_WINDOW, marks=pytest.mark.long),
]
N_BATCH = 512
N_FEW = 8
"""Tokens that are read faster than a state is copied to the host and back, even where that is fast."""
SYSTEM = ("system", text(1, 700))
MakeSlowRig = Callable[..., SlowRig]


@dataclass
class Timed(Heard):
    """A listener that looks at the machine's clock."""

    rig: SlowRig | None = None
    told: list[float] = field(default_factory=list)
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.on_each = self._look

    def on_end(self, end: object) -> None:
        assert self.rig is not None
        self.ended_at = self.rig.engine.now
        super().on_end(end)  # type: ignore[arg-type]

    def _look(self) -> None:
        assert self.rig is not None
        self.told.append(self.rig.engine.now)


@pytest.fixture
def make_rig() -> Iterator[MakeSlowRig]:
    """Makes rigs with few sequences for parking; they are checked and closed in the end."""
    rigs: list[SlowRig] = []

    def make(kind: MemoryKind, bytes_s: float, **options: object) -> SlowRig:
        given = {
            "n_parked": 4,
            "n_batch": N_BATCH,
            "n_ubatch": N_BATCH,
            "n_ctx": 8192,
            "n_cells": 40_000,
            "n_idle_cells": 40_000,
        }
        rigs.append(SlowRig(kind, bytes_s, **(given | options)))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def conversation(seed: int, n_turns: int, n_tokens: int) -> list[tuple[str, np.ndarray]]:
    """A system prompt that all conversations share, and messages of so many tokens."""
    roles = ["user", "assistant"] * n_turns
    return [SYSTEM, *((role, text(100 * seed + i, n_tokens)) for i, role in enumerate(roles[: 2 * n_turns - 1]))]


def submit(rig: SlowRig, prompt: Prompt, n_predict: int = 4, **job: object) -> Timed:
    heard = Timed(rig=rig)
    rig.send(prompt.tokens, n_predict, marks=prompt.marks, heard=heard, **job)
    return heard


def ask(rig: SlowRig, prompt: Prompt, n_predict: int = 4, **job: object) -> tuple[Timed, float]:
    """The answer to a request, and how long its first token took; all deferred work is done before and afterwards."""
    rig.rest()
    started = rig.engine.now
    heard = submit(rig, prompt, n_predict, **job)
    heard.wait()
    assert heard.tokens == expected_reply(rig.kind, prompt.tokens, n_predict, n_swa=N_SWA)
    rig.rest()
    rig.check()
    return heard, heard.told[0] - started


def reading_s(n_tokens: int, n_cuts: int = 0) -> float:
    """How long reading takes, with so many batches more than there must be."""
    return TOKEN_S * n_tokens + BATCH_S * (-(-n_tokens // N_BATCH) + n_cuts)


@pytest.mark.parametrize("n_parked", [4, 16])
@pytest.mark.parametrize("kind", WITH_STATE)
@pytest.mark.parametrize("bytes_s", RATES)
def test_reading_cold_takes_little_longer_than_without_checkpoints(
    make_rig: MakeSlowRig, kind: MemoryKind, bytes_s: float, n_parked: int
) -> None:
    rig = make_rig(kind, bytes_s, n_parked=n_parked)
    for seed, (n_turns, n_tokens) in enumerate([(3, 300), (6, 500), (2, 1500), (10, 150), (1, 4000)]):
        prompt = chat(*conversation(seed + 1, n_turns, n_tokens))
        heard, first_s = ask(rig, prompt, namespace=str(seed))
        n_read = heard.n_read
        assert n_read == prompt.n
        assert first_s <= 1.06 * reading_s(n_read)


@pytest.mark.parametrize("kind", WITH_STATE)
@pytest.mark.parametrize("bytes_s", RATES)
def test_reading_cold_is_as_fast_where_nothing_had_time_to_leave_the_device(
    make_rig: MakeSlowRig, kind: MemoryKind, bytes_s: float
) -> None:
    rig = make_rig(kind, bytes_s, n_slots=1)
    prompts = [chat(("system", text(seed, 700)), ("user", text(50 + seed, 2000))) for seed in range(6)]
    with held(rig.loop):
        heards = [submit(rig, prompt, 1) for prompt in prompts]
    for heard in heards:
        heard.wait()
    for before, heard in pairwise(heards):
        seconds = heard.told[0] - before.told[0]
        assert seconds <= 1.06 * reading_s(heard.n_read) + rig.engine.copy_s(3, heard.n_read), (
            "one checkpoint may leave"
        )
    rig.check()


@pytest.mark.parametrize("kind", [MemoryKind.ATTENTION, *WITH_STATE])
@pytest.mark.parametrize("bytes_s", RATES)
def test_follow_ups_read_what_is_new_and_wait_for_no_copy(
    make_rig: MakeSlowRig, kind: MemoryKind, bytes_s: float
) -> None:
    rig = make_rig(kind, bytes_s, n_parked=8)
    turns = conversation(2, 3, 400)
    for seed in range(3, 6):
        ask(rig, chat(*conversation(seed, 2, 300)))
    prompt = chat(*turns)
    heard, _ = ask(rig, prompt)
    for seed in range(3):
        on = Prompt(np.concatenate([prompt.tokens, heard.tokens[:-1], text(70 + seed, 50)]), prompt.marks)
        follows(rig, on, 50)
        # Templates leave the reasoning out of the history.
        stripped = chat(*turns, ("assistant", text(80 + seed, 30)), ("user", text(90 + seed, 60)))
        follows(rig, stripped, stripped.n - prompt.ends[-1])
        new = chat(*conversation(20 + seed, 1, 200))
        follows(rig, new, new.n - new.ends[0])
        follows(rig, prompt, 0)


def follows(rig: SlowRig, prompt: Prompt, n_new: int) -> None:
    """Ask, and assert that only what is new is read, or a few tokens more, and that hardly a copy is waited for."""
    heard, first_s = ask(rig, prompt)
    assert abs(heard.n_read - n_new) <= N_FEW
    assert copying_s(rig, heard.told[0] - first_s, heard.told[0]) <= 20 * TOKEN_S


def copying_s(rig: SlowRig, began: float, ended: float) -> float:
    """The time that copies took of some time."""
    return sum(copy.seconds for copy in rig.engine.copies if began <= copy.began < ended)


@pytest.mark.parametrize("kind", WITH_STATE)
def test_deferred_copies_wait_for_first_tokens_and_take_a_small_share_beside_replies(
    make_rig: MakeSlowRig, kind: MemoryKind, tmp_path: Path
) -> None:
    rig = make_rig(kind, SLOW_BYTES_S, n_slots=1, n_parked=32, n_idle_cells=0, cache_dir=tmp_path)
    prompts = [chat(("system", text(seed, 700)), ("user", text(50 + seed, 900))) for seed in range(3)]
    with held(rig.loop):
        heards = [submit(rig, prompt, n) for prompt, n in zip(prompts, (40, 40, 400), strict=True)]
    for heard in heards:
        heard.wait()
    first, last = heards[-1].told[0], heards[-1].told[-1]
    assert not copying_s(rig, 0.0, first)
    assert 0 < copying_s(rig, first, last) <= 0.1 * (last - first) + rig.engine.copy_s(2, 1700)
    rig.rest()
    assert copying_s(rig, last, rig.engine.now) > 0.5


@pytest.mark.parametrize("kind", WITH_STATE)
def test_the_end_of_a_reply_is_told_before_its_state_is_kept(make_rig: MakeSlowRig, kind: MemoryKind) -> None:
    rig = make_rig(kind, SLOW_BYTES_S, n_parked=1)
    heard, _ = ask(rig, chat(*conversation(1, 1, 2000)))
    assert heard.ended_at == heard.told[-1]
    assert copying_s(rig, heard.ended_at, rig.engine.now) >= rig.engine.copy_s(1)


def test_copies_are_made_once_a_reply_has_ended_though_nobody_wakes_the_loop(make_rig: MakeSlowRig) -> None:
    rig = make_rig(MemoryKind.HYBRID, SLOW_BYTES_S)
    submit(rig, chat(*conversation(2, 2, 400)), 40).wait()
    wait_until(lambda: Counter(copy.call for copy in rig.engine.copies)["save"] >= 2, "copies of what is parked")


def test_a_state_that_was_loaded_stays_on_the_device(make_rig: MakeSlowRig) -> None:
    rig = make_rig(MemoryKind.HYBRID, SLOW_BYTES_S, n_parked=8)
    ask(rig, chat(SYSTEM, ("user", text(10, 50))))
    unpark(rig, 705)
    waited = []
    for seed in range(3):
        heard, first_s = ask(rig, chat(SYSTEM, ("user", text(20 + seed, 50))))
        assert heard.n_read == 3 + 50 + 2 + 4
        waited.append(copying_s(rig, heard.told[0] - first_s, heard.told[0]))
    assert waited == [pytest.approx(rig.engine.copy_s(1)), 0.0, 0.0]


@pytest.mark.parametrize(("bytes_s", "is_read"), [(SLOW_BYTES_S, True), (FAST_BYTES_S, False)])
def test_a_hundred_tokens_are_read_again_where_that_is_faster_than_a_copy(
    make_rig: MakeSlowRig, bytes_s: float, is_read: bool
) -> None:
    rig = make_rig(MemoryKind.HYBRID, bytes_s, n_parked=8)
    turns = (SYSTEM, ("user", text(10, 95)))
    ask(rig, chat(*turns, ("assistant", text(11, 30))))
    unpark(rig, 805)
    heard, first_s = ask(rig, chat(*turns, ("assistant", text(12, 30))))
    assert heard.end is not None
    assert heard.end.report is not None
    assert heard.end.report.cheaper_to_read == (100 if is_read else 0)
    assert first_s < 0.2


def unpark(rig: SlowRig, n_tokens: int) -> None:
    """Let the checkpoint after so many tokens keep its state on the host alone."""
    cache = rig.cache

    def move() -> None:
        [entry] = (entry for entry in cache.entries.all() if entry.n_tokens == n_tokens)
        if entry.is_parked:
            assert cache.host.copy_state(entry, entry.seq, cache.evictor.host_room)
            cache.evictor.unpark(entry)
        assert entry.has_state_on_host

    rig.loop.call(move).result(PATIENCE_S)


@pytest.mark.parametrize("kind", WITH_STATE)
def test_idle_time_readies_what_is_parked_to_leave_at_once(make_rig: MakeSlowRig, kind: MemoryKind) -> None:
    rig = make_rig(kind, SLOW_BYTES_S, n_parked=16)
    ask(rig, chat(*conversation(2, 3, 400)))
    copied = {entry.n_tokens: entry.has_state_on_host for entry in rig.cache.device.parked()}
    assert copied == {705: True, 2325: True, 2730: True, 2734: False, 2737: True}, "four tokens are not worth a copy"
    calls = Counter(copy.call for copy in rig.engine.copies)
    n_cells_calls = {"save_cells": 1} if kind.shares_cells else {}
    assert calls == {"save": 4} | n_cells_calls, "segments are copied together: each call copies the state, too"


@pytest.mark.parametrize(("lengths", "n_copies"), [((2000, 30), 0), ((2000,), 0), ((20_000, 30), 1)])
def test_a_copy_on_the_way_adds_little_to_reading_what_it_saves(
    make_rig: MakeSlowRig, lengths: tuple[int, ...], n_copies: int
) -> None:
    rig = make_rig(MemoryKind.HYBRID, SLOW_BYTES_S, n_parked=1, n_ctx=32_768)
    prompt = chat(("system", text(1, 1500)), *(("user", text(2, n_tokens)) for n_tokens in lengths))
    heard, first_s = ask(rig, prompt, 1)
    assert copying_s(rig, 0.0, heard.told[0]) == pytest.approx(n_copies * rig.engine.copy_s(1))
    assert first_s <= 1.06 * reading_s(prompt.n)
