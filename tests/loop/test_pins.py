"""What a client wants to be kept: pins at its breakpoints, made by reading and renewed by use."""

import numpy as np

from segue.memory import MemoryKind
from segue.policy.prompt_marks import Breakpoint, PromptMarks
from segue.prefix.checkpoint import Checkpoint
from tests.loop.fake_rig import FakeRig, Sizes, text


def pinned(rig: FakeRig, prompt: list[int], n_tokens: int) -> float:
    """Until when the checkpoint after the first tokens is pinned; 0 if there is none."""
    tokens = np.asarray(prompt[:n_tokens], np.int32)
    found: Checkpoint | None = rig.cache.entries.tree("").at(tokens)
    return 0.0 if found is None else found.pinned_until


def test_a_breakpoint_is_pinned_when_read_and_again_with_each_use(kind: MemoryKind) -> None:
    rig = FakeRig(kind)
    prompt = text(1, 90)
    marks = PromptMarks(message_ends=(20, 40, 60), breakpoints=(Breakpoint(40, 300.0), Breakpoint(90, 3600.0)))
    rig.ask(prompt, marks=marks)
    now = rig.cache.entries.clock()
    assert now + 290 < pinned(rig, prompt, 40) <= now + 300
    assert now + 3500 < pinned(rig, prompt, 90) <= now + 3600
    before = pinned(rig, prompt, 40)
    heard = rig.ask(prompt + text(2, 30), marks=marks)
    assert heard.end is not None
    assert heard.end.timings.cache_n >= 90
    assert pinned(rig, prompt, 40) > before
    rig.close()


def test_all_that_reads_pinned_prompts_still_finds_room(kind: MemoryKind) -> None:
    rig = FakeRig(kind, Sizes(n_cells=400, n_parked=2, n_host_bytes=2000, n_ctx=200))
    for seed in range(12):
        prompt = text(seed, 100)
        marks = PromptMarks(message_ends=(30, 60), breakpoints=(Breakpoint(30, 1e6), Breakpoint(60, 1e6)))
        rig.ask(prompt, marks=marks)
    rig.close()
