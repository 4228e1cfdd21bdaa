"""Thousands of mixed requests: nothing is ever over budget, and memory does not grow."""

from pathlib import Path

from tests.kit.load import N_DISK_BYTES, N_HOST_BYTES, put_load
from tests.kit.models import model_path

N_REQUESTS = 2400
MOST_GROWTH_BYTES = 8 << 20


def test_a_mixed_load(tmp_path: Path) -> None:
    load = put_load(model_path("qwen35"), tmp_path / "cache", lambda n_over: n_over < N_REQUESTS)
    print(
        f"{load.n_requests} requests, read {load.n_read_tokens} of {load.n_prompt_tokens}; {load.growth_bytes} B more"
    )
    assert load.offered_bytes >= 2 * (N_HOST_BYTES + N_DISK_BYTES)
    assert N_HOST_BYTES / 2 < load.host_peak_bytes <= N_HOST_BYTES
    assert N_DISK_BYTES / 2 < load.disk_peak_bytes <= N_DISK_BYTES
    assert load.growth_bytes < MOST_GROWTH_BYTES
