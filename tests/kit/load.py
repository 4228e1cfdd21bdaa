"""A mixed load, with more state offered than fits: what it took of memory and of the budgets."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from segue.loop.end import EndReason
from segue.prefix.path_limit import PathLimit
from tests.kit.crowd import Crowd, leaving
from tests.kit.rig import Heard, Rig

_N_KNOWN_TOKENS: Final = 1 << 17
_N_AT_ONCE: Final = 4
_N_REPLY: Final = 6


@dataclass(frozen=True, slots=True)
class Load:
    """What a load came to. `rss_bytes` are the process's, one after each request that was over."""

    n_requests: int
    n_prompt_tokens: int
    n_read_tokens: int
    offered_bytes: int
    host_peak_bytes: int
    disk_peak_bytes: int
    rss_bytes: tuple[int, ...]

    @property
    def growth_bytes(self) -> int:
        """By how much more memory the last quarter took than the second one; the first one fills the cache."""
        n = len(self.rss_bytes) // 4
        return int(median(self.rss_bytes[-n:]) - median(self.rss_bytes[n : 2 * n]))


def put_load(
    model: Path, folder: Path, goes_on: Callable[[int], bool], *, n_host_bytes: int, n_disk_bytes: int
) -> Load:
    """Serve a crowd while it `goes_on`, which is told how many requests are over. Raises if a request fails."""
    rig = Rig(
        model,
        n_slots=_N_AT_ONCE,
        n_cells=4096,
        n_parked=5,
        n_host_bytes=n_host_bytes,
        n_ctx=1024,
        n_batch=256,
        cache_dir=folder,
        n_disk_bytes=n_disk_bytes,
    )
    # The paths that stay known take memory too: with the usual limit they would grow for hours.
    rig.cache.known = PathLimit(_N_KNOWN_TOKENS)
    disk = rig.cache.evictor.lower
    process = psutil.Process()
    crowd = Crowd(seed=4, n_texts=1 << 20)
    running: deque[Heard] = deque()
    rss_bytes: list[int] = []
    n_prompt = n_read = disk_peak = 0
    while goes_on(len(rss_bytes)):
        prompt = crowd.prompt()
        heard = leaving(crowd.n_until_cancelled())
        running.append(rig.send(prompt.tokens, _N_REPLY, marks=prompt.marks, heard=heard))
        n_prompt += prompt.n
        if len(running) < _N_AT_ONCE:
            continue
        over = running.popleft()
        end = over.wait()
        assert end.reason is not EndReason.ERROR, end.error
        n_read += over.n_read
        disk_peak = max(disk_peak, rig.loop.call(lambda: disk.usage().used_bytes).result())
        rss_bytes.append(process.memory_info().rss)
    for heard in running:
        heard.wait()
    rig.check()
    load = Load(
        n_requests=len(rss_bytes),
        n_prompt_tokens=n_prompt,
        n_read_tokens=n_read,
        offered_bytes=len(rss_bytes) * rig.shape.n_bytes_state + n_read * rig.shape.n_bytes_cell,
        host_peak_bytes=rig.cache.host.budget.peak_bytes,
        disk_peak_bytes=disk_peak,
        rss_bytes=tuple(rss_bytes),
    )
    rig.close()
    return load
