"""Claude Code conversations, recorded as hashes of blocks.

Source: callanjfox/kv-cache-tester, re-encoded: one request a line with `c` conversation, `t` seconds, `in` and `out`
tokens, and its blocks as the first `lcp` of the line before in the same conversation and then runs `[start, count]` of
`new` ids.
"""

from pathlib import Path
from typing import Final

import numpy as np

from segue.sim.request import Request
from segue.sim.traces.lines import lines
from segue.state.branch import Tokens

N_BLOCK_TOKENS: Final = 64


def read(path: Path) -> list[Request]:
    """The requests, each conversation in one piece. Raises OSError, ValueError, KeyError and TypeError.

    Block ids are local to a conversation, so each gets a range of its own. What a reply was is not listed.
    """
    conversations: dict[str, list[Request]] = {}
    last: dict[str, Tokens] = {}
    numbers: dict[str, int] = {}
    for line in lines(path):
        name = line["c"]
        runs = [np.arange(start, start + count, dtype=np.int32) for start, count in line["new"]]
        blocks = np.concatenate((last.get(name, np.empty(0, dtype=np.int32))[: line["lcp"]], *runs))
        if len(blocks) != line["in"] // N_BLOCK_TOKENS:
            raise ValueError(f"request {line['k']} of {name} lists {len(blocks)} blocks for {line['in']} tokens")
        last[name] = blocks
        number = numbers.setdefault(name, len(numbers))
        made = Request(number, float(line["t"]), blocks, int(line["in"]), int(line["out"]))
        conversations.setdefault(name, []).append(made)
    base = 0
    for requests in conversations.values():
        n_ids = 1 + max((int(request.path.max()) for request in requests if len(request.path)), default=0)
        for request in requests:
            np.add(request.path, base, out=request.path)
        base += n_ids
    return [request for requests in conversations.values() for request in requests]
