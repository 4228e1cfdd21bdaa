"""S28: a reply that its client interrupts comes back as far as the client has it, with a new message behind."""

import json

import numpy as np
import pytest

from segue.loop.end import EndReason
from segue.memory import MemoryKind
from tests.conftest import MakeRig
from tests.kit.conversation import chat, message, text
from tests.kit.models import model_path
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig
from tests.kit.served import served

N_COVERED, N_AGAIN = 128, 40
QUESTION = chat(("system", text(1, 60)), ("user", text(2, 30)))
END = np.array([258, 10], np.int32)
BEHIND = "<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n"


def interrupted(rig: Rig, n_generated: int) -> Heard:
    """A reply that streams, stopped by its client."""
    heard = Heard()
    heard.on_each = lambda: heard.submission.cancel() if len(heard.tokens) == n_generated else None  # type: ignore[union-attr]
    rig.send(QUESTION.tokens, 1000, marks=QUESTION.marks, heard=heard, may_be_interrupted=True)
    assert heard.wait().reason is EndReason.CANCELLED
    rig.check()
    return heard


def n_again(rig: Rig, reference: Reference, reply: list[int], seed: int) -> int:
    """Tokens of the first prompt and reply that a prompt reads again which goes on behind `reply`."""
    said = np.array(reply, np.int32)
    prompt = np.concatenate([QUESTION.tokens, said, END, message("user", text(seed, 20))])
    heard = rig.ask(prompt, 4)
    reference.agrees(prompt, heard)
    assert heard.end is not None
    return QUESTION.n + len(said) - heard.end.timings.cache_n


@pytest.mark.parametrize("n_generated", [30, 127, 161, 208])
def test_s28_what_was_generated_last_is_hardly_read_again(
    make_rig: MakeRig, reference: Reference, n_generated: int
) -> None:
    rig = make_rig()
    heard = interrupted(rig, n_generated)
    n_all = len(heard.tokens)
    for i, n_back in enumerate((1, 5, 17, 39, 40, 41, 80, 90, 119, 120, 121, N_COVERED)):
        if n_back < n_all:
            assert n_again(rig, reference, heard.tokens[: n_all - n_back], 900 + i) <= N_AGAIN


def test_s28_states_of_a_reply_that_ended_go(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.ask(QUESTION.tokens, 210, marks=QUESTION.marks, may_be_interrupted=True)
    ends = sorted(checkpoint.n_tokens for checkpoint in rig.loop.call(lambda: list(rig.cache.entries.all())).result())
    assert QUESTION.n + 209 in ends
    rig.ask(text(7, 20), 1)
    ends = sorted(c.n_tokens for c in rig.loop.call(lambda: list(rig.cache.entries.all())).result())
    assert [end for end in ends if end > QUESTION.n] == [QUESTION.n + 209]


def test_s28_a_reply_that_ended_before_its_client_stopped(make_rig: MakeRig, reference: Reference) -> None:
    rig = make_rig(n_slots=1)
    heard = rig.ask(QUESTION.tokens, 150, marks=QUESTION.marks, may_be_interrupted=True)
    assert n_again(rig, reference, heard.tokens[:100], 950) <= N_AGAIN


def test_s28_a_reply_that_streams_keeps_few_states(make_rig: MakeRig) -> None:
    rig = make_rig()
    most = 0

    def count() -> None:
        nonlocal most
        inside = [c for c in rig.cache.entries.all() if c.n_tokens > QUESTION.n]
        most = max(most, len(inside))

    heard = Heard(on_each=count)
    rig.send(QUESTION.tokens, 300, marks=QUESTION.marks, heard=heard, may_be_interrupted=True)
    heard.wait()
    assert most == (0 if rig.shape.kind is MemoryKind.ATTENTION else 5)


@pytest.mark.parametrize("name", ["qwen35", "gemma3", "mamba2"])
def test_s28_over_http(name: str) -> None:
    question = {"role": "user", "content": "What is there? " * 20}
    with served(model_path(name), "-c", "4096", "-np", "2") as server:
        tokens = server.client.post("/tokenize", json={"content": BEHIND, "parse_special": True}).json()["tokens"]
        n_behind = len(tokens)
        for n_chunks in (20, 90, 150):
            body = {"messages": [{"role": "system", "content": f"Talk {n_chunks}."}, question], "max_tokens": 1000}
            body |= {"temperature": 0, "ignore_eos": True, "stream": True}
            said, n_heard = "", 0
            with server.client.stream("POST", "/v1/chat/completions", json=body) as response:
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
                        said += delta.get("content") or ""
                        n_heard += 1
                    if n_heard == n_chunks:
                        break
            messages = [*body["messages"], {"role": "assistant", "content": said}, {"role": "user", "content": "And?"}]  # type: ignore[misc]
            cache = server.chat(messages)["cache"]
            assert cache["n_read"] <= n_behind + N_AGAIN
