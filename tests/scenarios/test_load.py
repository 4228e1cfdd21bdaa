"""S12 to S26: several at once, cancelled ones, full contexts and tight budgets."""

import threading

import numpy as np
import pytest

from segue.loop.end import EndReason, ErrorType
from segue.memory import MemoryKind
from tests.conftest import MakeRig
from tests.kit.conversation import N_HEADER, Prompt, chat, raw, text
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig
from tests.kit.waiting import PATIENCE_S

SYSTEM = ("system", text(1, 200))


def ask(rig: Rig, reference: Reference, prompt: Prompt, n_predict: int = 4, **job: object) -> Heard:
    """Ask, and compare the reply with the uncached one."""
    heard = rig.ask(prompt.tokens, n_predict, marks=prompt.marks, **job)
    reference.agrees(prompt.tokens, heard)
    return heard


def test_s12_four_agents_alternate_on_two_slots(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=2)
    histories = [[SYSTEM, ("user", text(100 + agent, 60))] for agent in range(4)]
    n_header = N_HEADER if rig.shape.kind is MemoryKind.ATTENTION else 0
    for turn in range(4):
        for agent, history in enumerate(histories):
            prompt = chat(*history)
            n_read = ask(rig, reference, prompt).n_read
            if turn:
                assert n_read == prompt.n - prompt.ends[-3] - n_header
            history += [("assistant", text(10 * turn + agent, 20)), ("user", text(50 * turn + agent + 7, 30))]
        title = chat(("user", text(900 + turn, 25)))
        assert ask(rig, reference, title).n_read <= title.n


def test_s13_eight_requests_read_one_prefix_once(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=4)
    prefix = text(60, 1000)
    prompts = [raw(prefix, np.array([i], np.int32), text(61 + i, 10)) for i in range(8)]
    replies = [rig.send(prompt.tokens, 4) for prompt in prompts]
    for prompt, heard in zip(prompts, replies, strict=True):
        heard.wait()
        reference.agrees(prompt.tokens, heard)
    assert sum(heard.n_read for heard in replies) == 1000 + 8 * 11
    rig.check()


def test_s13_followers_of_a_longer_prompt_read_only_their_own(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=4, n_batch=128)
    prefix = text(60, 500)
    prompts = [raw(prefix, np.array([i], np.int32), text(61 + i, n)) for i, n in enumerate((900, 10, 20, 30))]
    replies = [rig.send(prompt.tokens, 4) for prompt in prompts]
    for prompt, heard in zip(prompts, replies, strict=True):
        heard.wait()
        reference.agrees(prompt.tokens, heard)
    assert [heard.n_read for heard in replies] == [1401, 11, 21, 31]
    rig.check()


def test_s13_a_busy_slot_s_cells_are_shared(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=2)
    first = chat(SYSTEM, ("user", text(66, 100)))
    busy, started = Heard(), threading.Event()
    busy.on_each = started.set
    rig.send(first.tokens, 400, marks=first.marks, heard=busy)
    assert started.wait(PATIENCE_S)
    second = chat(SYSTEM, ("user", text(67, 50)))
    n_header = N_HEADER if rig.shape.kind is MemoryKind.ATTENTION else 0
    assert ask(rig, reference, second).n_read == second.n - second.ends[0] - n_header
    busy.wait()
    reference.agrees(first.tokens, busy)


@pytest.mark.parametrize(("n_batch", "n_ubatch"), [(64, 64), (96, 32), (512, 512), (2048, 256)])
def test_s17_any_batch_size(make_rig: MakeRig, reference: Reference, n_batch: int, n_ubatch: int) -> None:
    rig = make_rig(n_batch=n_batch, n_ubatch=n_ubatch)
    first = chat(SYSTEM, ("user", text(62, 190)))
    heard = ask(rig, reference, first)
    follow_up = Prompt(np.concatenate([first.tokens, heard.tokens[:-1], text(63, 20)]).astype(np.int32), first.marks)
    assert ask(rig, reference, follow_up).n_read == 20
    other = chat(SYSTEM, ("user", text(64, 50)))
    n_header = N_HEADER if rig.shape.kind is MemoryKind.ATTENTION else 0
    assert ask(rig, reference, other).n_read == other.n - other.ends[0] - n_header


def test_s18_a_cancelled_prompt_is_not_read_again(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_batch=128)
    prompt = raw(text(65, 1500))
    heard = Heard()
    heard.on_each = lambda: heard.submission.cancel() if heard.submission else None
    rig.send(prompt.tokens, heard=heard, wants_progress=True)
    assert heard.wait().reason is EndReason.CANCELLED
    rig.check()
    assert 0 < heard.n_read < 1500
    again = ask(rig, reference, prompt)
    assert again.n_read == 1500 - heard.n_read


@pytest.mark.parametrize("n_prefix", [1, 2, 63, 64, 65, 127, 299, 300])
def test_s20_a_shared_prefix_and_a_unique_suffix(make_rig: MakeRig, reference: Reference, n_prefix: int) -> None:
    rig = make_rig()
    for i, n_suffix in enumerate((1, 2, 63, 64, 65, 127, 299, 300)):
        turns = [("user", text(70, n_prefix)), ("user", np.append(np.int32(i), text(71 + i, n_suffix)))]
        prompt = chat(*turns)
        n_read = ask(rig, reference, prompt, n_predict=2).n_read
        must = prompt.n - prompt.ends[0] if i else prompt.n
        rewound = must - N_HEADER if i else must
        if rig.shape.kind is MemoryKind.SLIDING_WINDOW:
            assert n_read in (must, rewound)
        else:
            assert n_read == (rewound if rig.shape.kind is MemoryKind.ATTENTION else must)


@pytest.mark.parametrize("n_pairs", [25, pytest.param(200, marks=pytest.mark.long)])
def test_s20_random_raw_pairs(make_rig: MakeRig, reference: Reference, n_pairs: int) -> None:
    rig = make_rig()
    rng = np.random.default_rng(0)
    for pair in range(n_pairs):
        n_prefix, n_suffix = (int(n) for n in rng.integers(1, 300, 2))
        prefix = np.append(np.int32(pair), text(1000 + pair, n_prefix - 1)).astype(np.int32)
        prompts = [raw(prefix, np.append(np.int32(i), text(50 * pair + i, n_suffix - 1))) for i in range(3)]
        reads = [ask(rig, reference, prompt, n_predict=2).n_read for prompt in prompts]
        assert reads[0] == n_prefix + n_suffix
        assert reads[1] <= n_prefix + n_suffix
        assert reads[2] == n_suffix


def test_s21_cells_without_their_recurrent_state_are_no_hit(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    ask(rig, reference, raw(text(80, 400)))

    def evict_short() -> None:
        for checkpoint in list(rig.cache.entries.all()):
            if checkpoint.n_tokens < 400:
                rig.cache.evictor.evict(checkpoint)

    rig.loop.call(evict_short).result()
    part = raw(text(80, 400)[:300], text(81, 20))
    heard = ask(rig, reference, part)
    assert heard.end is not None
    assert heard.end.report is not None
    assert heard.n_read == (20 if rig.shape.kind is MemoryKind.ATTENTION else 320)
    assert heard.end.report.n_known == 300


def test_s22_a_full_context_is_a_clear_error(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_ctx=512)
    small = raw(text(82, 100))
    ask(rig, reference, small)
    end = rig.send(text(83, 600)).wait()
    assert end.error is not None
    assert end.error.type is ErrorType.EXCEED_CONTEXT
    assert "600" in end.error.message
    assert "512" in end.error.message
    long = rig.ask(text(84, 500), 100)
    assert long.end is not None
    assert long.end.truncated
    assert len(long.tokens) == 12
    assert ask(rig, reference, small).n_read == 0


def test_s22_more_running_than_cells(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=4, n_ctx=1024, n_cells=1024, n_parked=4)
    prompts = [raw(text(85 + i, 400)) for i in range(4)]
    replies = [rig.send(prompt.tokens, 20) for prompt in prompts]
    for prompt, heard in zip(prompts, replies, strict=True):
        assert heard.wait().reason is EndReason.LIMIT
        reference.agrees(prompt.tokens, heard)
    rig.check()


@pytest.mark.parametrize(("n_parked", "n_host_bytes"), [(4, 300_000), (0, 300_000), (3, 0), (0, 0)])
def test_s23_twice_as_much_as_fits(make_rig: MakeRig, reference: Reference, n_parked: int, n_host_bytes: int) -> None:
    rig = make_rig(n_slots=2, n_cells=2048, n_parked=n_parked, n_host_bytes=n_host_bytes, n_ctx=1024)
    for i in range(14):
        prompt = chat(SYSTEM, ("user", text(90 + i % 9, 150 + 20 * (i % 9))))
        ask(rig, reference, prompt)
        assert rig.cache.host.budget.used_bytes <= n_host_bytes
    assert rig.cache.host.budget.peak_bytes <= n_host_bytes


def test_s24_namespaces_share_nothing(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    prompt = chat(SYSTEM, ("user", text(91, 50)))
    assert ask(rig, reference, prompt, namespace="a").n_read == prompt.n
    assert ask(rig, reference, prompt, namespace="b").n_read == prompt.n
    assert ask(rig, reference, prompt, namespace="a").n_read == 0


def test_s25_clients_that_vanish_at_any_moment(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=3, n_batch=64, n_ubatch=64)
    rng = np.random.default_rng(1)
    for i in range(12):
        prompt = chat(SYSTEM, ("user", text(92 + i % 3, 250)))
        n_left = int(rng.integers(1, 12))
        heard, counted = Heard(), threading.Semaphore(n_left)

        def vanish(heard: Heard = heard, counted: threading.Semaphore = counted) -> None:
            if not counted.acquire(blocking=False) and heard.submission:
                heard.submission.cancel()

        heard.on_each = vanish
        rig.send(prompt.tokens, 10, marks=prompt.marks, heard=heard, wants_progress=True).wait()
        reference.agrees(prompt.tokens, heard)
        ask(rig, reference, prompt)


def test_s26_a_long_conversation_is_not_lost_to_a_short_request(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_ctx=8192, n_batch=1024, n_ubatch=512, n_slots=1)
    turns = [SYSTEM] + [(("user", "assistant")[i % 2], text(200 + i, 300)) for i in range(19)]
    long = chat(*turns)
    ask(rig, reference, long)
    other = raw(text(300, 15))
    assert ask(rig, reference, other).n_read == 15
    onward = chat(*turns, ("assistant", text(301, 40)), ("user", text(302, 30)))
    n_header = N_HEADER if rig.shape.kind is MemoryKind.ATTENTION else 0
    assert ask(rig, reference, onward).n_read == onward.n - long.ends[-1] - n_header
