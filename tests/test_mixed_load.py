"""Two minutes of mixed load: nothing is ever over budget, and memory does not grow."""

from pathlib import Path

import pytest

from tests.kit.load import N_DISK_BYTES, N_HOST_BYTES, put_load
from tests.kit.models import model_path

SECONDS = 120
MOST_GROWTH_BYTES = 8 << 20


@pytest.mark.timeout(400)
def test_two_minutes_of_mixed_load(tmp_path: Path) -> None:
    load = put_load(model_path("qwen35"), tmp_path / "cache", SECONDS, lambda _: None)
    print(
        f"{load.n_requests} requests, read {load.n_read_tokens} of {load.n_prompt_tokens}; {load.growth_bytes} B more"
    )
    assert load.offered_bytes >= 2 * (N_HOST_BYTES + N_DISK_BYTES)
    assert N_HOST_BYTES / 2 < load.host_peak_bytes <= N_HOST_BYTES
    assert N_DISK_BYTES / 2 < load.disk_peak_bytes <= N_DISK_BYTES
    assert load.growth_bytes < MOST_GROWTH_BYTES
