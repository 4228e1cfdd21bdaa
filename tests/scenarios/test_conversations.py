"""S1 to S11: what one conversation after another must read."""

import numpy as np
import pytest

from segue.memory import MemoryKind
from tests.conftest import MakeRig
from tests.kit.conversation import N_HEADER, Prompt, chat, raw, text
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig

SYSTEM, TOOLS = ("system", text(1, 300)), ("system", text(2, 200))


def ask(rig: Rig, reference: Reference, prompt: Prompt, n_predict: int = 6) -> Heard:
    """Ask, and compare the reply with the uncached one."""
    heard = rig.ask(prompt.tokens, n_predict, marks=prompt.marks)
    reference.agrees(prompt.tokens, heard)
    return heard


def rewinds(rig: Rig) -> bool:
    """Whether the model's memory can go on from any token of a known path."""
    return rig.shape.kind is MemoryKind.ATTENTION


def said(heard: Heard) -> np.ndarray:
    """The generated tokens that were read as well: all but the last."""
    return np.array(heard.tokens[:-1], np.int32)


def test_s1_an_exact_repeat_reads_nothing(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    prompt = chat(SYSTEM, ("user", text(3, 90)))
    first = ask(rig, reference, prompt)
    assert first.n_read == prompt.n
    for _ in range(3):
        again = ask(rig, reference, prompt)
        assert again.n_read == 0
        assert again.tokens == first.tokens


def test_s1_several_choices_read_the_prompt_once(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    prompt = chat(SYSTEM, ("user", text(3, 90)))
    choices = [rig.send(prompt.tokens, marks=prompt.marks) for _ in range(4)]
    for choice in choices:
        choice.wait()
        reference.agrees(prompt.tokens, choice)
    assert sum(choice.n_read for choice in choices) == prompt.n


def test_s2_a_follow_up_reads_the_new_messages_only(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    first = chat(SYSTEM, ("user", text(3, 90)))
    heard = ask(rig, reference, first)
    new = text(4, 60)
    follow_up = Prompt(np.concatenate([first.tokens, said(heard), new]), first.marks)
    assert ask(rig, reference, follow_up).n_read == len(new)


def test_s3_stripped_reasoning_reads_from_the_last_common_message_end(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    turns = [SYSTEM, ("user", text(3, 90))]
    first = chat(*turns)
    ask(rig, reference, first, n_predict=40)
    second = chat(*turns, ("assistant", text(5, 30)), ("user", text(6, 50)))
    n_read = ask(rig, reference, second).n_read
    assert n_read == second.n - first.ends[-1] - (N_HEADER if rewinds(rig) else 0)


def test_s4_a_timestamp_in_the_system_prompt(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    before, after = text(7, 260), text(8, 150)
    stamps = [np.array([50, 48, 50, 54, 45, 49, minute, 48], np.int32) for minute in (65, 66, 67)]
    prompts = [
        chat(("system", np.concatenate([before, stamp, after])), ("user", text(9, 40)), volatile_at=len(before))
        for stamp in stamps
    ]
    ask(rig, reference, prompts[0])
    n_volatile = prompts[0].marks.volatile[0]
    n_fork = n_volatile + 6
    second, third = ask(rig, reference, prompts[1]), ask(rig, reference, prompts[2])
    assert second.n_read == prompts[1].n - (n_fork if rewinds(rig) else n_volatile)
    assert third.n_read == prompts[2].n - n_fork


@pytest.mark.parametrize("n_back", [3, 40, 200, 900])
def test_s5_an_edit_in_a_long_message(make_rig: MakeRig, reference: Reference, n_back: int) -> None:
    rig = make_rig(n_ctx=8192, n_batch=1024, n_ubatch=512)
    long = text(10, 5000)
    first = chat(SYSTEM, ("user", long))
    rig.ask(first.tokens, 2, marks=first.marks)
    edited = np.concatenate([long[:-n_back], text(11, 12), long[-n_back:]])
    second = chat(SYSTEM, ("user", edited))
    n_new = second.n - (first.ends[-1] - n_back - 2)
    heard = ask(rig, reference, second, n_predict=3)
    assert heard.n_read - n_new < max(64, 3 * n_back)


def test_s5_a_letter_appended_to_the_last_message(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    first = chat(SYSTEM, ("user", text(3, 60)), ("assistant", text(4, 20)), ("user", text(5, 30)))
    ask(rig, reference, first)
    second = chat(SYSTEM, ("user", text(3, 60)), ("assistant", text(4, 20)), ("user", np.append(text(5, 30), 33)))
    n_read = ask(rig, reference, second).n_read
    shortest, longest = 1 + 2 + N_HEADER + 1, second.n - first.ends[0]
    assert shortest <= n_read <= (shortest if rewinds(rig) else longest)


@pytest.mark.parametrize("n", [5, 6, 17, 63, 64, 65, 200])
def test_s6_short_prompts(make_rig: MakeRig, reference: Reference, n: int) -> None:
    rig = make_rig()
    first = raw(text(12, n))
    heard = ask(rig, reference, first)
    assert heard.n_read == n
    assert ask(rig, reference, first).n_read == 0
    assert ask(rig, reference, raw(first.tokens, said(heard), text(13, 3))).n_read == 3


def test_s7_undo_two_turns_and_go_on(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    turns = [SYSTEM, ("user", text(20, 50))]
    prompts = [chat(*turns)]
    for seed in range(21, 25):
        turns += [("assistant", text(seed, 20)), ("user", text(seed + 100, 30))]
        prompts.append(chat(*turns))
    for prompt in prompts:
        ask(rig, reference, prompt)
    assert ask(rig, reference, prompts[-3]).n_read == 0
    onward = chat(*turns[:-4], ("assistant", text(31, 20)), ("user", text(32, 30)))
    n_common = prompts[-3].ends[-1] + (N_HEADER if rewinds(rig) else 0)
    assert ask(rig, reference, onward).n_read == onward.n - n_common


def test_s8_two_branches_in_turn(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    turns = [SYSTEM, ("user", text(20, 50)), ("assistant", text(21, 20))]
    a, b = chat(*turns, ("user", text(22, 40))), chat(*turns, ("user", text(23, 70)))
    ask(rig, reference, a)
    ask(rig, reference, b)
    for _ in range(2):
        assert ask(rig, reference, a).n_read == 0
        assert ask(rig, reference, b).n_read == 0


def test_s9_a_new_conversation_with_the_same_system_and_tools(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    ask(rig, reference, chat(SYSTEM, TOOLS, ("user", text(24, 80))))
    other = chat(SYSTEM, TOOLS, ("user", text(25, 70)))
    n_header = N_HEADER if rewinds(rig) else 0
    assert ask(rig, reference, other).n_read == other.n - other.ends[0] - (other.ends[1] - other.ends[0]) - n_header


def test_s10_a_static_context_and_changing_questions(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    static = ("user", text(26, 700))
    for i in range(4):
        prompt = chat(static, ("user", np.append(np.int32(65 + i), text(30 + i, 20))))
        n_read = ask(rig, reference, prompt).n_read
        if i:
            assert n_read == prompt.n - prompt.ends[0] - (N_HEADER if rewinds(rig) else 0)


def test_s10_s11_a_raw_prompt_is_exact_from_the_third_request(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    stable = text(27, 500)
    prompts = [raw(stable, np.array([65 + i], np.int32), text(40 + i, 60)) for i in range(4)]
    reads = [ask(rig, reference, prompt).n_read for prompt in prompts]
    assert reads[0] == prompts[0].n
    # A memory that cannot rewind learns from the second prompt where they part, and must read it for that.
    assert reads[1] == (61 if rewinds(rig) else prompts[1].n)
    assert reads[2:] == [61, 61]


def test_s19_a_compaction_forks_from_an_early_message(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig()
    turns = [SYSTEM, ("user", text(50, 60))]
    for seed in range(51, 56):
        turns += [("assistant", text(seed, 40)), ("user", text(seed + 100, 30))]
        ask(rig, reference, chat(*turns))
    compacted = chat(SYSTEM, ("user", text(60, 90)))
    n_common = compacted.ends[0] + (N_HEADER if rewinds(rig) else 0)
    assert ask(rig, reference, compacted).n_read == compacted.n - n_common
