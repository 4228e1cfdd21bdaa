"""Mooncake's recordings."""

import gzip
import json
from pathlib import Path

from segue.sim.traces.mooncake import read


def test_a_last_partial_block_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl.gz"
    rows = [
        {"timestamp": 3000, "input_length": 1025, "output_length": 7, "hash_ids": [0, 1, 2]},
        {"timestamp": 1000, "input_length": 1024, "output_length": 7, "hash_ids": [0, 1]},
    ]
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    first, second = read(path)
    assert (first.at_s, second.at_s) == (1.0, 3.0)
    assert list(first.path) == list(second.path) == [0, 1]
    assert (first.n_prompt_tokens, second.n_prompt_tokens, first.n_reply_tokens) == (1024, 1025, 7)
