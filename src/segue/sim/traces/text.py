"""Prompts and replies as text, cut into words, spaces and marks, which stand for tokens.

Source: LMCache/lmcache-agent-trace: `timestamp` in µs, `input`, `output`, `session_id`.
"""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from segue.prefix.branch import Tokens
from segue.sim.request import TraceRequest
from segue.sim.traces.lines import lines

N_BLOCK_TOKENS: Final = 1

_PIECE: Final = re.compile(r"\w+|\s+|[^\w\s]")


def read(path: Path) -> list[TraceRequest]:
    """The requests of a file, or of all files of a directory, each session in one piece.

    Raises OSError, ValueError, KeyError and TypeError.
    """
    files = sorted(path.glob("*.jsonl*")) if path.is_dir() else [path]
    sessions: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        for line in lines(file):
            sessions.setdefault(line["session_id"], []).append(line)
    if not sessions:
        raise ValueError("it has no requests")
    ids: dict[str, int] = {}
    requests = []
    for number, session in enumerate(sessions.values()):
        for line in sorted(session, key=lambda line: int(line["timestamp"])):
            prompt, reply = _ids(line["input"], ids), _ids(line["output"], ids)
            requests.append(
                TraceRequest(
                    conversation=number,
                    at_s=line["timestamp"] / 1e6,
                    path=prompt,
                    n_prompt_tokens=len(prompt),
                    n_reply_tokens=len(reply),
                    reply=reply,
                )
            )
    return requests


def _ids(text: str, ids: dict[str, int]) -> Tokens:
    return np.array([ids.setdefault(piece, len(ids)) for piece in _PIECE.findall(text)], dtype=np.int32)
