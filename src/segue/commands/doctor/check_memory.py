"""Whether the model and its context fit into memory."""

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from segue.commands.doctor.contexts import Fitter
from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.engine.cgroup import memory_limit
from segue.engine.errors import ModelError
from segue.fit.errors import FitError

_GIB = 1 << 30
_MAY_LOCK = 14
"""The number of Linux's capability to lock memory without a limit."""


def check_context(fitter: Fitter, setup: Setup) -> Iterator[Finding]:
    """Choose sizes as a server would."""
    try:
        fitter.choose()
    except (FitError, ModelError) as error:
        n_ctx = fitter.largest()
        other = {"ctx_size": str(n_ctx)} if n_ctx else {"model": "SMALLER.gguf"}
        yield setup.fault(str(error).partition("; try ")[0], **other)


def check_weights(weights_bytes: int, free_bytes: int, total_bytes: int, setup: Setup) -> Iterator[Finding]:
    """Whether host memory holds the weights that lie there; those that it does not hold are read again and again."""
    if weights_bytes <= free_bytes:
        return
    limit = memory_limit()
    is_limited = limit is not None and limit.most_bytes <= total_bytes
    of = "the limit of this container" if is_limited else "this machine"
    need_gib = -(-weights_bytes * 5 // 4 // _GIB)
    text = (
        f"the weights in host memory take {weights_bytes / _GIB:.1f} GiB, and {free_bytes / _GIB:.1f} of "
        f"{total_bytes / _GIB:.1f} GiB of {of} are free: parts of them would be read from the disk for every token"
    )
    if is_limited:
        yield Finding(text, f"docker update --memory {need_gib}g --memory-swap {need_gib}g CONTAINER")
    else:
        yield setup.fault(text, model="SMALLER.gguf")


def check_locking(weights_bytes: int, setup: Setup) -> Iterator[Finding]:
    """Whether this process may lock the weights in memory, if it is to."""
    if "mlock" not in setup.settings.load_mode or _may_lock():
        return
    most_bytes = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if most_bytes != resource.RLIM_INFINITY and most_bytes < weights_bytes:
        yield Finding(
            f"the weights take {weights_bytes / _GIB:.1f} GiB, and this user may lock {most_bytes / _GIB:.2f} GiB of "
            "memory: the rest could be swapped out",
            f"ulimit -l unlimited && {setup.line()}",
        )


def _may_lock(root: Path = Path("/")) -> bool:
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> _MAY_LOCK & 1)
    return False
