"""Recordings of texts."""

import json
from pathlib import Path

from segue.sim.traces.text import read


def test_a_directory_of_sessions(tmp_path: Path) -> None:
    for name, at_us in (("a", 5), ("b", 1)):
        rows = [
            {"timestamp": at_us + 9, "input": "Hi, you!\n\nYes", "output": "", "session_id": name},
            {"timestamp": at_us, "input": "Hi, you", "output": "! ", "session_id": name},
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    a, a_more, b, _ = read(tmp_path)
    assert (a.conversation, a_more.conversation, b.conversation) == (0, 0, 1)
    assert list(a.path) == list(b.path) == list(a_more.path[:4])
    assert len(a_more.path) == a_more.n_prompt_tokens == 7
    assert list(a.whole) == [*a.path, a_more.path[4], a.path[2]]
