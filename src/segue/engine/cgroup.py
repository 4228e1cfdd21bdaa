"""The limits that a container or a service manager sets to this process, by Linux's control groups."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The most bytes that this process and its neighbours in the group may use, and how many of them are in use.

    Pages of files that can be dropped at any time do not count as used.
    """

    most_bytes: int
    used_bytes: int

    @property
    def free_bytes(self) -> int:
        """The bytes left."""
        return max(0, self.most_bytes - self.used_bytes)


def memory_limit(root: Path = Path("/")) -> MemoryLimit | None:
    """The tightest limit of memory, or None without one. `root` is where `/proc` and `/sys` are."""
    limits = []
    for folder in _folders(root, "memory"):
        for most, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            most_bytes = _number(folder / most)
            if most_bytes is not None:
                in_use = (_number(folder / used) or 0) - _droppable_bytes(folder)
                limits.append(MemoryLimit(most_bytes, max(0, in_use)))
    return min(limits, key=lambda limit: limit.free_bytes, default=None)


def cpu_limit(root: Path = Path("/")) -> float | None:
    """How many processors this process may keep busy, or None without a limit."""
    limits = []
    for folder in _folders(root, "cpu"):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        with suppress(OSError, ValueError):
            quota, period = map(int, (folder / "cpu.max").read_text().split())
        if quota is not None and period and quota > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folder of this process's group and those above it, in both versions of control groups."""
    mounted = root / "sys/fs/cgroup"
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = mounted / controllers if controllers else mounted
            top = top if top.exists() else mounted / controller
            # In a container, the path is often that of the host, where only the mounted folder is seen.
            folder = top / path.lstrip("/")
            yield from (folder, *(above for above in folder.parents if above.is_relative_to(top)))


def _droppable_bytes(folder: Path) -> int:
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(number)
    return 0


def _number(path: Path) -> int | None:
    """The number in a file; None if there is no such file, or no limit in it."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
