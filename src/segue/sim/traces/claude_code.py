"""Claude Code conversations, recorded as hashes of blocks.

Source: callanjfox/kv-cache-tester, re-encoded: one request a line with `c` conversation, `t` seconds, `in` and `out`
tokens, `it` the kinds of its last message's parts, and its blocks as the first `lcp` of the line before in the same
conversation and then runs `[start, count]` of `new` ids.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from segue.sim.request import TraceRequest
from segue.sim.traces.lines import lines

N_BLOCK_TOKENS: Final = 64


def read(path: Path) -> list[TraceRequest]:
    """The requests, each conversation in one piece. Raises OSError, ValueError, KeyError and TypeError.

    Block ids are local to a conversation, so each gets a range of its own. Replies are not listed; a message of
    a person is taken to begin behind the reply to the request before.
    """
    conversations: dict[str, list[TraceRequest]] = {}
    for line in lines(path):
        requests = conversations.setdefault(line["c"], [])
        number = requests[0].conversation if requests else len(conversations) - 1
        requests.append(_request(line, number, requests[-1] if requests else None))
    base = 0
    for requests in conversations.values():
        n_ids = 1 + max((int(request.path.max()) for request in requests if len(request.path)), default=0)
        for request in requests:
            np.add(request.path, base, out=request.path)
        base += n_ids
    return [request for requests in conversations.values() for request in requests]


def _request(line: Mapping[str, Any], number: int, last: TraceRequest | None) -> TraceRequest:
    n_shared = line["lcp"]
    blocks = [last.path[:n_shared]] if last is not None else []
    blocks += [np.arange(start, start + count, dtype=np.int32) for start, count in line["new"]]
    path = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int32)
    if len(path) != line["in"] // N_BLOCK_TOKENS:
        raise ValueError(f"request {line['k']} of {line['c']} lists {len(path)} blocks for {line['in']} tokens")
    starts: list[int] = []
    if last is not None:
        starts = [start for start in last.user_starts if start <= n_shared]
        n_before = (last.n_prompt_tokens + last.n_reply_tokens) // N_BLOCK_TOKENS
        if "text" in line.get("it", ()) and len(last.path) == n_shared and n_before <= len(path):
            starts.append(n_before)
    return TraceRequest(
        conversation=number,
        at_s=float(line["t"]),
        path=path,
        n_prompt_tokens=int(line["in"]),
        n_reply_tokens=int(line["out"]),
        user_starts=tuple(starts),
    )
