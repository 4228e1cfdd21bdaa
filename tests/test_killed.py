"""kill -9 at random moments of a busy run with drafts: what was synced is there, and no reply is ever another."""

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from segue.storage.directory import Directory
from tests.kit.mtp_models import mtp_path
from tests.kit.served import Served, said, served
from tests.kit.waiting import wait_until

EXACT = ("-c", "4096", "-np", "4", "-fa", "off", "-ctk", "f32", "-ctv", "f32")
N_CONVERSATIONS, N_TURNS, N_REPLY = 6, 3, 8


def messages(conversation: int, turn: int) -> list[dict[str, str]]:
    """A conversation as it is asked at one of its turns; all share their system prompt."""
    history = [{"role": "system", "content": "You are a careful engineer who reads before he writes. " * 6}]
    for i in range(turn + 1):
        history.append({"role": "user", "content": f"Question {i} of conversation {conversation}: what is next? " * 3})
        if i < turn:
            history.append({"role": "assistant", "content": f"Answer {i}, {conversation}."})
    return history


def model() -> Path:
    """A hybrid with a layer for further tokens, so that replies are drafted, and its draft context is stored too."""
    return mtp_path("qwen35-mtp")


def content(reply: dict[str, Any]) -> str:
    return said(reply["choices"][0])


def expected() -> dict[tuple[int, int], str]:
    """All replies, none of them drafted, or from a cache."""
    replies = {}
    with served(model(), *EXACT, "--spec-type", "none") as server:
        for conversation in range(N_CONVERSATIONS):
            for turn in range(N_TURNS):
                reply = server.chat(messages(conversation, turn), max_tokens=N_REPLY, cache_prompt=False)
                replies[conversation, turn] = content(reply)
    return replies


def be_busy(
    server: Served, seed: int, replies: dict[tuple[int, int], str], heard: list[object], wrong: list[object]
) -> None:
    """Ask until the server is gone, and note what was heard, and each reply that is not the expected one."""
    rng = random.Random(seed)
    with contextlib.suppress(httpx.HTTPError):
        while True:
            which = rng.randrange(N_CONVERSATIONS), rng.randrange(N_TURNS)
            reply = content(server.chat(messages(*which), max_tokens=N_REPLY))
            heard.append(which)
            if reply != replies[which]:
                wrong.append((which, reply))


def run(folder: Path, n_kills: int, seed: int) -> None:
    replies = expected()
    rng = random.Random(seed)
    wrong: list[object] = []
    for kill in range(n_kills):
        heard: list[object] = []
        with served(model(), *EXACT, "--cache-dir", str(folder), "--cache-disk", "8") as server:
            askers = [
                threading.Thread(target=be_busy, args=(server, 9 * kill + i, replies, heard, wrong)) for i in range(3)
            ]
            for asker in askers:
                asker.start()
            n_heard = rng.randrange(30)
            wait_until(lambda heard=heard, n=n_heard: len(heard) >= n, "replies")  # type: ignore[misc]
            if kill == n_kills - 1:
                wait_until(lambda: len(os.listdir(folder / "blobs")) > 2 * N_CONVERSATIONS, "states on disk")
            # The moments differ between two replies too; it does not matter how.
            time.sleep(rng.uniform(0, 0.02))
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            for asker in askers:
                asker.join()
        directory = Directory(folder)
        assert directory.verify() == []
        stored = directory.index.all_checkpoints()
        directory.close()
    assert not wrong
    tiers: list[str] = []
    with served(model(), *EXACT, "--cache-dir", str(folder), "--cache-disk", "8") as server:
        n_read = n_prompt = n_drafted = 0
        for which, reply in replies.items():
            answer = server.chat(messages(*which), max_tokens=N_REPLY)
            assert content(answer) == reply
            n_read += answer["timings"]["prompt_n"]
            n_prompt += answer["usage"]["prompt_tokens"]
            n_drafted += answer["timings"].get("draft_n", 0)
            tiers.append(answer["cache"]["from_tier"])
    print(f"{n_kills} kills; {sum(map(len, stored.values()))} checkpoints after the last; read {n_read} of {n_prompt}")
    assert n_read < n_prompt / 2
    assert n_drafted > 0
    assert "disk" in tiers, "what was synced is not used"


def test_killed_a_few_times(tmp_path: Path) -> None:
    run(tmp_path / "cache", 5, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    run(tmp_path / "cache", 200, seed=2)
