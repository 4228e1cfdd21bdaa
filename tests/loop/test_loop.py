"""The whole loop on simulated memory of every kind: what a client sees, and how much is read for it."""

import logging
import threading

import pytest

from segue.engine.errors import EngineError
from segue.engine.sampling import SamplingParams
from segue.loop.end import INTERNAL_ERROR, EndReason, ErrorType, JobEnd, JobError, context_exceeded
from segue.loop.front import SlotView
from segue.memory import MemoryKind
from segue.policy.prompt_marks import PromptMarks
from tests.kit.fake_engine.numbers import END_OF_REPLY
from tests.kit.fake_engine.reading import expected_logits, expected_reply
from tests.kit.rig import Heard
from tests.kit.waiting import PATIENCE_S, wait_until
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import FakeRig, text


def test_an_exact_repeat_reads_nothing(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(1, 90)
    assert rig.ask(prompt).n_read == 90
    assert rig.ask(prompt).n_read == 0
    assert rig.ask(prompt, 0).n_read == 0


def test_a_repeat_of_what_was_evicted_says_so(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_parked=0, n_host_bytes=0)
    rig.ask(text(1, 90))
    heard = rig.ask(text(1, 90))
    assert heard.end is not None
    assert heard.end.report is not None
    assert (heard.end.report.evicted, heard.end.report.last_token, heard.n_read) == (90, 0, 90)


def test_a_reply_continued_reads_what_is_new(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(2, 50)
    reply = rig.ask(prompt, 6).tokens
    assert rig.ask(prompt + reply + text(3, 20)).n_read == 21


def test_a_prompt_only_read_is_not_read_again(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(4, 70)
    first = rig.ask(prompt, 0)
    assert (first.n_read, first.tokens) == (70, [])
    assert rig.ask(prompt).n_read == 0


def test_a_state_that_is_refused_costs_time_alone(make_fake_rig: MakeFakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = make_fake_rig(n_parked=0)
    prompt, aside = text(1, 90), text(2, 60)
    rig.ask(aside)
    rig.ask(prompt)
    rig.engine.refuses_states = True
    with caplog.at_level(logging.WARNING):
        heard = rig.ask(prompt + text(3, 20))
    assert heard.end is not None
    assert heard.end.report is not None
    assert (heard.end.report.damaged, heard.end.report.new, heard.n_read) == (90, 20, 110)
    assert {record.name for record in caplog.records} == {"segue.cache"}
    assert "saved state is unusable, so it is read again (checkpoints: " in caplog.text
    assert "mismatched key type" in caplog.text
    rig.engine.refuses_states = False
    assert rig.ask(prompt + text(3, 20)).n_read == 0
    assert rig.ask(aside).n_read == 0


@pytest.mark.parametrize("n_prefix", [1, 60, 200])
def test_eight_requests_at_once_read_their_prefix_once(make_fake_rig: MakeFakeRig, n_prefix: int) -> None:
    rig = make_fake_rig()
    prefix = text(5, n_prefix)
    prompts = [[*prefix, i, *text(6 + i, 30)] for i in range(8)]
    with rig.held():
        asked = [rig.send(prompt) for prompt in prompts]
    for prompt, heard in zip(prompts, asked, strict=True):
        heard.wait()
        assert heard.tokens == expected_reply(rig.kind, prompt, 4)
    assert sum(heard.n_read for heard in asked) == n_prefix + 8 * 31
    rig.check()


def test_the_same_prompt_eight_times_at_once_is_read_once(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(15, 100)
    with rig.held():
        asked = [rig.send(prompt) for _ in range(8)]
    assert {heard.wait().reason for heard in asked} == {EndReason.LIMIT}
    assert [heard.tokens for heard in asked] == 8 * [expected_reply(rig.kind, prompt, 4)]
    assert sum(heard.n_read for heard in asked) == 100
    rig.check()


def test_what_a_cancelled_request_read_is_kept(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(16, 300)
    heard = Heard()
    heard.on_each = lambda: heard.submission.cancel() if heard.submission and len(heard.progress) == 4 else None
    with rig.held():
        rig.send(prompt, heard=heard, wants_progress=True)
    assert heard.wait().reason is EndReason.CANCELLED
    rig.check()
    assert heard.n_read == 3 * (16 if rig.kind.has_window else 32)
    assert rig.ask(prompt).n_read == 300 - heard.n_read


def test_a_cancelled_reply_ends_and_is_kept(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(17, 40)
    heard = Heard()
    heard.on_each = lambda: heard.submission.cancel() if heard.submission and len(heard.tokens) == 5 else None
    with rig.held():
        rig.send(prompt, 50, heard=heard)
    assert heard.wait().reason is EndReason.CANCELLED
    assert heard.tokens == expected_reply(rig.kind, prompt, 5)
    assert rig.ask(prompt + heard.tokens).n_read == 1


def test_requests_still_in_the_queue_can_be_cancelled(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=1)
    with rig.held():
        first, second = rig.send(text(18, 30)), rig.send(text(19, 30))
        assert second.submission is not None
        second.submission.cancel()
    assert first.wait().reason is EndReason.LIMIT
    end = second.wait()
    assert (end.reason, end.id_slot, end.report) == (EndReason.CANCELLED, -1, None)


def test_namespaces_share_nothing(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(20, 40)
    assert rig.ask(prompt, namespace="a").n_read == 40
    assert rig.ask(prompt, namespace="b").n_read == 40
    with rig.held():
        asked = [rig.send(text(21, 40), namespace=namespace) for namespace in ("a", "b", "a", "b")]
    assert sum(heard.wait().timings.prompt_n for heard in asked) == 80
    rig.check()


def test_a_request_without_the_cache_reads_everything_and_leaves_it_to_others(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(22, 40)
    assert rig.ask(prompt, use_cache=False).n_read == 40
    again = rig.ask(prompt, use_cache=False)
    assert again.n_read == 40
    assert again.end is not None
    assert again.end.report is not None
    assert (again.end.report.new, again.end.report.n_known) == (40, 0)
    assert rig.ask(prompt).n_read == 0


def test_reproducible_requests_start_from_what_was_read_with_the_same_split(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(reproducible=True)
    prompt = text(23, 90)
    assert rig.ask(prompt).n_read == 90
    assert rig.ask(prompt).n_read == 0
    assert rig.ask(prompt, marks=PromptMarks(message_ends=(30,))).n_read == 90
    assert rig.ask(prompt, marks=PromptMarks(message_ends=(30,))).n_read == 0
    with rig.held():
        asked = [rig.send(text(24 + i % 3, 60)) for i in range(6)]
    for i, heard in enumerate(asked):
        heard.wait()
        assert heard.tokens == expected_reply(rig.kind, text(24 + i % 3, 60), 4)
    rig.check()


def test_a_reply_ends_with_the_models_own_end(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = next(p for p in (text(i, 9) for i in range(99)) if ends_within(rig.kind, p, 20))
    heard = rig.send(prompt, 200, sampling=SamplingParams(temperature=0.0))
    assert heard.wait().reason is EndReason.EOS
    assert heard.tokens == expected_reply(rig.kind, prompt, 200, ignore_eos=False)
    assert heard.tokens[-1] == END_OF_REPLY


def ends_within(kind: MemoryKind, prompt: list[int], n: int) -> bool:
    return len(expected_reply(kind, prompt, n, ignore_eos=False)) in range(3, n)


def test_a_listener_can_end_the_reply(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    heard = rig.send(text(30, 9), 50, heard=Heard(stop_after=3))
    assert heard.wait().reason is EndReason.WORD
    assert len(heard.tokens) == 3


def test_a_reply_ends_where_the_context_is_full(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_ctx=64)
    end = (heard := rig.send(text(31, 50), -1)).wait()
    assert (end.reason, end.truncated) == (EndReason.LIMIT, True)
    assert heard.tokens == expected_reply(rig.kind, text(31, 50), 14)
    end = rig.send(text(31, 50), 3).wait()
    assert (end.reason, end.truncated) == (EndReason.LIMIT, False)


@pytest.mark.parametrize(
    ("n_prompt", "error"),
    [(0, JobError(ErrorType.INVALID_REQUEST, "the prompt is empty")), (64, context_exceeded(64, 64))],
)
def test_prompts_that_do_not_fit_are_refused(make_fake_rig: MakeFakeRig, n_prompt: int, error: JobError) -> None:
    rig = make_fake_rig(n_ctx=64)
    end = rig.send(text(32, n_prompt)).wait()
    assert (end.reason, end.error) == (EndReason.ERROR, error)
    assert rig.ask(text(33, 63), 1).n_read == 63


def test_requests_give_way_when_the_cells_are_full_and_go_on_later(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_cells=120, n_ctx=100, n_parked=2)
    prompts = [text(34 + i, 40) for i in range(4)]
    with rig.held():
        asked = [rig.send(prompt, 40) for prompt in prompts]
    for prompt, heard in zip(prompts, asked, strict=True):
        assert heard.wait().reason is EndReason.LIMIT
        assert heard.tokens == expected_reply(rig.kind, prompt, 40)
    rig.check()


def test_a_reply_that_gave_way_goes_on_where_it_was(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=2, n_cells=120, n_ctx=100)
    prompts = [text(70 + i, 40) for i in range(2)]
    with rig.held():
        asked = [rig.send(prompt, 40) for prompt in prompts]
    for prompt, heard in zip(prompts, asked, strict=True):
        heard.wait()
        assert heard.tokens == expected_reply(rig.kind, prompt, 40)
    # Each reads its prompt and its reply but for the last token; the one that gave way at most one token twice.
    assert sum(sum(call.values()) for call in rig.engine.decoded) <= 2 * (40 + 39) + 1


def test_a_reply_that_fills_all_cells_is_truncated(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_cells=60, n_ctx=100)
    heard = rig.send(text(38, 50), -1)
    end = heard.wait()
    n_reply = 11 if rig.kind.shares_cells else 50
    assert (end.reason, end.truncated, len(heard.tokens)) == (EndReason.LIMIT, True, n_reply)
    rig.check()


def test_a_prompt_that_fills_all_cells_is_refused(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_cells=60, n_ctx=100)
    end = rig.send(text(39, 70)).wait()
    if rig.kind.shares_cells:
        assert end.error == context_exceeded(70, 60)
    else:
        assert end.reason is EndReason.LIMIT
    assert rig.ask(text(40, 40)).n_read == 40


def test_a_failure_of_the_engine_ends_only_the_requests_in_the_batch(
    make_fake_rig: MakeFakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_fake_rig(n_slots=2)
    system = text(41, 60)
    rig.ask(system, 0)
    first = Heard()
    first.on_each = lambda: rig.engine.failures.append(EngineError("out of luck")) if len(first.tokens) == 1 else None
    with rig.held():
        rig.send(system + text(42, 9), 9, heard=first)
        second, third = rig.send(system + text(43, 99), 9), rig.send(system + text(44, 9), 9)
    # Where each prompt is read by itself, it fails by itself.
    failed = [second] if rig.kind.has_window else [first, second]
    for heard in failed:
        end = heard.wait()
        assert end.error is not None
        assert (end.reason, end.error.type) == (EndReason.ERROR, ErrorType.SERVER)
        assert end.error is INTERNAL_ERROR
    assert "out of luck" in caplog.text
    assert third.wait().reason is EndReason.LIMIT
    assert third.tokens == expected_reply(rig.kind, system + text(44, 9), 9)
    first.wait()
    rig.check()
    assert rig.ask(system).n_read == 0


@pytest.mark.parametrize("method", ["on_token", "on_progress", "on_end"])
def test_a_listener_that_fails_harms_nobody_else(
    make_fake_rig: MakeFakeRig, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_fake_rig()
    failing = Failing()
    setattr(failing, method, failing.fail)
    with rig.held():
        rig.send(text(45, 40), heard=failing, wants_progress=True)
        other = rig.send(text(46, 40))
    other.wait()
    assert other.tokens == expected_reply(rig.kind, text(46, 40), 4)
    if method != "on_end":
        assert failing.wait().error is INTERNAL_ERROR
    assert "/srv/listener" in caplog.text
    rig.ask(text(45, 40))


class Failing(Heard):
    """A listener one method of which a test replaces."""

    def fail(self, _: object) -> bool:
        raise FileNotFoundError(2, "a listener failed", "/srv/listener")


def test_a_turn_that_fails_tells_clients_nothing_of_the_server(
    make_fake_rig: MakeFakeRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_fake_rig()

    def fail(_: float) -> bool:
        monkeypatch.undo()
        raise OSError(5, "a disk failed", "/srv/cache")

    heard = Heard()
    heard.on_each = lambda: monkeypatch.setattr(rig.cache, "maintain", fail) if len(heard.tokens) == 1 else None
    rig.send(text(45, 40), 50, heard=heard)
    assert heard.wait().error is INTERNAL_ERROR
    assert "/srv/cache" in caplog.text
    rig.ask(text(46, 40))


def test_a_failing_hook_harms_nobody(make_fake_rig: MakeFakeRig) -> None:
    def fail(_id: int, _end: JobEnd) -> None:
        raise RuntimeError("the hook failed")

    rig = make_fake_rig(on_end=fail)
    for i in range(3):
        heard = rig.send(text(47 + i, 9))
        assert heard.wait().reason is EndReason.LIMIT


def test_closing_ends_what_runs_and_refuses_what_waits(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=2)
    running = threading.Event()

    def wait_for_the_end() -> None:
        running.set()
        wait_until(lambda: rig.loop._inbox.is_closed, "the end")

    with rig.held():
        asked = [rig.send(text(50 + i, 40), 300, heard=Heard(on_each=wait_for_the_end)) for i in range(5)]
    assert running.wait(PATIENCE_S)
    rig.loop.close()
    assert all(heard.ended.is_set() for heard in asked)
    ends = [heard.wait() for heard in asked]
    assert [end.reason for end in ends] == 2 * [EndReason.CANCELLED] + 3 * [EndReason.ERROR]
    assert all(end.error is not None and end.error.type is ErrorType.UNAVAILABLE for end in ends[2:])
    with pytest.raises(RuntimeError, match="shutting down"):
        rig.send(text(55, 9))


def test_requests_are_served_in_the_order_they_came(make_fake_rig: MakeFakeRig) -> None:
    order: list[int] = []
    rig = make_fake_rig(n_slots=1, on_end=lambda number, _end: order.append(number))
    with rig.held():
        asked = [rig.send(text(56 + i, 20 - 4 * i)) for i in range(4)]
    for heard in asked:
        heard.wait()
    assert order == [heard.submission.id for heard in asked if heard.submission]


def test_a_request_for_a_busy_slot_lets_others_pass(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=2)
    with rig.held():
        asked = [rig.send(text(60 + i, 20), id_slot=slot) for i, slot in enumerate((1, 1, -1, 99))]
    assert [heard.wait().id_slot for heard in asked][:3] == [1, 1, 0]
    rig.check()


def test_slots_show_what_runs(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=2)
    rig.ask(text(65, 30))
    seen: list[SlotView] = []
    heard = Heard(on_each=lambda: seen.append(rig.loop.slots()[0]))
    with rig.held():
        rig.send(text(65, 30) + text(66, 10), 3, heard=heard)
    heard.wait()
    assert heard.submission is not None
    assert [view.n_decoded for view in seen] == [1, 2, 3]
    for view in seen:
        assert (view.id, view.is_processing, view.id_task, view.n_ctx) == (0, True, heard.submission.id, 400)
        assert (view.n_prompt_tokens, view.n_prompt_tokens_cache, view.n_prompt_tokens_processed) == (40, 30, 10)
    rig.check()
    assert not any(view.is_processing for view in rig.loop.slots())


def test_progress_is_told_at_the_start_and_after_every_batch(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_batch=16)
    rig.ask(text(67, 20))
    heard = rig.ask(text(67, 20) + text(68, 40), wants_progress=True)
    assert [progress.n_processed for progress in heard.progress] == [20, 36, 52, 60]
    assert {(progress.n_total, progress.n_cached) for progress in heard.progress} == {(60, 20)}
    assert {progress.timings for progress in heard.progress} == {None}


def test_progress_has_the_timings_so_far_where_they_are_wanted(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_batch=16)
    rig.ask(text(67, 20))
    heard = rig.ask(text(67, 20) + text(68, 40), wants_progress=True, wants_timings=True)
    timings = [progress.timings for progress in heard.progress if progress.timings is not None]
    assert [(one.cache_n, one.prompt_n, one.predicted_n) for one in timings] == [(20, n, 0) for n in (0, 16, 32, 40)]
    assert [one.prompt_ms for one in timings] == [progress.time_ms for progress in heard.progress]
    assert timings[0].prompt_ms == 0 < timings[1].prompt_ms


def test_totals_are_the_sums_of_what_requests_report(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_batch=16)
    heard = [rig.ask(text(67, 20)), rig.ask(text(67, 20) + text(68, 40))]
    timings = [one.end.timings for one in heard if one.end is not None]
    totals = rig.loop.totals
    assert (totals.n_cached, totals.n_read) == (20, 60)
    assert totals.n_generated == sum(one.predicted_n for one in timings) == totals.n_intervals + 2 > 2
    assert totals.read_ms == pytest.approx(sum(one.prompt_ms for one in timings))
    assert totals.generated_ms == pytest.approx(sum(one.predicted_ms for one in timings))
    assert totals.n_longest == 60 + timings[1].predicted_n
    # Two and three batches of the prompts, and one for each token but the last; one request at a time.
    assert totals.n_calls == totals.n_served == 5 + totals.n_intervals
    rig.check()


def test_who_waits_for_a_slot_is_counted(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_slots=1)
    seen: list[int] = []
    heard = Heard()
    heard.on_each = lambda: seen.append(rig.loop.n_waiting)
    with rig.held():
        asked = [rig.send(text(1, 9), heard=heard), rig.send(text(2, 9)), rig.send(text(3, 9))]
    for one in asked:
        one.wait()
    assert set(seen) == {2}
    assert rig.loop.n_waiting == 0
    rig.check()


def test_probabilities_are_those_of_the_path(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    prompt = text(69, 30)
    for _ in range(2):
        heard = rig.ask(prompt, 2, n_probs=3)
        logits = expected_logits(rig.kind, prompt + heard.tokens[:1])
        best = sorted(logits.tolist(), reverse=True)
        assert heard.margins[1] == pytest.approx(best[0] - best[1])


def test_a_failure_while_the_disk_is_settled_loses_neither_jobs_nor_calls(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    settle, n_settled, is_settled = rig.cache.collect, 0, threading.Event()

    def fail_once() -> None:
        nonlocal n_settled
        n_settled += 1
        if n_settled == 1:
            raise AssertionError("anything")
        settle()
        is_settled.set()

    with rig.held():
        rig.cache.collect = fail_once  # type: ignore[method-assign]
        heard = rig.send(text(85, 20))
        called = rig.loop.call(lambda: 7)
    assert called.result(timeout=PATIENCE_S) == 7
    assert heard.wait().reason is EndReason.LIMIT
    assert heard.tokens == expected_reply(rig.kind, text(85, 20), 4)
    assert is_settled.wait(PATIENCE_S), "what was left is taken over without anybody asking"


def test_nobody_waits_for_an_engine_that_is_beyond_repair(kind: MemoryKind) -> None:
    rig = FakeRig(kind)
    rig.ask(text(80, 20))
    rig.engine.drop = refuse  # type: ignore[method-assign]
    with rig.held():
        asked = [rig.send(text(81 + i, 20)) for i in range(6)]
    for heard in asked:
        heard.wait()
    assert rig.send(text(88, 20)).wait().reason is EndReason.ERROR
    rig.loop.close()


def refuse(seq: int) -> None:
    raise EngineError(f"sequence {seq} cannot be dropped")
