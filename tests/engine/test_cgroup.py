"""Limits of control groups, in folders as Linux has them."""

from pathlib import Path

import pytest

from segue.engine.cgroup import MemoryLimit, cpu_limit, memory_limit

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_the_second_version_with_a_limit_on_the_group_above(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/system.slice/segue.service"
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/segue.service\n",
            f"{group}/memory.max": "max\n",
            f"{group}/memory.current": "123\n",
            f"{group}/cpu.max": "max 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/system.slice/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/system.slice/memory.stat": f"anon 5\ninactive_file {GIB}\n",
            "sys/fs/cgroup/system.slice/cpu.max": "150000 100000\n",
        },
    )
    assert memory_limit(tmp_path) == MemoryLimit(4 * GIB, 2 * GIB)
    assert cpu_limit(tmp_path) == 1.5


def test_the_first_version_in_a_container_that_sees_only_its_own_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert memory_limit(tmp_path) == MemoryLimit(2 * GIB, GIB)
    assert cpu_limit(tmp_path) == 2


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {"proc/self/cgroup": "3:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"},
    ],
)
def test_no_limit(files: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, files)
    assert memory_limit(tmp_path) is None
    assert cpu_limit(tmp_path) is None


def test_more_in_use_than_allowed_leaves_nothing() -> None:
    assert MemoryLimit(GIB, 2 * GIB).free_bytes == 0
