"""Claude Code recordings."""

import json
from pathlib import Path

import pytest

from segue.sim.traces.claude_code import read


def line(conversation: str, n_in: int, lcp: int, *new: list[int], k: int = 0, t: float = 0.0) -> str:
    return json.dumps({"c": conversation, "k": k, "t": t, "in": n_in, "out": 9, "lcp": lcp, "new": new})


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def test_a_prompt_is_the_shared_blocks_and_the_new_runs(tmp_path: Path) -> None:
    path = written(
        tmp_path / "trace.jsonl",
        line("a", 3 * 64 + 5, 0, [1, 3]),
        line("a", 5 * 64, 2, [7, 2], [20, 1], t=4.0),
    )
    first, second = read(path)
    assert list(second.path - second.path[0]) == [0, 1, 6, 7, 19]
    assert list(first.path) == [*second.path[:2], first.path[1] + 1]
    assert (first.n_prompt_tokens, second.n_prompt_tokens, second.n_reply_tokens) == (3 * 64 + 5, 5 * 64, 9)
    assert second.at_s == 4.0


def test_ids_of_different_conversations_differ(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.jsonl", line("a", 128, 0, [1, 2]), line("b", 128, 0, [1, 2]), line("a", 64, 1))
    a, again, b = read(path)
    assert (a.conversation, again.conversation, b.conversation) == (0, 0, 1)
    assert not set(a.path) & set(b.path)
    assert again.path[0] == a.path[0]


def test_blocks_that_do_not_add_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="request 0 of a lists 1 blocks for 128 tokens"):
        read(written(tmp_path / "trace.jsonl", line("a", 128, 0, [1, 1])))


def test_messages_of_a_person_begin_behind_the_reply(tmp_path: Path) -> None:
    def said(n_in: int, lcp: int, *new: list[int], by: str) -> str:
        return json.dumps({"c": "a", "k": 0, "t": 0, "in": n_in, "out": 64, "lcp": lcp, "new": new, "it": [by]})

    path = written(
        tmp_path / "trace.jsonl",
        said(128, 0, [1, 2], by="text"),
        said(256, 2, [3, 2], by="tool_result"),
        said(448, 4, [5, 3], by="text"),
        said(192, 2, [9, 1], by="tool_result"),
    )
    assert [found.user_starts for found in read(path)] == [(), (), (5,), ()]
