"""A chat service's requests, recorded as hashes of blocks.

Source: kvcache-ai/Mooncake, the trace of its FAST'25 paper: `timestamp` in ms, `input_length`, `output_length` and
`hash_ids`, equal where all tokens up to a block's end are.
"""

from pathlib import Path
from typing import Final

import numpy as np

from segue.sim.request import TraceRequest
from segue.sim.traces.lines import lines

N_BLOCK_TOKENS: Final = 512


def read(path: Path) -> list[TraceRequest]:
    """The requests as they came. Raises OSError, ValueError, KeyError and TypeError.

    The last id may stand for a partial block, which nothing can be said of: only whole blocks are taken.
    """
    requests = []
    for i, line in enumerate(lines(path)):
        n_tokens = int(line["input_length"])
        blocks = np.array(line["hash_ids"], dtype=np.int32)[: n_tokens // N_BLOCK_TOKENS]
        requests.append(
            TraceRequest(
                conversation=i,
                at_s=line["timestamp"] / 1000,
                path=blocks,
                n_prompt_tokens=n_tokens,
                n_reply_tokens=int(line["output_length"]),
            )
        )
    return sorted(requests, key=lambda request: request.at_s)
