"""S14, S15, S23 and S25 where files come in: saved slots, restarts, full and damaged disks; and what is stored once."""

import contextlib
import errno
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segue.cache.snapshot import SlotSnapshot, SnapshotError
from segue.demo.model_file import write_model
from segue.memory import MemoryKind
from segue.policy.reasons import CacheReport
from segue.storage import blobfile
from tests.conftest import MakeRig
from tests.kit.architectures import Sizes, longrope
from tests.kit.conversation import N_HEADER, Prompt, chat, raw, text
from tests.kit.models import MODELS
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig

SYSTEM = ("system", text(1, 300))
WITH_CELLS = [name for name, model in MODELS.items() if model.kind.shares_cells]


def ask(rig: Rig, reference: Reference, prompt: Prompt, n_predict: int = 6) -> Heard:
    """Ask, and compare the reply with the uncached one."""
    heard = rig.ask(prompt.tokens, n_predict, marks=prompt.marks)
    reference.agrees(prompt.tokens, heard)
    return heard


def conversation(n_turns: int) -> list[Prompt]:
    """The prompts of a conversation, one longer than the other."""
    history = [SYSTEM, ("user", text(2, 120))]
    prompts = [chat(*history)]
    for seed in range(3, 2 + n_turns):
        history += [("assistant", text(seed, 40)), ("user", text(seed + 50, 60))]
        prompts.append(chat(*history))
    return prompts


def branch_off() -> Prompt:
    """A prompt that leaves the conversation after its first turn."""
    return chat(SYSTEM, ("user", text(2, 120)), ("assistant", text(90, 30)), ("user", text(91, 40)))


def must_read(rig: Rig, prompt: Prompt, end: int) -> int:
    """What is read of a prompt from a message end on; plain attention need not read the next message's header."""
    return prompt.n - end - (N_HEADER if rig.shape.kind is MemoryKind.ATTENTION else 0)


def n_bytes_in(folder: Path) -> int:
    """What the files take at the moment; some may go while they are counted."""
    n_bytes = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            n_bytes += path.stat().st_size
    return n_bytes


def held_and_saved(rig: Rig, reference: Reference, n_turns: int) -> tuple[list[Prompt], SlotSnapshot]:
    """Hold a conversation on slot 0 and save the slot; its prompts, and what was saved."""
    prompts = conversation(n_turns)
    for prompt in prompts:
        ask(rig, reference, prompt)
    snapshot = rig.loop.save_slot(0, "").result()
    assert snapshot is not None
    return prompts, snapshot


def test_s14_a_slot_saved_erased_and_restored(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=1)
    prompts, snapshot = held_and_saved(rig, reference, 4)
    n_erased = rig.loop.erase_slot(0, "").result()
    rig.check()
    assert n_erased > 0
    assert ask(rig, reference, raw(text(95, 50))).n_read == 50
    n_restored = rig.loop.restore_slot(0, "", snapshot.arrays()).result()
    rig.check()
    assert n_restored >= prompts[-1].n
    assert ask(rig, reference, prompts[-1]).n_read == 0
    other = branch_off()
    assert ask(rig, reference, other).n_read == must_read(rig, other, prompts[0].ends[-1])


def test_s14_a_slot_is_restored_in_another_process(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=1)
    prompts, snapshot = held_and_saved(rig, reference, 3)
    fresh = make_rig(n_slots=1)
    ask(fresh, reference, prompts[0])
    fresh.loop.restore_slot(0, "", snapshot.arrays()).result()
    fresh.check()
    assert ask(fresh, reference, prompts[-1]).n_read == 0
    assert ask(fresh, reference, branch_off()).n_read == must_read(fresh, branch_off(), prompts[0].ends[-1])
    if rig.shape.kind.shares_cells:
        other = make_rig(n_slots=1, type_k="f16")
        with pytest.raises(SnapshotError, match="type of keys f32 instead of f16"):
            other.loop.restore_slot(0, "", snapshot.arrays())


def test_s14_another_namespace_s_slot_is_empty(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=1)
    ask(rig, reference, conversation(1)[0])
    snapshot = rig.loop.save_slot(0, "somebody else").result()
    assert snapshot is not None
    assert len(snapshot.tokens) == 0
    assert rig.loop.erase_slot(0, "somebody else").result() == 0


@pytest.mark.parametrize("options", [{}, {"reproducible": True, "n_ctx": 1024}, {"n_parked": 0}])
def test_s15_a_restart_loses_nothing(
    make_rig: MakeRig, reference: Reference, tmp_path: Path, options: dict[str, Any]
) -> None:
    before = make_rig(cache_dir=tmp_path / "cache", n_slots=2, **options)
    prompts = conversation(4)
    for prompt in prompts:
        before.ask(prompt.tokens, 6, marks=prompt.marks)
    aside = chat(("user", text(80, 70)))
    before.ask(aside.tokens, 6, marks=aside.marks)
    before.wait_until_stored()
    before.end()
    after = make_rig(cache_dir=tmp_path / "cache", n_slots=2, **options)
    again = after.ask(prompts[-1].tokens, 6, marks=prompts[-1].marks)
    assert again.n_read == 0
    assert again.end is not None
    assert again.end.report is not None
    assert again.end.report.from_tier == after.cache.lower_name
    assert after.ask(aside.tokens, 6, marks=aside.marks).n_read == 0
    other = branch_off()
    heard = after.ask(other.tokens, 6, marks=other.marks)
    end = prompts[0].ends[-1]
    assert heard.n_read == (other.n - end if "reproducible" in options else must_read(after, other, end))
    if not options:
        for prompt, reply in ((prompts[-1], again), (other, heard)):
            reference.agrees(prompt.tokens, reply)


def test_s15_another_quantisation_of_the_cache_is_refused_with_its_reason(
    make_rig: MakeRig, reference: Reference, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = conversation(1)[0]
    first = make_rig(cache_dir=tmp_path)
    ask(first, reference, prompt)
    first.wait_until_stored()
    first.end()
    with caplog.at_level(logging.INFO, "segue.cache"):
        other = make_rig(cache_dir=tmp_path, type_k="f16")
    assert "type of keys f32 instead of f16" in caplog.text
    assert other.ask(prompt.tokens, 2, marks=prompt.marks).n_read == prompt.n
    other.wait_until_stored()
    other.end()
    back = make_rig(cache_dir=tmp_path)
    assert ask(back, reference, prompt).n_read == 0


def test_s15_a_longer_context_loses_nothing(make_rig: MakeRig, reference: Reference, tmp_path: Path) -> None:
    prompt = conversation(1)[0]
    first = make_rig(cache_dir=tmp_path, n_ctx=1024, n_cells=2048)
    ask(first, reference, prompt)
    first.wait_until_stored()
    first.end()
    longer = make_rig(cache_dir=tmp_path)
    assert ask(longer, reference, prompt).n_read == 0


def test_s15_keys_that_a_longer_context_turns_otherwise_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "longrope.gguf"
    write_model(path, longrope(Sizes(), n_ctx_original=1024), seed=0)
    prompt = text(1, 200)

    def reply(n_cells: int, cache_dir: Path) -> Heard:
        with contextlib.closing(
            Rig(path, n_slots=1, n_ctx=512, n_cells=n_cells, n_parked=2, cache_dir=cache_dir)
        ) as rig:
            heard = rig.ask(prompt, 6)
            rig.wait_until_stored()
            return heard

    assert reply(1024, tmp_path / "cache").n_read == len(prompt)
    with caplog.at_level(logging.INFO, "segue.cache"):
        longer = reply(2048, tmp_path / "cache")
    assert "RoPE factors short instead of long" in caplog.text
    assert longer.n_read == len(prompt)
    assert longer.tokens == reply(2048, tmp_path / "another").tokens
    back = reply(1024, tmp_path / "cache")
    assert back.n_read == 0
    assert back.tokens != longer.tokens


@pytest.mark.parametrize("model_name", WITH_CELLS)
def test_s15_states_in_another_format_are_read_again(
    make_rig: MakeRig,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("tests.kit.rig.fingerprint", lambda *_: {"model": "too little"})
    prompts, aside = conversation(2), raw(text(95, 200))
    first = make_rig(cache_dir=tmp_path, type_k="f16")
    for prompt in prompts:
        first.ask(prompt.tokens, 2, marks=prompt.marks)
    first.wait_until_stored()
    first.end()
    rig = make_rig(cache_dir=tmp_path)
    ask(rig, reference, aside)
    with caplog.at_level(logging.WARNING, "segue.cache"):
        assert ask(rig, reference, prompts[-1]).n_read == prompts[-1].n
    # Where keys lie in links their size tells; libllama tells the others.
    assert "does not hold the cells" in caplog.text or "mismatched key type" in caplog.text
    for prompt in (aside, prompts[-1]):
        assert ask(rig, reference, prompt).n_read == 0
    rig.wait_until_stored()
    rig.end()
    again = make_rig(cache_dir=tmp_path)
    for prompt in (aside, prompts[-1]):
        assert ask(again, reference, prompt).n_read == 0


def test_s23_the_disk_stays_within_its_budget(make_rig: MakeRig, reference: Reference, tmp_path: Path) -> None:
    rig = make_rig(cache_dir=tmp_path, n_disk_bytes=600_000, n_host_bytes=300_000, n_parked=4, n_slots=2)
    for i in range(14):
        prompt = chat(SYSTEM, ("user", text(90 + i % 9, 150 + 20 * (i % 9))))
        ask(rig, reference, prompt)
        if i % 3 == 2:
            rig.wait_until_stored()
        assert n_bytes_in(tmp_path / "blobs") <= 600_000
        assert rig.cache.host.budget.peak_bytes <= 300_000


def alter(file: Path) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", ["deleted", "truncated", "altered", "swapped"])
def test_s25_damaged_files_are_a_miss(
    make_rig: MakeRig, reference: Reference, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = make_rig(cache_dir=tmp_path)
    prompts = conversation(3)
    for prompt in prompts:
        ask(before, reference, prompt)
    before.wait_until_stored()
    before.end()
    after = make_rig(cache_dir=tmp_path)
    files = sorted((tmp_path / "blobs").iterdir())
    for i, file in enumerate(files):
        if damage == "deleted":
            file.unlink()
        elif damage == "truncated":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        elif damage == "altered":
            alter(file)
        elif i % 2:
            first, second = files[i - 1].read_bytes(), file.read_bytes()
            files[i - 1].write_bytes(second)
            file.write_bytes(first)
    with caplog.at_level(logging.WARNING, "segue.cache"):
        for prompt in prompts:
            ask(after, reference, prompt)
    assert "stored state is lost" in caplog.text
    for prompt in prompts:
        assert ask(after, reference, prompt).n_read == 0


@pytest.mark.parametrize("is_running", [True, False])
def test_s25_tokens_lost_to_damage_are_told_apart(
    make_rig: MakeRig, reference: Reference, tmp_path: Path, is_running: bool
) -> None:
    before = make_rig(cache_dir=tmp_path)
    prompts = conversation(3)
    for prompt in prompts:
        ask(before, reference, prompt)
    before.wait_until_stored()
    before.end()
    rig = make_rig(cache_dir=tmp_path) if is_running else None
    for file in (tmp_path / "blobs").iterdir():
        if is_running:
            alter(file)
        else:
            file.unlink()
    rig = rig or make_rig(cache_dir=tmp_path)
    asked = chat(SYSTEM, ("user", text(2, 120)), ("assistant", text(3, 40)), ("user", text(70, 30)))
    report = account(ask(rig, reference, asked))
    assert report.n_reused == report.evicted == report.last_token == 0
    assert 0 < prompts[0].ends[-1] <= report.damaged <= report.n_known
    assert report.new + report.damaged + report.no_checkpoint_here == report.n_read == asked.n
    assert account(ask(rig, reference, asked)).damaged == 0


def account(heard: Heard) -> CacheReport:
    """What became of a prompt's tokens."""
    assert heard.end is not None
    assert heard.end.report is not None
    return heard.end.report


def test_s25_files_that_cannot_be_read_are_a_miss_and_stay(
    make_rig: MakeRig, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = make_rig(cache_dir=tmp_path)
    prompt = conversation(1)[0]
    ask(before, reference, prompt)
    before.wait_until_stored()
    before.end()
    after = make_rig(cache_dir=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(blobfile, "_read", fail)
        heard = ask(after, reference, prompt)
    assert heard.n_read == prompt.n
    assert account(heard).not_fetched == prompt.n
    after.end()
    again = make_rig(cache_dir=tmp_path)
    assert ask(again, reference, prompt).n_read == 0


@pytest.mark.parametrize("model_name", WITH_CELLS)
def test_what_conversations_share_is_stored_once(make_rig: MakeRig, model_name: str) -> None:
    n_conversations, n_shared, n_own = 50, 3000, 200
    rig = make_rig(n_ctx=8192, n_cells=16384, n_batch=512, n_host_bytes=1 << 30, n_parked=0)
    shared = text(1, n_shared - 2)
    for i in range(n_conversations):
        prompt = raw(shared, np.array([i, 255 - i], np.int32), text(100 + i, n_own))
        rig.ask(prompt.tokens, 1)
    shape, evictor = rig.shape, rig.cache.evictor
    ends = [c for c in evictor.entries.all() if c.n_tokens == n_shared + n_own]
    n_state = sum(c.host_bytes for c in ends)
    assert len(ends) == n_conversations
    n_links = sum(link.n_bytes for root in evictor.host.segments.roots.values() for link in root.below())
    n_cells = n_shared + n_conversations * n_own
    expected = n_cells * shape.n_bytes_cell + n_conversations * (shape.n_bytes_state + shape.n_bytes_logits)
    print(f"{model_name}: {n_links + n_state:,} bytes stored, {expected:,} expected in {MODELS[model_name].kind.value}")
    assert abs(n_links + n_state - expected) <= 0.02 * expected
