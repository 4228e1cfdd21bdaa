"""Thousands of mixed requests: nothing is ever over budget, and memory does not grow."""

from pathlib import Path

import pytest

from tests.kit.load import put_load
from tests.kit.models import model_path

MOST_GROWTH_BYTES = 8 << 20


@pytest.mark.parametrize(
    ("n_requests", "n_host_bytes"), [(300, 256 << 10), pytest.param(2400, 2 << 20, marks=pytest.mark.long)]
)
def test_a_mixed_load(tmp_path: Path, n_requests: int, n_host_bytes: int) -> None:
    n_disk_bytes = 2 * n_host_bytes
    load = put_load(
        model_path("qwen35"),
        tmp_path / "cache",
        lambda n_over: n_over < n_requests,
        n_host_bytes=n_host_bytes,
        n_disk_bytes=n_disk_bytes,
    )
    print(
        f"{load.n_requests} requests, read {load.n_read_tokens} of {load.n_prompt_tokens}; {load.growth_bytes} B more"
    )
    assert load.offered_bytes >= 2 * (n_host_bytes + n_disk_bytes)
    assert n_host_bytes / 2 < load.host_peak_bytes <= n_host_bytes
    assert n_disk_bytes / 2 < load.disk_peak_bytes <= n_disk_bytes
    assert load.growth_bytes < MOST_GROWTH_BYTES
